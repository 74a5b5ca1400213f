"""The upstream's runs: read as they are there, submitted and steered once and never twice."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from host.errors import (
    InvalidParameterError,
    InvalidRequestError,
    JobNotFoundError,
    RunNotFoundError,
    RunStateError,
    ScheduleNotFoundError,
    UpstreamUnavailableError,
)
from host.model.runs import BulkAction, BulkReport, RunFilter, RunState
from host.model.submissions import RunSubmission
from plugins.upstream.tests.jobhost.desk import desk

WAIT = "Wait / for ever"
NOBODY = UUID(int=7)


def test_runs_are_read_as_they_are(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            done = [await at.kit.perform("Fail") for _ in range(5)]
            await at.kit.submit("Fail", not_before=datetime(2099, 1, 1, 0, 0, 0, 1, tzinfo=UTC))
            for run in done:
                assert await at.runs.run(run.id) == run
            assert await at.runs.run(NOBODY) is None
            assert await at.runs.counters() == await at.kit.runs.counters()
            jobs = [done[0].job_id, NOBODY]
            for states in ((), (RunState.FAILED,), (RunState.SKIPPED,)):
                assert await at.runs.latest(jobs, states) == await at.kit.runs.latest(jobs, states)
            assert await at.runs.latest([]) == {}
            assert await at.runs.failing(jobs) == await at.kit.runs.failing(jobs)
            assert await at.runs.failing(jobs, at_most=2) == await at.kit.runs.failing(jobs, at_most=2)

    asyncio.run(check())


def test_pages_filters_and_cursors_are_the_same(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            for _ in range(4):
                await at.kit.perform("Fail")
                at.kit.clock.move(0.000001)
            middle = (await at.kit.runs_of("Fail"))[2]
            for where in (
                None,
                RunFilter(job_id=middle.job_id, states=frozenset({RunState.FAILED, RunState.QUEUED})),
                RunFilter(created_from=middle.created_at),
                RunFilter(created_until=middle.created_at, tenant="default"),
                RunFilter(text="NO luck"),
                RunFilter(text="100%_"),
                RunFilter(schedule_id=NOBODY),
                RunFilter(tenant="größe"),
            ):
                cursor: str | None = None
                while True:
                    page = await at.runs.runs(where, cursor=cursor, limit=3)
                    assert page == await at.kit.runs.runs(where, cursor=cursor, limit=3)
                    cursor = page.next_cursor
                    if cursor is None:
                        break
            with pytest.raises(InvalidRequestError):
                await at.runs.runs(cursor="never given")

    asyncio.run(check())


def test_changes_skip_none_and_repeat_none(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            assert list(await at.runs.changes(-1)) == []
            await at.kit.control.submit([RunSubmission(job="Fail", hold=True)] * 1500)
            assert list(await at.runs.changes(0, limit=2000)) == list(await at.kit.runs.changes(0, limit=2000))
            assert len(await at.runs.changes(0, limit=1200)) == 1200
            (newest,) = await at.runs.changes(-1)
            assert list(await at.runs.changes(newest.change)) == []

    asyncio.run(check())


def test_statistics_are_complete(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            since = at.kit.clock.now() - timedelta(hours=1)
            for job in ("Fail", "Greet", "Fail"):
                await at.kit.perform(job)
                at.kit.clock.move(600)
            jobs = [(await at.kit.jobs.get_job(name)).id for name in ("Fail", "Greet")]
            for ids in ((), jobs[:1], jobs, [NOBODY]):
                for step in (None, timedelta(minutes=5)):
                    mine = await at.runs.statistics(ids, since=since, step=step)
                    theirs = await at.kit.runs.statistics(ids, since=since, step=step)
                    assert sorted(mine, key=lambda each: (each.job_id, each.since)) == sorted(
                        theirs, key=lambda each: (each.job_id, each.since)
                    )
            until = at.kit.clock.now() - timedelta(minutes=15)
            assert sum(each.runs for each in await at.runs.statistics(since=since, until=until)) == 2

    asyncio.run(check())


def test_a_submission_loses_nothing(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            now = at.kit.clock.now()
            deep = {"deep": [1, 2.5, None, True, 2**60, "☃"]}
            asked = RunSubmission(
                job="Example.Greet, Example",
                parameters={"whom": "Zoë", "anything": deep},
                tenant="north",
                owner="carla",
                priority=-3,
                not_before=now + timedelta(hours=1, microseconds=7),
                expires_at=now + timedelta(days=9),
                timeout=timedelta(milliseconds=1500),
                idempotency_key="mine",
                trace_id="0af7651916cd43dd8448eb211c80319c",
                hold=False,
            )
            (first,) = await at.control.submit([asked])
            (again,) = await at.control.submit([asked])
            assert first == again
            run = await at.runs.run(first)
            assert run is not None
            for name in (
                "tenant",
                "owner",
                "priority",
                "not_before",
                "expires_at",
                "timeout",
                "idempotency_key",
                "trace_id",
            ):
                assert getattr(run, name) == getattr(asked, name)
            assert run.parameters == {"whom": "Zoë", "anything": deep, "token": "***"}

    asyncio.run(check())


def test_a_submission_of_nobody_is_nobodys(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            ids = await at.control.submit([RunSubmission(job="Fail"), RunSubmission(job="Fail", hold=True)])
            runs = [await at.kit.runs.run(each) for each in ids]
            assert [run.owner for run in runs if run] == [None, None]
            assert len({run.trace_id for run in runs if run}) == 2
            assert await at.control.submit([]) == ()

    asyncio.run(check())


def test_all_are_accepted_or_none(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            for bad, error in (
                (RunSubmission(job="nobody"), JobNotFoundError),
                (RunSubmission(job="Greet", parameters={"whom": 1}), InvalidParameterError),
            ):
                with pytest.raises(error):
                    await at.control.submit([RunSubmission(job="Fail"), bad])
            with pytest.raises(InvalidRequestError):
                await at.control.submit([RunSubmission(job="Fail")] * 10_001)
            assert not await at.kit.runs_of("Fail")

    asyncio.run(check())


def test_many_are_submitted_at_once_and_never_twice(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            at.link.deaf_for = 1
            ids = await at.control.submit([RunSubmission(job="Fail", hold=True, priority=n) for n in range(2000)])
            assert len(set(ids)) == 2000
            assert [run.id for run in await at.kit.runs_of("Fail")] == list(ids)

    asyncio.run(check())


def test_what_cannot_be_repeated_is_sent_once(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            ended = await at.kit.perform("Fail")
            (held,) = await at.kit.control.submit([RunSubmission(job="Fail", hold=True)])
            for call in (
                lambda: at.control.retry(ended.id),
                lambda: at.control.bulk(BulkAction.RETRY, RunFilter(states=frozenset({RunState.FAILED}))),
                lambda: at.control.amend(held, priority=5),
                lambda: at.control.release(held),
                lambda: at.jobs.register_job("host_maintenance.optimise:CheckStores"),
            ):
                asked = len(at.link.asked)
                at.link.deaf_for = 1
                with pytest.raises(UpstreamUnavailableError):
                    await call()
                assert len(at.link.asked) == asked + 1
                await at.kit.run_due()
            # The first and the held one, a repetition of the first, and then one of each of the two that had failed.
            assert len(await at.kit.runs_of("Fail")) == 5

    asyncio.run(check())


def test_runs_are_steered(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            (held,) = await at.control.submit([RunSubmission(job="Fail", hold=True)])
            amended = await at.control.amend(held, priority=7, is_locked=True)
            assert (amended.priority, amended.is_locked) == (7, True)
            assert await at.control.amend(held) == amended
            assert (await at.control.release(held)).state is RunState.QUEUED
            with pytest.raises(RunStateError):
                await at.control.release(held)
            await at.kit.run_due()
            again = await at.control.retry(held, by="carla")
            run = await at.runs.run(again)
            assert run is not None
            assert (run.origin_run_id, run.owner) == (held, "carla")
            (waiting,) = await at.control.submit([RunSubmission(job=WAIT)])
            cancelled = await at.control.cancel(waiting, by="carla")
            assert cancelled.run_id == waiting
            await at.kit.run_due()
            with pytest.raises(RunStateError):
                await at.control.cancel(waiting)
            for call in (at.control.cancel, at.control.retry, at.control.release, at.control.amend):
                with pytest.raises(RunNotFoundError):
                    await call(NOBODY)

    asyncio.run(check())


def test_many_runs_are_steered_in_one_step(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            await at.control.submit([RunSubmission(job="Fail", hold=True)] * 30)
            where = RunFilter(states=frozenset({RunState.PENDING}))
            counted = await at.control.bulk(BulkAction.CANCEL, where, dry_run=True)
            assert counted == BulkReport(matched=30, changed=0, is_more=False)
            some = await at.control.bulk(BulkAction.RELEASE, where, at_most=10)
            assert some == BulkReport(matched=10, changed=10, is_more=True)
            rest = await at.control.bulk(BulkAction.CANCEL, where, by="carla")
            assert rest == BulkReport(matched=20, changed=20, is_more=False)

    asyncio.run(check())


def test_pauses_are_made_and_ended(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            at.link.deaf_for = 1
            await at.control.pause("all", reason="moving", by="carla")  # repeated, and all the same paused once
            (pause,) = await at.jobs.pauses()
            assert (pause.scope, pause.reason, pause.by) == ("all", "moving", "carla")
            assert not await at.control.pause("all", reason="other")
            assert await at.control.pause(f"job:{WAIT}", reason="noise")
            assert await at.control.resume("all")
            assert not await at.control.resume("all")
            (pause,) = await at.jobs.pauses()
            assert await at.control.resume(pause.scope)
            with pytest.raises(JobNotFoundError):
                await at.control.pause("job:nobody", reason="x")
            with pytest.raises(InvalidRequestError):
                await at.control.pause("nothing", reason="x")
            with pytest.raises(ScheduleNotFoundError):
                await at.control.pause(f"schedule:{uuid4()}", reason="x")

    asyncio.run(check())
