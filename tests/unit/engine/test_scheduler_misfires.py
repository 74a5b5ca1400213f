"""Fire times that passed while nobody could fire them: the schedule's policy decides, and the row tells."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from host.contracts.runs import JobRunWriter
from host.local.runs import SqliteJobRunStore
from host.model.runs import RunReason, RunState
from host.model.schedules import IntervalMode, JobSchedule, MisfirePolicy
from host.testing.clock import FakeClock
from tests.unit.engine.desk import BEGIN, HOUR, MINUTE, Plain, desk, eventually, go, minutes
from tests.unit.engine.gate import Gate, GatedWriter

HOURLY = JobSchedule.every(HOUR, start=BEGIN + HOUR)


async def run_until(folder: Path, schedule: JobSchedule, minute: float) -> FakeClock:
    """Let a host fire the schedule from ``BEGIN`` until then; gives its clock."""
    async with desk(folder, Plain) as at:
        await at.schedule(Plain, schedule)
        for hour in range(60, int(minute) + 1, 60):
            await at.to(hour)
        await at.to(minute)
    return at.clock


def later(clock: FakeClock, minute: float) -> FakeClock:
    clock.move((BEGIN + minute * MINUTE - clock.now()).total_seconds())
    return clock


def test_the_latest_missed_fire_time_fires_once_and_counts_the_others(tmp_path: Path) -> None:
    async def check() -> None:
        clock = await run_until(tmp_path, HOURLY, 60)
        async with desk(tmp_path, Plain, clock=later(clock, 5 * 60 + 30)) as at:
            await at.settle()
            await at.to(6 * 60)
            assert await at.fired() == [60, 300, 360]
            assert [run.missed for run in await at.runs()] == [0, 3, 0]

    go(check())


def test_policy_skip_records_the_latest_and_fires_none(tmp_path: Path) -> None:
    async def check() -> None:
        clock = await run_until(tmp_path, replace(HOURLY, misfire=MisfirePolicy.SKIP), 60)
        async with desk(tmp_path, Plain, clock=later(clock, 5 * 60 + 30)) as at:
            await at.settle()
            assert await at.fired() == [60]
            assert await at.skipped() == [(300, 3)]
            assert (await at.runs())[-1].reason is RunReason.MISFIRE

    go(check())


def test_policy_all_fires_each_oldest_first(tmp_path: Path) -> None:
    async def check() -> None:
        clock = await run_until(tmp_path, replace(HOURLY, misfire=MisfirePolicy.ALL), 60)
        async with desk(tmp_path, Plain, clock=later(clock, 4 * 60 + 30)) as at:
            await at.settle()
            assert await at.fired() == [60, 120, 180, 240]
            assert {run.missed for run in await at.runs()} == {0}

    go(check())


def test_policy_all_looks_back_a_day_at_most(tmp_path: Path) -> None:
    async def check() -> None:
        clock = await run_until(tmp_path, replace(HOURLY, misfire=MisfirePolicy.ALL), 60)
        async with desk(tmp_path, Plain, clock=later(clock, 100 * 60)) as at:
            await at.settle()
            assert await at.fired() == [60, *range(77 * 60, 101 * 60, 60)]

    go(check())


def test_nothing_inside_the_misfire_window_is_recorded_as_skipped(tmp_path: Path) -> None:
    async def check() -> None:
        schedule = replace(HOURLY, misfire_window=20 * MINUTE)
        clock = await run_until(tmp_path, schedule, 60)
        async with desk(tmp_path, Plain, clock=later(clock, 3 * 60 + 30)) as at:
            await at.settle()
            assert await at.fired() == [60]
            assert [minute for minute, _ in await at.skipped()] == [180]

    go(check())


def test_one_fire_time_within_the_grace_is_simply_fired_whatever_the_policy(tmp_path: Path) -> None:
    async def check() -> None:
        clock = await run_until(tmp_path, replace(HOURLY, misfire=MisfirePolicy.SKIP), 60)
        async with desk(tmp_path, Plain, clock=later(clock, 120.9)) as at:
            await at.settle()
            assert await at.fired() == [60, 120]

    go(check())


def test_one_fire_time_later_than_the_grace_is_decided_by_the_policy(tmp_path: Path) -> None:
    async def check() -> None:
        clock = await run_until(tmp_path, replace(HOURLY, misfire=MisfirePolicy.SKIP), 60)
        async with desk(tmp_path, Plain, clock=later(clock, 121.1)) as at:
            await at.settle()
            assert await at.skipped() == [(120, 0)]

    go(check())


def test_the_grace_is_a_setting(tmp_path: Path) -> None:
    async def check() -> None:
        clock = await run_until(tmp_path, replace(HOURLY, misfire=MisfirePolicy.SKIP), 60)
        grace = '<section xsi:type="SchedulerConfigurationSection" misfireGrace="PT10M" />'
        async with desk(tmp_path, Plain, clock=later(clock, 125), sections=grace) as at:
            await at.settle()
            assert await at.fired() == [60, 120]

    go(check())


@pytest.mark.parametrize("policy", list(MisfirePolicy))
def test_without_catch_up_what_was_missed_is_only_recorded(tmp_path: Path, policy: MisfirePolicy) -> None:
    async def check() -> None:
        clock = await run_until(tmp_path, replace(HOURLY, misfire=policy), 60)
        async with desk(tmp_path, Plain, clock=later(clock, 5 * 60 + 30), catch_up=False) as at:
            await at.settle()
            assert await at.fired() == [60]
            assert [minute for minute, _ in await at.skipped()] == [300]
            await at.to(6 * 60)
            assert await at.fired() == [60, 360]
        async with desk(tmp_path, Plain, clock=at.clock) as again:
            await again.settle()
            assert await again.fired() == [60, 360]

    go(check())


def test_a_missed_fixed_delay_fires_once(tmp_path: Path) -> None:
    async def check() -> None:
        rule = JobSchedule.every(HOUR, mode=IntervalMode.FIXED_DELAY, start=BEGIN + HOUR)
        clock = await run_until(tmp_path, rule, 60)
        async with desk(tmp_path, Plain, clock=later(clock, 5 * 60 + 30)) as at:
            await eventually(lambda: _count(at.fired, 2))
            await at.settle()
            assert await at.fired() == [60, 120]

    go(check())


async def _count(fired, wanted: int) -> bool:
    return len(await fired()) >= wanted


def test_a_store_that_refuses_a_fire_gets_it_as_soon_as_it_can(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain, providers=[SqliteJobRunStore, GatedWriter]) as at:
            gate = at.host.get(JobRunWriter)
            assert isinstance(gate, Gate)
            await at.schedule(Plain, HOURLY)
            gate.refused.add("fire")
            at.clock.move(3600)
            at.scheduler.look()
            await eventually(lambda: gate.calls["fire"] > 0)
            assert await at.runs() == []
            gate.refused.clear()
            await eventually(lambda: _count(at.fired, 1))
            assert await at.fired() == [60]
            assert not any(task.done() for task in at.scheduler.background())

    go(check())


def test_a_fire_whose_answer_was_lost_is_not_repeated(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain, providers=[SqliteJobRunStore, GatedWriter]) as at:
            gate = at.host.get(JobRunWriter)
            assert isinstance(gate, Gate)
            await at.schedule(Plain, HOURLY)
            gate.lost.add("fire")
            at.clock.move(3600)
            at.scheduler.look()
            await eventually(lambda: gate.calls["fire"] > 0)
            gate.lost.clear()
            await eventually(lambda: gate.calls["fire"] > 1)
            await at.to(120)
            assert await at.fired() == [60, 120]

    go(check())


def test_a_fire_that_could_not_be_stored_for_long_is_decided_as_missed(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain, providers=[SqliteJobRunStore, GatedWriter]) as at:
            gate = at.host.get(JobRunWriter)
            assert isinstance(gate, Gate)
            await at.schedule(Plain, HOURLY)
            gate.refused.add("fire")
            at.clock.move(3600)
            at.scheduler.look()
            await eventually(lambda: gate.calls["fire"] > 0)
            at.clock.move(2 * 3600)
            gate.refused.clear()
            await eventually(lambda: _count(at.fired, 1))
            (run,) = await at.runs()
            assert (minutes(run.fire_time), run.missed) == (180, 2)

    go(check())


def test_a_run_of_a_missed_fire_time_is_performed(tmp_path: Path) -> None:
    async def check() -> None:
        clock = await run_until(tmp_path, HOURLY, 0)
        async with desk(tmp_path, Plain, clock=later(clock, 90)) as at:
            await at.settle()
            (run,) = await at.runs()
            assert (await at.finished(run.id)).state is RunState.COMPLETED
            assert run.fire_time == BEGIN + timedelta(hours=1)

    go(check())
