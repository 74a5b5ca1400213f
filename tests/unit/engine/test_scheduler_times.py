"""The scheduler fires every schedule at its nominal times, once, whatever the clock does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from host.model.runs import RunState
from host.model.schedules import IntervalMode, JobSchedule, Weekday
from tests.unit.engine.desk import BEGIN, DAY, HOUR, MINUTE, Plain, desk, go, minutes

EVERY_TEN = JobSchedule.every(10 * MINUTE, start=BEGIN)


class Other(Plain):
    """Another one."""


def test_an_interval_fires_from_its_start_on(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            await at.schedule(Plain, JobSchedule.every(10 * MINUTE, start=BEGIN + 5 * MINUTE))
            for minute in range(0, 31, 5):
                await at.to(minute)
            assert await at.fired() == [5, 15, 25]

    go(check())


def test_an_interval_without_start_counts_from_when_it_was_first_seen_also_after_a_restart(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            await at.to(3)
            await at.schedule(Plain, JobSchedule.every(10 * MINUTE))
            await at.to(13)
        async with desk(tmp_path, Plain, clock=at.clock) as again:
            await again.to(22)
            await again.to(23)
            assert await again.fired() == [13, 23]

    go(check())


def test_cron_fires_in_the_schedules_zone(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            await at.schedule(Plain, JobSchedule.cron("30 3 * * *", timezone="Europe/Prague"))
            await at.to(149)
            assert await at.fired() == []
            await at.to(150)  # 03:30 in Prague is 02:30 UTC in winter
            await at.to(24 * 60 + 150)
            assert await at.fired() == [150, 24 * 60 + 150]

    go(check())


def test_a_calendar_fires_on_its_days_alone(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            await at.schedule(Plain, JobSchedule.weekly([Weekday.FRIDAY, Weekday.SUNDAY], (BEGIN + 6 * HOUR).time()))
            for day in range(8):
                await at.to(day * 1440 + 360)
            assert await at.fired() == [1440 + 360, 3 * 1440 + 360]

    go(check())


def test_once_fires_once(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            await at.schedule(Plain, JobSchedule.once(BEGIN + 7 * MINUTE))
            await at.to(7)
            await at.to(60)
        async with desk(tmp_path, Plain, clock=at.clock) as again:
            await again.settle()
            assert await again.fired() == [7]

    go(check())


def test_once_in_the_past_on_first_sight_never_fires(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            await at.to(10)
            await at.schedule(Plain, JobSchedule.once(BEGIN + 5 * MINUTE))
            await at.to(60)
            assert await at.runs() == []

    go(check())


def test_max_count_ends_a_schedule_also_over_a_restart(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            await at.schedule(Plain, replace(EVERY_TEN, start=BEGIN + 10 * MINUTE, max_count=2))
            await at.to(10)
        async with desk(tmp_path, Plain, clock=at.clock) as again:
            for minute in (20, 30, 40):
                await again.to(minute)
            assert await again.fired() == [10, 20]

    go(check())


def test_several_schedules_of_several_jobs_fire_each_at_its_own_times(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain, Other) as at:
            await at.schedule(Plain, JobSchedule.every(10 * MINUTE, start=BEGIN), JobSchedule.cron("5 * * * *"))
            await at.schedule(Other, JobSchedule.every(15 * MINUTE, start=BEGIN))
            for minute in range(5, 21, 5):
                await at.to(minute)
            assert await at.fired(Plain) == [0, 5, 10, 20]
            assert await at.fired(Other) == [0, 15]

    go(check())


def test_jitter_moves_when_a_run_may_start_but_not_its_fire_time(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            await at.schedule(Plain, replace(EVERY_TEN, start=BEGIN + 10 * MINUTE, jitter=5 * MINUTE))
            await at.to(10)
            (run,) = await at.runs()
            assert run.not_before is not None
            assert minutes(run.fire_time) == 10
            assert 10 <= minutes(run.not_before) <= 15
            assert run.state is RunState.SCHEDULED
            await at.to(15)
            at.dispatcher.wake()
            assert (await at.finished(run.id)).state is RunState.COMPLETED

    go(check())


def test_a_fixed_delay_counts_from_the_end_of_each_run_also_after_a_restart(tmp_path: Path) -> None:
    rule = JobSchedule.every(10 * MINUTE, mode=IntervalMode.FIXED_DELAY, start=BEGIN + MINUTE)

    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            await at.schedule(Plain, rule)
            await at.to(4)  # late, within nothing: the latest fire time of a fixed delay is its only one
            (run,) = await at.runs()
            await at.finished(run.id)
        async with desk(tmp_path, Plain, clock=at.clock) as again:
            await again.to(13.5)
            assert await again.fired() == [1]
            await again.to(14)
            assert await again.fired() == [1, 14]

    go(check())


def test_the_clock_set_back_fires_nothing_twice_and_loses_nothing(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            await at.schedule(Plain, replace(EVERY_TEN, start=BEGIN + 10 * MINUTE))
            await at.to(10)
            await at.to(20)
            at.clock.step(-900)  # 00:05 again
            for minute in range(5, 41, 5):
                await at.to(minute)
            assert await at.fired() == [10, 20, 30, 40]

    go(check())


def test_the_clock_set_back_over_a_restart_fires_nothing_twice(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            await at.schedule(Plain, replace(EVERY_TEN, start=BEGIN + 10 * MINUTE))
            await at.to(10)
            await at.to(20)
        at.clock.step(-900)
        async with desk(tmp_path, Plain, clock=at.clock) as again:
            for minute in range(5, 31, 5):
                await again.to(minute)
            assert await again.fired() == [10, 20, 30]

    go(check())


def test_the_clock_set_forward_is_decided_by_the_misfire_policy(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            await at.schedule(Plain, replace(EVERY_TEN, start=BEGIN + 10 * MINUTE))
            await at.to(10)
            at.clock.step(timedelta(days=1).total_seconds())
            await at.settle()
            latest = (await at.runs())[-1]
            assert minutes(latest.fire_time) == DAY / MINUTE + 10
            assert latest.missed == 24 * 6 - 1

    go(check())
