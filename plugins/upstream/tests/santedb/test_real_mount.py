"""Before a real host that speaks AMI alone: what goes through it arrives, and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from host.contracts.jobs import JobManagerService
from host.errors import AccessDeniedError, JobRegisteredError
from host.model.runs import JobRun, RunState
from host.model.schedules import JobSchedule
from plugins.rest.tests.ami.amihost import Ami, Break, Refresh, Wait, ami_host
from plugins.upstream.tests.santedb.amikit import Upstream, upstream_at
from plugins.upstream.tests.santedb.test_schedules import EVERY_KIND

CRON = JobSchedule.cron("0 3 * * *")


def run(tmp_path: Path, check: Callable[[Ami, Upstream], Awaitable[None]], *, role: str = "administrator") -> None:
    async def go() -> None:
        async with (
            ami_host(tmp_path, Refresh, Wait, Break) as ami,
            upstream_at(ami.web.url, token=role, cache=timedelta(0)) as upstream,
        ):
            await check(ami, upstream)

    asyncio.run(go())


async def latest(upstream: Upstream, job: type[Any], state: RunState) -> JobRun:
    """Wait until a job's latest run is in a state, as it is read through AMI."""
    async with asyncio.timeout(60):
        while True:
            (seen,) = [info for info in await upstream.manager.jobs() if info.name == job.name]
            found = await upstream.runs.latest([seen.id], [state])
            if found:
                return found[seen.id]
            await asyncio.sleep(0.01)


def test_jobs_have_their_own_types_and_parameters(tmp_path: Path) -> None:
    async def check(ami: Ami, upstream: Upstream) -> None:
        jobs = {job.name: job for job in await upstream.manager.jobs()}
        assert list(jobs) == ["Break", Refresh.name, "Wait"]
        assert jobs[Refresh.name].job_type == Refresh.aliases[0]
        assert jobs["Wait"].job_type == (await ami.kit.get(JobManagerService).get_job(str(Wait.id))).job_type
        assert [each.name for each in jobs[Refresh.name].parameters] == ["viewName", "n", "pin"]

    run(tmp_path, check)


def test_each_kind_of_schedule_goes_there_and_back(tmp_path: Path) -> None:
    async def check(ami: Ami, upstream: Upstream) -> None:
        for number, schedule in enumerate((*EVERY_KIND, None)):
            wanted = EVERY_KIND if schedule is None else (schedule,)
            entry = await upstream.manager.set_job_schedule(Refresh.name, wanted)
            assert entry.schedules == wanted, number
            assert (await ami.kit.get(JobManagerService).get_job_schedules(str(Refresh.id))).schedules == wanted
            assert await upstream.schedules.get(Refresh.name) == entry
        assert (await upstream.schedules.clear(Refresh.name)).schedules == ()
        assert (await ami.kit.get(JobManagerService).get_job_schedules(str(Refresh.id))).schedules == ()

    run(tmp_path, check)


def test_what_that_host_does_not_show_stays_when_its_other_schedules_are_replaced(tmp_path: Path) -> None:
    async def check(ami: Ami, upstream: Upstream) -> None:
        await ami.kit.get(JobManagerService).set_job_schedule(str(Refresh.id), [CRON, EVERY_KIND[0]])
        assert (await upstream.manager.get_job_schedules(Refresh.name)).schedules == EVERY_KIND[:1]
        await upstream.manager.set_job_schedule(Refresh.name, [EVERY_KIND[1]])
        assert set((await ami.kit.get(JobManagerService).get_job_schedules(str(Refresh.id))).schedules) == {
            CRON,
            EVERY_KIND[1],
        }

    run(tmp_path, check)


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ((), {"viewName": "all", "n": 1, "pin": None}),
        (["x", 9], {"viewName": "x", "n": 9, "pin": None}),
        ({"n": "7"}, {"viewName": "all", "n": 7, "pin": None}),
    ],
)
def test_values_arrive_in_their_places_and_types(tmp_path: Path, given: Any, seen: dict[str, object]) -> None:
    async def check(ami: Ami, upstream: Upstream) -> None:
        assert await upstream.manager.start_job(Refresh.name, given, by="me") is None
        await ami.kit.run_due()
        assert Refresh.seen == [seen]
        done = await latest(upstream, Refresh, RunState.COMPLETED)
        assert (done.status_text, done.progress) == ("refreshed", 1.0)
        assert done.duration is not None

    run(tmp_path, check)


def test_a_run_is_seen_running_cancelled_and_failed(tmp_path: Path) -> None:
    async def check(ami: Ami, upstream: Upstream) -> None:
        await upstream.manager.start_job("Wait")
        running = await latest(upstream, Wait, RunState.RUNNING)
        while running.started_at is None:  # claimed, and not yet begun
            running = await latest(upstream, Wait, RunState.RUNNING)
        await upstream.control.cancel(running.id)
        cancelled = await latest(upstream, Wait, RunState.CANCELLED)
        assert cancelled.id == running.id
        assert [each.id for each in await upstream.runs.changes(running.change)] == [running.id]

        await upstream.manager.start_job("Break")
        failed = await latest(upstream, Break, RunState.FAILED)
        assert failed.status_text is not None
        assert "the disk is <full>" in failed.status_text

    run(tmp_path, check)


def test_who_may_only_read_there_is_told_which_policy_it_takes(tmp_path: Path) -> None:
    async def check(ami: Ami, upstream: Upstream) -> None:
        assert len(await upstream.manager.jobs()) == 3
        for attempt in (
            upstream.manager.start_job("Wait"),
            upstream.manager.cancel_job("Wait"),
            upstream.manager.set_job_schedule("Wait", EVERY_KIND),
        ):
            with pytest.raises(AccessDeniedError, match=r"Policy .* was violated by 'reader'") as caught:
                await attempt
            assert caught.value.hint is not None
            assert "1.3.6.1.4.1.33349.3.1.5.9.2.0.22." in caught.value.hint

    run(tmp_path, check, role="reader")


def test_registering_what_is_registered_is_told(tmp_path: Path) -> None:
    async def check(ami: Ami, upstream: Upstream) -> None:
        with pytest.raises(JobRegisteredError):
            await upstream.manager.register_job(Refresh.aliases[0])
        offered = (await upstream.manager.get_available_jobs())[0]
        job = await upstream.manager.register_job(offered.job_type)
        assert job.job_type == offered.job_type
        assert job in await upstream.manager.jobs()

    run(tmp_path, check)
