"""One action on many runs: which are reached, what a second call does, and that others are not kept waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from host.contracts.jobs import Job, JobContext
from host.contracts.runs import JobRunWriter
from host.engine import bulk
from host.errors import InvalidRequestError
from host.model.runs import BulkAction, RunFilter, RunReason, RunRequest, RunState
from host.model.submissions import RunSubmission
from tests.unit.engine.counting import Counting, Ticking, Waiting
from tests.unit.engine.desk import Desk, Plain, desk, eventually, go, name_of

ALL = RunFilter()
TICK = timedelta(microseconds=1)


class Sour(Job):
    """Fails; a run of it excludes others."""

    began = 0

    async def run(self, context: JobContext) -> None:
        type(self).began += 1
        raise ValueError("sour")


async def submit(at: Desk, job: type[Job], count: int, **more: object) -> Sequence[UUID]:
    submission = RunSubmission(job=name_of(job), **more)  # type: ignore[arg-type]  # fields by name
    return await at.control.submit([submission] * count)


async def states(at: Desk, ids: Sequence[UUID]) -> list[RunState]:
    return [(await at.run(run_id)).state for run_id in ids]


def test_waiting_runs_are_cancelled_and_active_ones_asked(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Waiting, Plain) as at:
            (active,) = await submit(at, Waiting, 1)
            await at.until(active, lambda run: run.state is RunState.RUNNING)
            held = await submit(at, Plain, 3, hold=True)
            report = await at.control.bulk(BulkAction.CANCEL, ALL, by="kim")
            assert (report.matched, report.changed, report.is_more) == (4, 4, False)
            assert await states(at, held) == [RunState.CANCELLED] * 3
            ended = await at.finished(active)
            assert (ended.state, ended.reason, ended.cancel_requested_by) == (
                RunState.CANCELLED,
                RunReason.REQUESTED,
                "kim",
            )
            assert (await at.control.bulk(BulkAction.CANCEL, ALL)).matched == 0

    go(check())


def test_a_filter_narrows_and_states_the_action_is_not_for_are_left_out(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain, Counting) as at:
            done = await at.start(Plain)
            await at.finished(done)
            mine = await submit(at, Plain, 2, hold=True, tenant="acme")
            other = await submit(at, Plain, 2, hold=True)
            assert (
                await at.control.bulk(BulkAction.CANCEL, RunFilter(states=frozenset({RunState.FAILED})))
            ).matched == 0
            report = await at.control.bulk(BulkAction.CANCEL, RunFilter(tenant="acme"))
            assert (report.matched, report.changed) == (2, 2)
            assert await states(at, mine) == [RunState.CANCELLED] * 2
            assert await states(at, other) == [RunState.PENDING] * 2

    go(check())


def test_a_dry_run_counts_and_changes_nothing(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            ids = await submit(at, Plain, 5, hold=True)
            report = await at.control.bulk(BulkAction.RELEASE, ALL, dry_run=True)
            assert (report.matched, report.changed, report.is_more) == (5, 0, False)
            assert set(await states(at, ids)) == {RunState.PENDING}

    go(check())


def test_the_limit_takes_the_newest_and_says_there_are_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "BATCH", 2)

    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            ids = await submit(at, Plain, 7, hold=True)
            report = await at.control.bulk(BulkAction.CANCEL, ALL, at_most=3)
            assert (report.matched, report.changed, report.is_more) == (3, 3, True)
            assert await states(at, ids) == [RunState.PENDING] * 4 + [RunState.CANCELLED] * 3
            rest = await at.control.bulk(BulkAction.CANCEL, ALL, at_most=4)
            assert (rest.matched, rest.is_more) == (4, False)
            with pytest.raises(InvalidRequestError):
                await at.control.bulk(BulkAction.CANCEL, ALL, at_most=0)

    go(check())


def test_held_runs_are_released(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            ids = await submit(at, Plain, 4, hold=True)
            report = await at.control.bulk(BulkAction.RELEASE, ALL, by="kim")
            assert (report.matched, report.changed) == (4, 4)
            assert {(await at.finished(run_id)).state for run_id in ids} == {RunState.COMPLETED}

    go(check())


def test_finished_runs_are_repeated_once_however_often_it_is_asked(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            ids = await submit(at, Plain, 3)
            for run_id in ids:
                await at.finished(run_id)
            where = RunFilter(created_until=at.clock.now() + TICK)
            first = await at.control.bulk(BulkAction.RETRY, where, by="kim")
            assert (first.matched, first.changed) == (3, 3)
            repeats = [run for run in await at.runs() if run.origin_run_id]
            assert {run.origin_run_id for run in repeats} == set(ids)
            assert {run.owner for run in repeats} == {"kim"}
            for run in repeats:
                await at.finished(run.id)
            again = await at.control.bulk(BulkAction.RETRY, RunFilter(states=frozenset({RunState.COMPLETED})))
            assert (again.matched, again.changed) == (6, 3)  # the repeats themselves, not the first ones

    go(check())


def test_repeats_of_an_exclusive_job_wait_for_each_other(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Sour) as at:
            for _ in range(4):
                await at.finished(await at.start(Sour))
            began = Sour.began
            await at.control.bulk(BulkAction.RETRY, RunFilter(states=frozenset({RunState.FAILED})))
            for run in await at.runs():
                assert (await at.finished(run.id)).state is RunState.FAILED
            assert Sour.began == began + 4

    go(check())


def test_runs_of_a_job_that_is_gone_match_and_are_not_repeated(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            await at.finished(await at.start(Plain))
            request = RunRequest(job_id=UUID(int=7), job_type="gone.away:Job", skip=RunReason.MISFIRE)
            await at.host.get(JobRunWriter).submit([request])
            report = await at.control.bulk(BulkAction.RETRY, ALL)
            assert (report.matched, report.changed) == (2, 1)

    go(check())


def test_asking_again_finishes_what_a_failure_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "BATCH", 2)

    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            ids = await submit(at, Plain, 6)
            for run_id in ids:
                await at.finished(run_id)
            where = RunFilter(states=frozenset({RunState.COMPLETED}))
            asked = asyncio.create_task(at.control.bulk(BulkAction.RETRY, where))
            await eventually(lambda: has_repeats(at))
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            await at.control.bulk(BulkAction.RETRY, where)
            origins = [run.origin_run_id for run in await at.runs() if run.origin_run_id]
            assert len(origins) == len(set(origins))
            assert set(ids) <= set(origins)

    go(check())


async def has_repeats(at: Desk) -> bool:
    return any(run.origin_run_id for run in await at.runs())


@pytest.mark.slow
def test_many_runs_do_not_keep_other_calls_waiting(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Ticking) as at:
            for _ in range(10):
                await submit(at, Ticking, 1000, hold=True)
            seen: set[int] = set()

            async def others() -> None:
                while True:
                    seen.add((await at.reader.counters()).by_state.get(RunState.PENDING, 0))
                    await asyncio.sleep(0.005)

            looking = asyncio.create_task(others())
            report = await at.control.bulk(BulkAction.CANCEL, ALL)
            looking.cancel()
            assert (report.matched, report.changed) == (10_000, 10_000)
            assert len(seen - {0, 10_000}) > 5  # answered in the middle of it, again and again

    go(check())
