"""The upstream's jobs, as the host that performs them gives them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from host.errors import (
    HostError,
    InvalidParameterError,
    InvalidScheduleError,
    JobNotFoundError,
    JobRegisteredError,
    ScheduleVersionError,
)
from host.model.runs import RunState
from host.model.schedules import JobSchedule
from plugins.upstream.tests.jobhost.desk import desk


def test_jobs_are_given_as_they_are_declared(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            assert list(await at.jobs.jobs()) == list(await at.kit.jobs.jobs())
            assert list(await at.jobs.get_available_jobs()) == list(await at.kit.jobs.get_available_jobs())

    asyncio.run(check())


def test_a_job_goes_by_every_name_it_has(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            greet = await at.kit.jobs.get_job("Greet")
            for name in (str(greet.id), greet.job_type, "greet", "Example.Greet, Example"):
                assert await at.jobs.get_job(name) == greet
                assert await at.jobs.is_job_registered(name)
            waiting = await at.kit.jobs.get_job("Wait / for ever")
            assert await at.jobs.get_job("wait / FOR ever") == waiting  # no path holds it
            assert (await at.jobs.get_job_schedules("Wait / for ever")).job_type == waiting.job_type
            assert await at.jobs.is_job_registered("Wait / for ever")

    asyncio.run(check())


def test_names_that_no_job_has_are_not_found(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            for name in ("", ".", "..", "a/b", "nobody", "x" * 5000, "\n", "%2e", "größe", "a?b#c"):
                assert not await at.jobs.is_job_registered(name)
                for call in (at.jobs.get_job, at.jobs.get_job_schedules, at.jobs.start_job, at.jobs.cancel_job):
                    with pytest.raises(JobNotFoundError):
                        await call(name)

    asyncio.run(check())


def test_a_job_is_started_on_somebodys_behalf(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            run = await at.jobs.start_job("Greet", ["Anna"], by="carla")
            assert run is not None
            assert (run.owner, run.parameters["whom"]) == ("carla", "Anna")
            nobodys = await at.jobs.start_job("Greet", {"whom": "Bert", "token": "hunter2"})
            assert nobodys is not None
            assert (nobodys.owner, nobodys.parameters["token"]) == (None, "***")
            with pytest.raises(InvalidParameterError) as caught:
                await at.jobs.start_job("Greet", {"who": "Bert"})
            assert caught.value.problems
            await at.kit.run_due()

    asyncio.run(check())


def test_a_start_whose_answer_is_lost_makes_one_run(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            at.link.deaf_for = 2
            run = await at.jobs.start_job("Greet")
            assert run is not None
            assert [each.id for each in await at.kit.runs_of("Greet")] == [run.id]
            assert at.link.count("/runs") == 3

    asyncio.run(check())


def test_jobs_are_registered_and_added(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            offered = next(job for job in await at.jobs.get_available_jobs() if job.name.startswith("Check"))
            added = await at.jobs.add_job(offered.job_type, interval=timedelta(hours=1))
            assert added == await at.kit.jobs.get_job(offered.job_type)
            assert [each.interval for each in (await at.jobs.get_job_schedules(added.name)).schedules] == [
                timedelta(hours=1)
            ]
            assert await at.jobs.add_job(offered.job_type) == added
            other = (await at.jobs.get_available_jobs())[0]
            assert (await at.jobs.register_job(other.job_type)).source == "operator"
            with pytest.raises(JobRegisteredError):
                await at.jobs.register_job(other.job_type)
            with pytest.raises(JobNotFoundError):
                await at.jobs.register_job("nobody:Nothing")

    asyncio.run(check())


def test_a_job_is_cancelled(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            held = await at.kit.jobs.start_job("Wait / for ever")
            assert held is not None
            (result,) = await at.jobs.cancel_job("Wait / for ever", by="carla")
            assert result.run_id == held.id
            await at.kit.run_due()
            run = await at.runs.run(held.id)
            assert run is not None
            assert (run.state, run.cancel_requested_by) == (RunState.CANCELLED, "carla")

    asyncio.run(check())


def test_schedules_are_replaced_under_a_version(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            assert (await at.jobs.get_job_schedules("Greet")).version == ""
            rules = [
                JobSchedule.cron("0 3 * * *", timezone="Europe/Prague"),
                JobSchedule.every(timedelta(minutes=5), max_count=3),
            ]
            entry = await at.jobs.set_job_schedule("Greet", rules, expected_version="")
            assert list(entry.schedules) == rules
            assert entry == await at.kit.jobs.get_job_schedules("Greet") == await at.jobs.get_job_schedules("Greet")
            with pytest.raises(ScheduleVersionError):
                await at.jobs.set_job_schedule("Greet", [], expected_version="")
            with pytest.raises(ScheduleVersionError):
                await at.jobs.clear_job_schedule("Greet", expected_version="other")
            with pytest.raises(InvalidScheduleError):
                await at.jobs.set_job_schedule("Greet", [JobSchedule.cron("61 * * * *")])
            cleared = await at.jobs.clear_job_schedule("Greet", expected_version=entry.version)
            assert cleared.schedules == ()
            assert cleared.version

    asyncio.run(check())


def test_lists_are_asked_once_by_all_who_ask_together(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, cache=timedelta(seconds=1)) as at:
            lists = await asyncio.gather(*(at.jobs.jobs() for _ in range(50)))
            assert all(each is lists[0] for each in lists)
            assert at.link.count("/registered-jobs") == 1
            await at.jobs.get_job(lists[0][0].job_type)
            assert at.link.count("/registered-job") == 0
            at.clock.move(1.1)
            await at.jobs.jobs()
            assert at.link.count("/registered-jobs") == 2

    asyncio.run(check())


def test_what_is_changed_here_is_seen_here_at_once(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, cache=timedelta(hours=1)) as at:
            assert (await at.jobs.get_job_schedules("Greet")).schedules == ()
            await at.jobs.set_job_schedule("Greet", [JobSchedule.every(timedelta(hours=1))])
            assert len((await at.jobs.get_job_schedules("Greet")).schedules) == 1
            assert len(await at.schedules.all()) == 1
            await at.schedules.remove((await at.jobs.get_job("Greet")).job_type)
            assert (await at.jobs.get_job_schedules("Greet")).schedules == ()
            assert await at.jobs.pauses() == ()
            await at.control.pause("all", reason="moving")
            assert [pause.scope for pause in await at.jobs.pauses()] == ["all"]

    asyncio.run(check())


def test_one_who_stops_waiting_takes_no_answer_from_others(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            first, second = asyncio.ensure_future(at.jobs.jobs()), asyncio.ensure_future(at.jobs.jobs())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            first.cancel()
            assert len(await second) == 3
            alone = asyncio.ensure_future(at.jobs.jobs())
            await asyncio.sleep(0.001)
            alone.cancel()
            await asyncio.wait([alone])
            assert len(await at.jobs.jobs()) == 3

    asyncio.run(check())


def test_the_zone_is_the_performing_hosts(tmp_path: Path) -> None:
    sections = '<section xsi:type="SchedulerConfigurationSection" timezone="Europe/Prague" />'

    async def check() -> None:
        async with desk(tmp_path, sections=sections) as at:
            assert await at.jobs.timezone() == "Europe/Prague"

    asyncio.run(check())


def test_errors_keep_their_class_their_hint_and_their_findings(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            for call in (
                lambda jobs: jobs.get_job("Greeet"),
                lambda jobs: jobs.start_job("Greet", {"whom": 5, "nobody": 1}),
                lambda jobs: jobs.set_job_schedule("Greet", [JobSchedule.cron("0 0 30 2 *")]),
            ):
                found: list[HostError] = []
                for jobs in (at.kit.jobs, at.jobs):
                    with pytest.raises(HostError) as caught:
                        await call(jobs)
                    found.append(caught.value)
                here, there = found
                assert type(here) is type(there)
                assert (here.message, here.where, here.hint, here.problems) == (
                    there.message,
                    there.where,
                    there.hint,
                    there.problems,
                )

    asyncio.run(check())
