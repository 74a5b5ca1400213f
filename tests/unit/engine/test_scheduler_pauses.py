"""Pauses: nothing is made up for fire times inside them, and those before are decided by the misfire policy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from host.engine.planned import plan_schedules
from host.errors import InvalidRequestError, JobNotFoundError, ScheduleNotFoundError
from host.model.runs import RunState
from host.model.schedules import IntervalMode, JobSchedule
from tests.unit.engine.desk import BEGIN, HOUR, Desk, Plain, desk, go, name_of

HOURLY = JobSchedule.every(HOUR, start=BEGIN + HOUR)
JOB_SCOPE = f"job:{name_of(Plain)}"


class Other(Plain):
    """Another one."""


async def schedule_id(at: Desk) -> str:
    job = at.directory.find(name_of(Plain))
    (planned,) = plan_schedules(job, await at.directory.schedules(job), "UTC")
    return str(planned.id)


def test_a_paused_host_fires_nothing_and_makes_nothing_up(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            await at.schedule(Plain, HOURLY)
            await at.to(60)
            assert await at.control.pause("all", reason="maintenance")
            await at.to(4 * 60 + 30)
            assert await at.fired() == [60]
            assert await at.control.resume("all")
            await at.settle()
            assert await at.fired() == [60]
            await at.to(5 * 60)
            assert await at.fired() == [60, 300]

    go(check())


def test_a_pause_outlasts_a_restart_and_the_time_between(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            await at.schedule(Plain, HOURLY)
            await at.to(60)
            await at.control.pause("all", reason="maintenance")
            await at.to(120)
        at.clock.move(2 * 3600)
        async with desk(tmp_path, Plain, clock=at.clock) as again:
            await again.to(5 * 60 + 30)
            assert await again.fired() == [60]
            assert any("maintenance" in finding.message for finding in again.scheduler.check())
            await again.control.resume("all")
            await again.settle()
            assert await again.fired() == [60]
            await again.to(6 * 60)
            assert await again.fired() == [60, 360]

    go(check())


def test_what_was_missed_before_a_start_that_is_paused_is_decided_at_the_resume(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            await at.schedule(Plain, HOURLY)
            await at.to(60)
        at.clock.move(3.5 * 3600)  # 4:30
        async with desk(tmp_path, Plain, clock=at.clock, paused="restored") as again:
            await again.to(6 * 60 + 30)
            assert await again.fired() == [60]
            await again.control.resume("all")
            await again.settle()
            assert await again.fired() == [60, 240]
            assert [run.missed for run in await again.runs()] == [0, 2]

    go(check())


def test_two_pauses_right_after_each_other_make_nothing_up_either(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            await at.schedule(Plain, HOURLY)
            await at.to(60)
            await at.control.pause("all", reason="one")
            await at.to(3 * 60 + 30)
            await at.control.resume("all")
            await at.control.pause("all", reason="two")
            await at.to(5 * 60 + 30)
            await at.control.resume("all")
            await at.settle()
            assert await at.fired() == [60]

    go(check())


@pytest.mark.parametrize("kind", ["job", "schedule"])
def test_a_paused_job_or_schedule_fires_nothing_and_the_others_go_on(tmp_path: Path, kind: str) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain, Other) as at:
            await at.schedule(Plain, HOURLY)
            await at.schedule(Other, HOURLY)
            await at.to(60)
            scope = JOB_SCOPE if kind == "job" else f"schedule:{await schedule_id(at)}"
            await at.control.pause(scope, reason="broken")
            await at.to(120)
            await at.to(180)
            await at.control.resume(scope)
            await at.to(240)
            assert await at.fired(Plain) == [60, 240]
            assert await at.fired(Other) == [60, 120, 180, 240]

    go(check())


def test_fire_times_inside_a_pause_do_not_count_against_max_count(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            await at.schedule(Plain, replace(HOURLY, max_count=2))
            await at.control.pause(JOB_SCOPE, reason="broken")
            await at.to(60)
            await at.to(120)
            await at.control.resume(JOB_SCOPE)
            for hour in (3, 4, 5):
                await at.to(hour * 60)
            assert await at.fired() == [180, 240]

    go(check())


def test_a_fixed_delay_goes_on_after_a_pause(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            await at.schedule(Plain, JobSchedule.every(HOUR, mode=IntervalMode.FIXED_DELAY, start=BEGIN + HOUR))
            await at.to(60)
            (run,) = await at.runs()
            await at.finished(run.id)
            await at.control.pause(JOB_SCOPE, reason="broken")
            for minute in range(120, 301, 30):
                await at.to(minute)
            assert await at.fired() == [60]
            await at.control.resume(JOB_SCOPE)
            for minute in range(330, 421, 30):
                await at.to(minute)
            assert (await at.fired())[:2] == [60, 360]

    go(check())


def test_a_run_that_was_waiting_starts_only_after_the_resume(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain, Other) as at:
            await at.control.pause(JOB_SCOPE, reason="broken")
            held, free = await at.start(Plain), await at.start(Other)
            assert (await at.finished(free)).state is RunState.COMPLETED
            assert (await at.run(held)).state is RunState.QUEUED
            await at.control.resume(JOB_SCOPE)
            assert (await at.finished(held)).state is RunState.COMPLETED

    go(check())


def test_pausing_what_is_paused_keeps_the_first_reason(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            assert await at.control.pause("all", reason="first")
            assert not await at.control.pause("all", reason="second")
            assert (await at.host.status()).paused == {"all": "first"}
            assert await at.control.resume("all")
            assert not await at.control.resume("all")

    go(check())


def test_a_scope_that_names_nothing_is_refused(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            for scope in ("everything", "job:", "schedule:x", ""):
                with pytest.raises(InvalidRequestError):
                    await at.control.pause(scope, reason="-")
            with pytest.raises(JobNotFoundError):
                await at.control.pause("job:Nobody", reason="-")
            with pytest.raises(ScheduleNotFoundError):
                await at.control.pause("schedule:6f0cf5a6-90ff-44a5-94a8-5b3f1b1b9c01", reason="-")
            assert (await at.host.status()).paused == {}

    go(check())


def test_the_pause_of_a_schedule_that_is_gone_can_be_ended(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            await at.schedule(Plain, HOURLY)
            scope = f"schedule:{await schedule_id(at)}"
            await at.control.pause(scope, reason="-")
            await at.manager.clear_job_schedule(name_of(Plain))
            assert await at.control.resume(scope)

    go(check())


def test_the_pause_of_a_job_that_is_gone_can_be_ended(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain, Other) as at:
            await at.control.pause(JOB_SCOPE, reason="-")
        async with desk(tmp_path, Other, clock=at.clock) as again:
            assert await again.control.resume(JOB_SCOPE)

    go(check())
