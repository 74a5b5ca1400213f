"""What needs somebody's attention, worst first, each with what can be done about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from host.contracts.host import HostState, HostStatus
from host.model.counts import counted
from host.model.jobs import JobInfo
from host.model.runs import JobRun, RunCounters, RunReason, RunState
from host.model.security import Policy
from host_panel import words
from host_panel.last_known import Trouble
from host_panel.pauses import NamedPause
from host_panel.reckonings import FailingJob

LATE_AFTER = timedelta(minutes=1)
"""A run that is due so long and has not started waits for something."""
LONGEST = 300
"""Characters of a text that somebody else wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A button of an item."""

    word: str
    path: str
    fields: Mapping[str, str] = field(default_factory=dict)
    confirm: str
    demand: Policy = Policy.START_SYSTEM_JOB


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that is not as it should be."""

    tone: str
    mark: str
    kind: str
    """In a word or two."""
    text: str
    detail: str = ""
    link: str | None = None
    """Path of what it is about."""
    since: datetime | None = None
    act: Act | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The runs and jobs behind what the host's status tells."""

    stuck: Sequence[JobRun] = ()
    names: Mapping[UUID, str] = field(default_factory=dict)
    """Of the jobs of stuck runs: ``{job id: name}``."""
    pauses: Sequence[NamedPause] = ()
    quarantined: Mapping[UUID, JobRun] = field(default_factory=dict)
    """``{job id: its quarantined run}``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known of the host; None where it could not be asked."""

    status: HostStatus | None
    troubles: Mapping[str, Trouble]
    counters: RunCounters | None
    failing: Sequence[FailingJob]
    found: Found


def items_of(seen: Seen, now: datetime) -> Sequence[Item]:
    """Give what needs attention, worst first."""
    return [
        *_troubles(seen.troubles),
        *(_host(seen.status) if seen.status else ()),
        *_findings(seen, failures=True),
        *_quarantined(seen),
        *_stuck(seen),
        *_failing(seen),
        *_late(seen.counters, now),
        *_findings(seen, failures=False),
        *_pauses(seen),
    ]


def _troubles(troubles: Mapping[str, Trouble]) -> Iterator[Item]:
    """Give what cannot be asked; parts that fail for the same reason once."""
    told: dict[str, list[tuple[str, Trouble]]] = {}
    for part, trouble in troubles.items():
        told.setdefault(trouble.error.message, []).append((part, trouble))
    for message, failed in told.items():
        since = min(trouble.since for _, trouble in failed)
        parts = ", ".join(part for part, _ in failed)
        yield Item(
            tone="red",
            mark="✕",
            kind="Not known",
            text=message[:LONGEST],
            detail=f"Concerns: {parts}. What was known last is shown.",
            since=since,
        )


def _host(status: HostStatus) -> Iterator[Item]:
    if status.last_reload is not None and status.last_reload.error:
        error, at = status.last_reload.error, status.last_reload.at
        yield Item(
            tone="red",
            mark="✕",
            kind="Reload failed",
            text="The previous configuration runs again.",
            detail=error[:LONGEST],
            link="/providers#host",
            since=at,
        )
    if status.state is not HostState.READY:
        text = "No run starts any more; active ones may end." if status.state is HostState.DRAINING else ""
        yield Item(tone="amber", mark="⏸", kind=f"Host {status.state}", text=text, link="/providers")


def _findings(seen: Seen, *, failures: bool) -> Iterator[Item]:
    """Give what providers remark; of pauses and stuck runs, which are items of their own, nothing."""
    if seen.status is None:
        return
    told = tuple(f"{pause.scope} is paused" for pause in seen.status.pauses)
    stuck = [str(run.id) for run in seen.found.stuck]
    tone, mark, kind = ("red", "✕", "Failure") if failures else ("amber", "!", "Finding")
    for provider in seen.status.providers:
        for finding in provider.findings:
            text = finding.message
            if finding.is_failure != failures or text.startswith(told) or any(run in text for run in stuck):
                continue
            detail = provider.type.rpartition(":")[2]
            yield Item(tone=tone, mark=mark, kind=kind, text=text[:LONGEST], detail=detail, link="/providers#findings")


def _quarantined(seen: Seen) -> Iterator[Item]:
    for each in seen.found.pauses:
        run = _quarantined_run(seen, each)
        if run is not None:
            confirm = f"{each.name[:200]} starts again, with a new run in place of the one that was quarantined."
            yield Item(
                tone="red",
                mark="✕",
                kind="Quarantined",
                text=each.name,
                detail="A run killed its host or process again and again; the job is paused.",
                link=f"/runs/{run.id}",
                since=each.pause.at,
                act=Act(word="Release", path=f"/runs/{run.id}/release", confirm=confirm),
            )


def _quarantined_run(seen: Seen, named: NamedPause) -> JobRun | None:
    return seen.found.quarantined.get(named.job.id) if named.is_quarantine and named.job else None


def _stuck(seen: Seen) -> Iterator[Item]:
    for run in seen.found.stuck:
        yield Item(
            tone="red",
            mark="!",
            kind="Stuck",
            text=seen.found.names.get(run.job_id, run.job_type),
            detail="The run ignores its cancellation or timeout; only a restart of the host ends it.",
            link=f"/runs/{run.id}",
            since=run.cancel_requested_at or run.started_at,
        )


def _failing(seen: Seen) -> Iterator[Item]:
    quarantined = {each.job.id for each in seen.found.pauses if each.job and _quarantined_run(seen, each)}
    for each in seen.failing:
        run = each.newest
        if each.job.id in quarantined:
            continue
        number = "100 or more runs" if each.number >= 100 else counted(each.number, "run")
        yield Item(
            tone="red",
            mark="✕",
            kind="Failing",
            text=each.job.name,
            detail=f"{number} in a row: {_why(run)}" if run else f"{number} in a row",
            link=f"/runs/{run.id}" if run else f"/jobs/{each.job.id}",
            since=run.finished_at if run else None,
            act=_retry(run, each.job) if run else None,
        )


def _retry(run: JobRun, job: JobInfo) -> Act:
    confirm = f"{job.name[:200]} runs again now, with the parameters of its latest failed run."
    return Act(word="Retry", path=f"/runs/{run.id}/retry", confirm=confirm)


def _why(run: JobRun) -> str:
    if run.errors:
        return run.errors[-1].error[:LONGEST]
    return (run.reason or RunReason.ERROR).value


def _late(counters: RunCounters | None, now: datetime) -> Iterator[Item]:
    due = counters.oldest_due_at if counters else None
    if counters is not None and due is not None and now - due > LATE_AFTER:
        waiting = counters.by_state.get(RunState.QUEUED, 0)
        number = f"{words.count(waiting)} or more runs" if counters.capped else counted(waiting, "run")
        yield Item(
            tone="violet",
            mark="⏱",
            kind="Late",
            text=f"{number} queued, the first one due for {words.span(now - due)}",
            detail="All slots may be taken, or no node offers the executor.",
            link="/runs?state=queued",
            since=due,
        )


def _pauses(seen: Seen) -> Iterator[Item]:
    pauses = seen.found.pauses
    for each in pauses:
        if _quarantined_run(seen, each) is None:
            pause = each.pause
            yield Item(
                tone="paused",
                mark="⏸",
                kind="Paused",
                text=each.name,
                detail=f"{pause.reason[:LONGEST]}{f' ({pause.by[:100]})' if pause.by else ''}",
                link=each.path or "/providers#pauses",
                since=pause.at,
                act=Act(word="Resume", path="/pauses/end", fields={"scope": pause.scope}, confirm=each.consequence),
            )
    left = len(seen.status.pauses) - len(pauses) if seen.status and pauses else 0
    if left > 0:
        text = counted(left, "more pause")
        yield Item(tone="paused", mark="⏸", kind="Paused", text=text, link="/jobs?show=paused")
