"""What became of a run, stage by stage, with the time in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from host.model.runs import JobRun, RunReason, RunState
from host_panel.words import STATES

SHORTEST_ETA = 0.02
"""Progress below which no end is estimated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stretch of a run's life."""

    word: str
    tone: str
    glyph: str
    at: datetime
    """When it began."""
    lasted: timedelta | None
    """None: it is the last one of a finished run, or has not come yet."""
    share: int
    """Of the whole time, in per cent, for the bar; at least 1 for a stage that took any time."""
    is_waiting: bool
    """Whether nothing was done in it."""
    is_present: bool = False


def stages_of(run: JobRun, now: datetime) -> Sequence[Stage]:
    """Give the stages of a run, oldest first; the last is where it stands."""
    marks: list[tuple[str, RunState, datetime]] = [("Created", RunState.QUEUED, run.created_at)]
    if run.not_before and run.not_before > run.created_at and not run.errors:
        marks.append(("Due", RunState.QUEUED, run.not_before))
    marks += [(_ended_badly(run, number), RunState.FAILED, error.at) for number, error in enumerate(run.errors)]
    if run.claimed_at:
        marks.append(("Claimed", RunState.STARTING, run.claimed_at))
    if run.started_at:
        marks.append(("Started", RunState.RUNNING, run.started_at))
    if run.state.is_final:
        marks.append((STATES[run.state].word, run.state, run.finished_at or run.updated_at))
    marks.sort(key=lambda mark: mark[2])
    end = (run.finished_at or run.updated_at) if run.state.is_final else now
    whole = max(end - run.created_at, timedelta(microseconds=1))
    return [_stage(run, marks, number, end, whole) for number in range(len(marks))]


def expected_end(run: JobRun, now: datetime) -> datetime | None:
    """Give when a running run ends if it goes on as it has; None where that cannot be said."""
    if not run.state.is_active or run.started_at is None or run.progress is None:
        return None
    if not SHORTEST_ETA <= run.progress < 1:
        return None
    return run.started_at + (now - run.started_at) / run.progress


def _ended_badly(run: JobRun, number: int) -> str:
    """Say how an attempt ended; one that a crash broke off does not count, so that its number comes again."""
    attempt = run.errors[number].attempt
    is_last = number == len(run.errors) - 1
    is_again = run.reason is RunReason.CRASHES if is_last else run.errors[number + 1].attempt == attempt
    return f"Attempt {attempt} {'crashed' if is_again else 'failed'}"


def _stage(
    run: JobRun, marks: Sequence[tuple[str, RunState, datetime]], number: int, end: datetime, whole: timedelta
) -> Stage:
    word, state, at = marks[number]
    is_last = number == len(marks) - 1
    until = end if is_last else min(marks[number + 1][2], end)
    is_over = (is_last and run.state.is_final) or at > end
    lasted = None if is_over else max(until - at, timedelta(0))
    share = 0 if lasted is None else max(round(lasted / whole * 100), 1 if lasted else 0)
    return Stage(
        word=word,
        tone=STATES[state].tone,
        glyph=STATES[state].glyph,
        at=at,
        lasted=lasted,
        share=share,
        is_waiting=state not in (RunState.STARTING, RunState.RUNNING),
        is_present=not run.state.is_final and not is_over and (is_last or marks[number + 1][2] > end),
    )
