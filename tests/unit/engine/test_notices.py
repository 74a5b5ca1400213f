"""The notice desk: what is told, once while it lasts, and in which words."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from host.engine.notices import NoticeDesk, NoticeSettings
from host.model.json import JsonValue
from host.model.notices import NoticeKind
from host.model.runs import RunReason, RunRequest, RunState
from tests.unit.engine.desk import eventually, go
from tests.unit.engine.notice_desk import AT, HALF, HOUR, JOB, MINUTE, Kept, claimed, job_id, telling


def test_a_job_is_told_as_failing_once_after_three_failed_runs(tmp_path: Path) -> None:
    async def body() -> None:
        async with telling(tmp_path) as told:
            told.failed(2)
            assert await told.told() == []
            last = told.failed()
            (notice,) = await told.told()
            told.failed(50)
            assert await told.told() == []
        assert (notice.kind, notice.job_type, notice.job_id) == (NoticeKind.FAILING, JOB, job_id(JOB))
        assert (notice.run_id, notice.host, notice.at) == (last.id, "node", AT)
        assert notice.subject == "job jobs:One is failing: 3 runs in a row"
        assert notice.text == (
            "The latest 3 runs of jobs:One failed, the first of them at 2026-01-01 00:00:00 UTC.\n"
            "No completed run of it is known.\n"
            f"Latest error, of run {last.id}: ValueError: no\n"
            "\n"
            "What to do:\n"
            "  jobhost runs list --job jobs:One --state failed\n"
            f"  jobhost runs log {last.id}"
        )

    go(body())


def test_each_job_has_its_own_streak(tmp_path: Path) -> None:
    async def body() -> None:
        async with telling(tmp_path) as told:
            told.failed(2)
            told.failed(2, job="jobs:Two")
            told.completed(job="jobs:Two")
            told.failed(1)
            (notice,) = await told.told()
            assert notice.job_type == JOB

    go(body())


@pytest.mark.parametrize("state", [RunState.SCHEDULED, RunState.QUEUED, RunState.CANCELLED, RunState.SKIPPED])
def test_what_is_no_final_failure_neither_counts_nor_ends_a_streak(tmp_path: Path, state: RunState) -> None:
    async def body() -> None:
        async with telling(tmp_path) as told:
            told.failed(2)
            told.ended(state, 5)
            assert await told.told() == []
            told.failed()
            assert await told.kinds() == [NoticeKind.FAILING]

    go(body())


def test_a_quarantined_run_counts_as_failed(tmp_path: Path) -> None:
    async def body() -> None:
        async with telling(tmp_path) as told:
            told.failed(2)
            told.ended(RunState.QUARANTINED)
            assert await told.kinds() == [NoticeKind.FAILING]

    go(body())


def test_a_completed_run_ends_a_streak_of_which_nobody_was_told(tmp_path: Path) -> None:
    async def body() -> None:
        async with telling(tmp_path) as told:
            for _ in range(3):
                told.failed(2)
                await told.told()
                told.completed()
            assert await told.told() == []

    go(body())


def test_completed_runs_of_a_healthy_job_leave_nothing_behind(tmp_path: Path) -> None:
    async def body() -> None:
        async with telling(tmp_path) as told:
            told.completed(1000)
            assert not told.desk._streaks
            assert not told.desk._due
            assert not told.desk._heard

    go(body())


def test_recovery_is_told_once_and_the_next_streak_anew(tmp_path: Path) -> None:
    async def body() -> None:
        async with telling(tmp_path) as told:
            told.failed(7)
            assert await told.kinds() == [NoticeKind.FAILING]
            await told.after(90)
            run = told.completed(5)
            (notice,) = await told.told()
            told.failed(3)
            assert await told.kinds() == [NoticeKind.FAILING]
        assert notice.kind is NoticeKind.RECOVERED
        assert notice.subject == "job jobs:One has recovered after 7 failed runs"
        assert notice.text.endswith(
            " of jobs:One completed at 2026-01-01 00:01:30 UTC,"
            " after 7 failed runs in a row since 2026-01-01 00:00:00 UTC."
        )
        assert notice.job_id == run.job_id

    go(body())


def test_failures_and_recovery_heard_at_once_are_told_in_order_or_not_at_all(tmp_path: Path) -> None:
    async def body() -> None:
        async with telling(tmp_path) as told:
            told.failed(3)
            told.completed()
            assert await told.told() == []
            told.failed(3)
            told.completed()
            told.failed()  # of the next streak
            assert await told.told() == []
            told.completed()
            told.failed(3)
            await asyncio.sleep(0)
            told.completed()
            assert await told.kinds() in ([], [NoticeKind.FAILING, NoticeKind.RECOVERED])

    go(body())


def test_a_job_that_goes_on_failing_is_told_again_after_the_repeat_time(tmp_path: Path) -> None:
    async def body() -> None:
        async with telling(tmp_path, repeat=timedelta(hours=2)) as told:
            told.failed(3)
            await told.told()
            assert await told.after(HOUR) == []
            told.failed(4)
            assert await told.after(HOUR - HALF) == []
            (notice,) = await told.after(HALF)
            assert await told.after(3 * HOUR) == []
            told.failed()
            assert len(await told.after(HALF)) == 1
        assert notice.subject == "job jobs:One is still failing: 7 runs in a row"

    go(body())


def test_failures_before_this_start_count(tmp_path: Path) -> None:
    async def body() -> None:
        async with telling(tmp_path) as told:
            await told.stored(RunState.COMPLETED)
            await told.clock.advance(1)
            await told.stored(*[RunState.FAILED] * 3)
            told.failed()  # the last of those in the store
            (notice,) = await told.told()
        assert notice.subject == "job jobs:One is failing: 3 runs in a row"
        assert "the first of them before this host started" in notice.text
        assert "The last one that completed ended at 2026-01-01 00:00:00 UTC." in notice.text

    go(body())


def test_a_run_that_completed_before_this_start_ends_what_was_before_it(tmp_path: Path) -> None:
    async def body() -> None:
        async with telling(tmp_path) as told:
            await told.stored(*[RunState.FAILED] * 5, RunState.COMPLETED, RunState.FAILED)
            told.failed()
            assert await told.told() == []

    go(body())


def test_a_streak_too_long_to_be_counted_is_told_as_such(tmp_path: Path) -> None:
    async def body() -> None:
        async with telling(tmp_path) as told:
            await told.stored(*[RunState.FAILED] * 105)
            told.failed()
            (notice,) = await told.told()
        assert notice.subject == "job jobs:One is failing: at least 100 runs in a row"

    go(body())


def test_a_store_that_cannot_be_read_is_a_finding_and_failures_are_still_told(tmp_path: Path) -> None:
    async def body() -> None:
        with capture_logs() as logs:
            async with telling(tmp_path, is_store_failing=True) as told:
                told.failed(3)
                assert await told.kinds() == [NoticeKind.FAILING]
                await told.after(5 * HALF)
                (finding,) = told.desk.findings()
        assert "cannot be read" in finding.message
        assert len([line for line in logs if "cannot be read" in line["event"]]) == 1

    go(body())


def test_what_came_before_is_asked_again_once_the_store_can_be_read(tmp_path: Path) -> None:
    async def body() -> None:
        async with telling(tmp_path) as told:
            await told.store.stop()
            told.failed()
            assert await told.told() == []
            assert told.desk.findings()
            await told.store.start()
            told.completed()
            await told.stored(*[RunState.FAILED] * 3)
            told.failed()
            assert await told.kinds() == [NoticeKind.FAILING]
            assert not told.desk.findings()

    go(body())


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("first\nsecond\nthird", "first"),
        ("\n\n  a\tb\x1b[31m\u202ec  ", "a b [31m c"),
        ("x" * 5000, "x" * 299 + "…"),
        ("", "error"),
        ("login of bob with hunter2 at 10.0.0.1 failed", "login of bob with (hidden) at (hidden) failed"),
        ("no 12345 in [12345, True]", "no (hidden) in [(hidden), True]"),
    ],
)
def test_of_an_error_one_line_is_told_without_the_values_of_parameters(tmp_path: Path, error: str, said: str) -> None:
    parameters = {"password": "hunter2", "who": "bob", "deep": [{"address": "10.0.0.1"}, 12345, True, None]}

    async def body() -> None:
        async with telling(tmp_path, failing_after=1) as told:
            told.failed(error=error, reason=RunReason.ERROR, parameters=parameters)
            (notice,) = await told.told()
        (line,) = [line for line in notice.text.splitlines() if line.startswith("Latest error")]
        assert line.partition(": ")[2] == said
        assert "secret frames" not in notice.text

    go(body())


def test_parameters_of_any_depth_are_hidden(tmp_path: Path) -> None:
    deep: JsonValue = "hunter2"
    for _ in range(20_000):
        deep = [deep]

    async def body() -> None:
        async with telling(tmp_path, failing_after=1) as told:
            told.failed(error="it was hunter2", parameters={"deep": deep})
            (notice,) = await told.told()
        assert "it was (hidden)" in notice.text

    go(body())


def test_an_error_about_parameters_is_not_quoted(tmp_path: Path) -> None:
    async def body() -> None:
        async with telling(tmp_path, failing_after=1) as told:
            told.failed(error="days: expected a number, not 'abc'", reason=RunReason.INVALID_PARAMETERS)
            (notice,) = await told.told()
        assert "abc" not in notice.text
        assert "the parameters do not fit the job's declaration" in notice.text

    go(body())


def test_a_job_with_an_evil_name_gets_no_line_and_no_command_of_its_own(tmp_path: Path) -> None:
    async def body() -> None:
        async with telling(tmp_path, failing_after=1) as told:
            told.failed(job="a:B; rm -rf /\r\nBcc: thief")
            (notice,) = await told.told()
        assert notice.subject == "job a:B; rm -rf / Bcc: thief is failing: 1 run in a row"
        assert "  jobhost runs list --job 'a:B; rm -rf / Bcc: thief' --state failed" in notice.text.splitlines()

    go(body())


def test_a_stuck_run_and_a_quarantined_one_are_told_once_each(tmp_path: Path) -> None:
    async def body() -> None:
        async with telling(tmp_path) as told:
            run = claimed()
            for _ in range(3):
                told.desk.stuck(run)
                told.desk.quarantined(run)
                told.desk.stuck(replace(run, fencing_token=2))
            stuck, quarantined = await told.told()
        assert (stuck.kind, stuck.run_id) == (NoticeKind.STUCK, run.id)
        assert stuck.subject == "run of jobs:One is stuck"
        assert (quarantined.kind, quarantined.run_id) == (NoticeKind.QUARANTINED, run.id)
        assert f"jobhost runs release {run.id}" in quarantined.text

    go(body())


def test_a_run_quarantined_by_the_rescue_is_told_with_its_latest_error(tmp_path: Path) -> None:
    async def body() -> None:
        async with telling(tmp_path) as told:
            await told.stored(RunState.QUARANTINED)
            (run,) = (await told.store.runs()).runs
            told.desk.quarantined(run)
            (notice,) = await told.told()
        assert "Latest error: ValueError: no" in notice.text

    go(body())


def test_what_is_heard_before_the_desk_runs_is_told(tmp_path: Path) -> None:
    async def body() -> None:
        kept = Kept()
        async with telling(tmp_path) as told:
            desk = NoticeDesk(NoticeSettings(), [kept], told.store, told.clock, lambda: "node")
            desk.quarantined(claimed())
            task = asyncio.create_task(desk.run())
            await eventually(lambda: bool(kept.notices))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    go(body())


def test_late_runs_are_told_once_an_episode(tmp_path: Path) -> None:
    async def body() -> None:
        async with telling(tmp_path) as told:
            await told.after(HOUR)
            told.desk.started_late(claimed(), 299)
            assert await told.told() == []
            run = claimed()
            told.desk.started_late(run, 432)
            (notice,) = await told.told()
            for _ in range(9):
                told.desk.started_late(claimed(), 500)
                assert await told.after(MINUTE) == []
            assert await told.after(5 * MINUTE) == []
            told.desk.started_late(claimed(), 301)
            assert await told.kinds() == [NoticeKind.LATE]
        assert notice.subject == "runs start late: 7 min 12 s after they were due"
        assert notice.text.startswith(f"Run {run.id} of jobs:One started 7 min 12 s after it was due.\n")

    go(body())


def test_a_run_that_waits_too_long_is_told_before_it_starts(tmp_path: Path) -> None:
    async def body() -> None:
        async with telling(tmp_path) as told:
            await told.store.submit([RunRequest(job_id=job_id(JOB), job_type=JOB)])
            assert await told.after(5 * MINUTE) == []
            (notice,) = await told.after(HALF)
            assert await told.after(HOUR) == []
        assert notice.kind is NoticeKind.LATE
        assert notice.text.startswith("The run that waits longest has been due for 5 min 30 s.\n")
        assert "jobhost runs list --state queued" in notice.text

    go(body())


def test_what_waits_for_the_end_of_a_pause_is_not_late(tmp_path: Path) -> None:
    async def body() -> None:
        async with telling(tmp_path) as told:
            told.desk.held(is_held=True)
            await told.store.submit([RunRequest(job_id=job_id(JOB), job_type=JOB)])
            assert await told.after(HOUR) == []
            told.desk.held(is_held=False)
            told.desk.started_late(claimed(), HOUR)
            assert await told.after(5 * MINUTE) == []
            assert [notice.kind for notice in await told.after(HALF)] == [NoticeKind.LATE]

    go(body())


def test_what_was_due_while_the_host_was_away_is_not_late(tmp_path: Path) -> None:
    async def body() -> None:
        async with telling(tmp_path) as told:
            told.desk.started_late(claimed(), 3 * HOUR)
            assert await told.told() == []

    go(body())


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"failing_after": 0}, "failingAfter"),
        ({"failing_after": 101}, "failingAfter"),
        ({"per_hour": 0}, "perHour"),
        ({"per_hour": 1001}, "perHour"),
        ({"repeat": timedelta(0)}, "repeat"),
        ({"late_after": timedelta(0)}, "lateAfter"),
    ],
)
def test_settings_that_would_tell_nothing_or_too_much_are_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        NoticeSettings(**fields)
