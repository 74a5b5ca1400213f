"""What became of a run, and what it wrote."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from host.model.logs import LogLevel, RunLogLine
from host.model.runs import AttemptError, JobRun, RunReason, RunState
from host_panel.run_log import line_text
from host_panel.run_story import stages_of

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ID = UUID("62d1c9ce-4583-4ec7-a9f0-9c5ef05eafa8")


def run(state: RunState, **fields: object) -> JobRun:
    values: dict[str, object] = {"id": ID, "job_id": ID, "job_type": "work:Work", "created_at": NOW, "updated_at": NOW}
    return JobRun(**{**values, **fields}, state=state)  # type: ignore[arg-type]  # fields of the run


def seconds(number: float) -> datetime:
    return NOW + timedelta(seconds=number)


def error(attempt: int, at: float) -> AttemptError:
    return AttemptError(attempt=attempt, at=seconds(at), node="n", error="x")


def test_what_is_still_to_come_has_lasted_for_nothing_yet() -> None:
    created, due = stages_of(run(RunState.SCHEDULED, not_before=seconds(100)), seconds(30))
    assert (created.word, created.lasted, created.is_present) == ("Created", timedelta(seconds=30), True)
    assert (due.word, due.lasted, due.is_present, due.share) == ("Due", None, False, 0)

    created, due = stages_of(run(RunState.QUEUED, not_before=seconds(100)), seconds(130))
    assert (created.lasted, created.is_present) == (timedelta(seconds=100), False)
    assert (due.lasted, due.is_present) == (timedelta(seconds=30), True)


def test_attempts_that_a_crash_broke_off_are_told_from_those_that_failed() -> None:
    errors = (error(1, 1), error(1, 2), error(2, 3))
    broken = run(RunState.QUARANTINED, errors=errors, reason=RunReason.CRASHES, finished_at=seconds(4))
    words = [stage.word for stage in stages_of(broken, seconds(5))]
    assert words == ["Created", "Attempt 1 crashed", "Attempt 1 failed", "Attempt 2 crashed", "Quarantined"]
    failed = run(RunState.FAILED, errors=errors[1:], reason=RunReason.ERROR, finished_at=seconds(4))
    words = [stage.word for stage in stages_of(failed, seconds(5))]
    assert words == ["Created", "Attempt 1 failed", "Attempt 2 failed", "Failed"]


def test_a_text_of_several_lines_stands_below_the_line_and_is_taken_for_no_other() -> None:
    fields = {"stack": "File a\n  return 1\n2026-01-01T00:00:00Z error forged\n", "job": "x", "why": "two words"}
    line = RunLogLine(at=NOW, level=LogLevel.ERROR, event="stuck\nfor good", fields=fields, attempt=1)
    assert line_text(line).split("\n") == [
        "stuck",
        '    for good  job=x why="two words"',
        "    stack:",
        "    File a",
        "      return 1",
        "    2026-01-01T00:00:00Z error forged",
    ]
