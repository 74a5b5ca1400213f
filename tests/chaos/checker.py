"""Compares what jobs and campaign wrote down with the rows the host shows at the end, and names every broken promise.

It is pure: evidence in, violations out. Where the log can decide, the rows are not asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from tests.chaos.evidence import Evidence, Row, Verdict, Violation
from tests.chaos.journal import Event
from tests.chaos.spans import Span, spans_of, troubles_of

CRASHES_BEFORE_QUARANTINE = 3
AFTERLIFE_SECONDS = 0.25
"""How long the process of a job may go on when its host has died, until the kernel has ended it."""


def check(evidence: Evidence) -> list[Violation]:
    """Give every broken promise, in the order of the rules; empty means that all were kept."""
    return [violation for rule in RULES for violation in rule(evidence)]


def lost(evidence: Evidence) -> Iterator[Violation]:
    """Whatever was accepted or has started has a row."""
    accepted = {event.run for event in evidence.of("accepted")}
    for run in sorted(accepted - evidence.rows.keys()):
        yield Violation(verdict=Verdict.LOST, what=f"accepted run {run} has no row")
    for run in sorted(evidence.by_run.keys() - evidence.rows.keys() - accepted):
        yield Violation(verdict=Verdict.LOST, what=f"run {run} has started and has no row")


def lost_fires(evidence: Evidence) -> Iterator[Violation]:
    """A schedule's fire times have no gaps."""
    interval = evidence.promises.interval
    if interval is None:
        return
    for fires in _fires(evidence).values():
        for before, after in pairwise(sorted(set(fires))):
            if after - before > interval * 1.5:
                yield Violation(verdict=Verdict.LOST, what=f"no fire between {before:.3f} and {after:.3f}")


def stuck(evidence: Evidence) -> Iterator[Violation]:
    """In the end every run is final."""
    for row in evidence.rows.values():
        if row.state not in FINAL:
            yield Violation(verdict=Verdict.STUCK, what=f"run {row.run} of {row.job} is {row.state}")


def doubled_fires(evidence: Evidence) -> Iterator[Violation]:
    """A nominal fire is one row, and one run."""
    for schedule, fires in _fires(evidence).items():
        for fire in sorted({fire for fire in fires if fires.count(fire) > 1}):
            yield Violation(verdict=Verdict.DUP, what=f"schedule {schedule} has {fire:.3f} more than once")
    runs: dict[tuple[str, float], set[str]] = defaultdict(set)
    for event in evidence.of("start"):
        if event.fire is not None:
            runs[event.job, event.fire].add(event.run)
    for (job, fire), found in runs.items():
        if len(found) > 1:
            yield Violation(verdict=Verdict.DUP, what=f"{job} ran for {fire:.3f} as {sorted(found)}")


def started_twice(evidence: Evidence) -> Iterator[Violation]:
    """An at-most-once run starts once."""
    for run, events in evidence.by_run.items():
        starts = sum(event.kind == "start" for event in events)
        if events[0].once and starts > 1:
            yield Violation(verdict=Verdict.DUP, what=f"at-most-once run {run} started {starts} times")


def run_again(evidence: Evidence) -> Iterator[Violation]:
    """What has returned runs again only if its outcome can have died with its host."""
    durable = evidence.promises.durable
    troubles = troubles_of(evidence.events)
    for run, events in evidence.by_run.items():
        for end, start in pairwise(event for event in events if event.kind in ("start", "end")):
            if (end.kind, start.kind) != ("end", "start"):
                continue
            lived = end.at - AFTERLIFE_SECONDS
            ages = [at - end.at for at in evidence.crashes_of(run) if lived <= at <= start.at]
            held = any(begin <= end.at <= over for begin, over in troubles)  # the store may have been out of reach
            if not ages or (min(ages) > durable and not held):
                yield Violation(verdict=Verdict.DUP, what=f"completed run {run} ran again at {start.at:.3f}")


def overlaps(evidence: Evidence) -> Iterator[Violation]:
    """Two runs of an exclusive job are never between start and end at the same time."""
    by_job: dict[str, list[Span]] = defaultdict(list)
    for span in spans_of(evidence.events):
        if span.exclusive:
            by_job[span.job].append(span)
    for job, spans in by_job.items():
        latest: Span | None = None
        for span in sorted(spans, key=lambda span: span.begin):
            if latest is not None and span.begin < latest.end:
                what = f"{job}: {span.run} began {latest.end - span.begin:.3f} s before {latest.run} ended"
                yield Violation(verdict=Verdict.OVERLAP, what=what)
            if latest is None or span.end > latest.end:
                latest = span


def unexplained(evidence: Evidence) -> Iterator[Violation]:
    """Every final state is explained by what happened."""
    by_run = evidence.by_run
    cancelled = {event.run for event in evidence.of("cancelled")}
    for row in evidence.rows.values():
        problem = _unexplained(row, by_run.get(row.run, []), evidence, was_cancelled=row.run in cancelled)
        if problem:
            yield Violation(verdict=Verdict.WRONG, what=f"run {row.run} of {row.job} is {row.state}, but {problem}")


def overcounted(evidence: Evidence) -> Iterator[Violation]:
    """What a job only put off, and what a crash ended, is no attempt."""
    for row in evidence.rows.values():
        events = evidence.by_run.get(row.run, ())
        used = sum(event.kind in ("end", "fails", "discards", "stops") for event in events)
        if row.state in ("completed", "failed") and row.attempt > max(1, used):
            yield Violation(verdict=Verdict.WRONG, what=f"run {row.run} counts {row.attempt} attempts and made {used}")


def surprised(evidence: Evidence) -> Iterator[Violation]:
    """Code that has nothing to raise raises nothing: whatever performs it leaves it in peace."""
    for event in evidence.of("fails") if evidence.promises.sound else ():
        if event.note:
            yield Violation(verdict=Verdict.WRONG, what=f"run {event.run} of {event.job} raised {event.note}")


def fired_outside(evidence: Evidence) -> Iterator[Violation]:
    """A fire starts at its time or soon after; what a trouble holds up starts soon after the trouble."""
    window = evidence.promises.fire_window
    troubles = troubles_of(evidence.events)
    steps = [event.at for event in evidence.of("clock")]
    seen: set[str] = set()
    for event in evidence.of("start"):
        if event.fire is None or event.run in seen:
            continue
        seen.add(event.run)
        late = event.wall - event.fire
        stepped = any(at <= event.at <= at + window for at in steps)
        if late < 0 and not stepped:
            yield Violation(verdict=Verdict.WRONG, what=f"run {event.run} started {-late:.3f} s before its fire time")
        elif evidence.promises.steady_clock and event.at > _due(event.at - late, troubles, window) + window:
            yield Violation(verdict=Verdict.LATE, what=f"run {event.run} started {late:.3f} s after its fire time")


def late_recovery(evidence: Evidence) -> Iterator[Violation]:
    """A host that follows a dead one starts runs soon, unless it is disturbed itself."""
    limit = evidence.promises.recovery
    marks = evidence.of("launched", "died", "stopped", "trouble", "halt")
    starts = [event.at for event in evidence.of("start")]
    over = max((event.at for event in evidence.events), default=0.0)
    for before, launched in pairwise(marks):
        if (before.kind, launched.kind) != ("died", "launched"):
            continue
        until = launched.at + limit
        disturbed = min((mark.at for mark in marks if mark.at > launched.at), default=over)
        if disturbed > until and not any(launched.at <= at <= until for at in starts):
            what = f"nothing started within {limit:.0f} s of the launch at {launched.at:.3f}"
            yield Violation(verdict=Verdict.LATE, what=what)


RULES = (
    lost,
    lost_fires,
    stuck,
    doubled_fires,
    started_twice,
    run_again,
    overlaps,
    unexplained,
    overcounted,
    surprised,
    fired_outside,
    late_recovery,
)
FINAL = frozenset({"completed", "failed", "cancelled", "skipped", "quarantined"})


def _unexplained(row: Row, events: Sequence[Event], evidence: Evidence, *, was_cancelled: bool) -> str | None:
    match row.state, row.reason:
        case "completed", _:
            last = next((event.kind for event in reversed(events) if event.kind in ("start", "end")), None)
            return None if last == "end" else "its last start has no end"
        case "failed", "lost":
            return _not_lost(events, evidence.crashes_of(row.run), evidence.promises.durable)
        case "failed", "error":
            failures = sum(event.kind == "fails" for event in events)
            return None if failures >= row.max_attempts else f"it raised {failures} times of {row.max_attempts}"
        case "failed", "discarded":
            return None if any(event.kind == "discards" for event in events) else "it never asked for that"
        case "cancelled", _:
            return None if was_cancelled else "nobody asked for it"
        case "quarantined", _:
            crashes = len(evidence.crashes_of(row.run))
            return None if crashes >= CRASHES_BEFORE_QUARANTINE else f"it has seen {crashes} crashes"
        case state, reason if state in FINAL:
            return f"nothing explains the reason {reason}"
    return None


def _not_lost(events: Sequence[Event], crashes: Sequence[float], durable: float) -> str | None:
    if not crashes:
        return "nothing crashed"
    end = next((event.at for event in reversed(events) if event.kind == "end"), None)
    if end is not None and not any(end <= at <= end + durable for at in crashes):
        return "it had ended, and nothing crashed then"
    return None


def _fires(evidence: Evidence) -> dict[str, list[float]]:
    fires: dict[str, list[float]] = defaultdict(list)
    for row in evidence.rows.values():
        if row.schedule and row.fire is not None:
            fires[row.schedule].append(row.fire)
    return fires


def _due(at: float, troubles: Iterable[tuple[float, float]], window: float) -> float:
    """Give when a fire could start that was due ``at``: after the troubles that meet its window, one after another."""
    for begin, end in troubles:
        if begin <= at + window and at <= end:
            at = max(at, end)
    return at
