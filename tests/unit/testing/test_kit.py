"""A host in the hands of a test: runs, time and schedules at will."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from host import (
    Discard,
    Job,
    JobContext,
    JobParameter,
    JobResult,
    JobSchedule,
    OverlapPolicy,
    RunState,
    RunSubmission,
    Snooze,
)
from host.contracts.clock import Clock
from host.contracts.jobs import RunControl
from host.errors import InvalidRequestError, JobNotFoundError, ProviderStartError
from host.model.runs import RunReason
from host.model.schedules import IntervalMode
from host.testing import FakeClock, HostKit, assert_completed, assert_failed, assert_state, running_host
from tests.unit.kernel.test_host import Ailing

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Adding(Job):
    """Says when it ran and what it was given."""

    name = "Adding"
    parameters = (JobParameter("number", int, default=1),)
    overlap = OverlapPolicy.ALLOW

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def run(self, context: JobContext) -> JobResult:
        number = int(str(context.parameters["number"]))
        context.log.info("added", number=number)
        return JobResult(value={"number": number + 1, "at": self._clock.now().isoformat()})


class Threaded(Job):
    """Takes a while of real time in a thread."""

    def run(self, context: JobContext) -> None:
        time.sleep(0.01)


class Flaky(Job):
    """Fails the first time."""

    max_attempts = 3

    async def run(self, context: JobContext) -> None:
        if context.attempt == 1:
            raise ValueError("not yet")


class Snoozing(Job):
    """Sleeps once."""

    asleep: ClassVar[set[object]] = set()

    async def run(self, context: JobContext) -> None:
        if context.run_id not in self.asleep:
            self.asleep.add(context.run_id)
            raise Snooze("later", after=HOUR)


class Discarding(Job):
    """Gives up for good."""

    async def run(self, context: JobContext) -> None:
        raise Discard("of no use")


class Chaining(Job):
    """Asks for other runs."""

    def __init__(self, control: RunControl) -> None:
        self._control = control

    async def run(self, context: JobContext) -> None:
        await self._control.submit([RunSubmission(job="Adding", parameters={"number": n}) for n in range(3)])


class Patient(Job):
    """Waits on the host's clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def run(self, context: JobContext) -> None:
        await self._clock.sleep(60)


def go(work: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await work

    asyncio.run(bounded())


def kit_of(folder: Path, *jobs: type[Job], **options: Any) -> Any:
    return running_host(folder, jobs=jobs, **{"clock": FakeClock(), **options})


async def schedule(kit: HostKit, job: str, *schedules: JobSchedule) -> None:
    await kit.jobs.set_job_schedule(job, schedules)


def test_a_run_has_ended_when_perform_returns(tmp_path: Path) -> None:
    async def check() -> None:
        async with kit_of(tmp_path, Adding, Threaded) as kit:
            run = await kit.perform(Adding, {"number": 4})
            assert_completed(run)
            assert run.result == {"number": 5, "at": BEGIN.isoformat()}
            assert_completed(await kit.perform("Threaded"))
            assert [each.id for each in await kit.runs_of(Adding)] == [run.id]
            assert [(line.event, line.fields) for line in await kit.log_of(run)] == [("added", {"number": 4})]
            assert await kit.log_of(run.id) == await kit.log_of(run)

    go(check())


def test_time_stands_still_until_it_is_moved(tmp_path: Path) -> None:
    async def check() -> None:
        async with kit_of(tmp_path, Adding) as kit:
            await schedule(kit, "Adding", JobSchedule.every(MINUTE))
            await kit.run_due()
            fired = await kit.runs_of(Adding)
            await kit.run_due()
            assert await kit.runs_of(Adding) == fired
            assert kit.clock.now() == BEGIN

    go(check())


def test_each_fire_time_passed_has_its_run_at_its_instant(tmp_path: Path) -> None:
    async def check() -> None:
        async with kit_of(tmp_path, Adding, Threaded) as kit:
            await schedule(kit, "Adding", JobSchedule.cron("*/10 * * * *"))
            await schedule(kit, "Threaded", JobSchedule.cron("30 * * * *"))
            await kit.run_due()
            before = len(await kit.runs_of(Adding))
            await kit.advance(HOUR + 5 * MINUTE)
            runs = (await kit.runs_of(Adding))[before:]
            assert [run.fire_time for run in runs] == [BEGIN + n * 10 * MINUTE for n in range(1, 7)]
            assert [run.result["at"] for run in runs] == [run.fire_time.isoformat() for run in runs]
            assert {run.state for run in runs} == {RunState.COMPLETED}
            assert {run.missed for run in runs} == {0}
            assert [run.fire_time for run in await kit.runs_of(Threaded)] == [BEGIN + 30 * MINUTE]
            assert kit.clock.now() == BEGIN + HOUR + 5 * MINUTE

    go(check())


def test_a_fire_time_at_the_end_of_an_advance_fires(tmp_path: Path) -> None:
    async def check() -> None:
        async with kit_of(tmp_path, Adding) as kit:
            await schedule(kit, "Adding", JobSchedule.cron("0 3 * * *"))
            await kit.advance(3 * HOUR - timedelta(microseconds=1))
            assert await kit.runs_of(Adding) == []
            await kit.advance(timedelta(microseconds=1))
            assert [run.fire_time for run in await kit.runs_of(Adding)] == [BEGIN + 3 * HOUR]

    go(check())


def test_a_leap_is_a_misfire_as_after_a_suspend(tmp_path: Path) -> None:
    async def check() -> None:
        async with kit_of(tmp_path, Adding) as kit:
            await schedule(kit, "Adding", JobSchedule.cron("30 * * * *"))
            await kit.run_due()
            kit.clock.move((5 * HOUR).total_seconds())
            await kit.run_due()
            (run,) = await kit.runs_of(Adding)
            assert (run.fire_time, run.missed) == (BEGIN + 4 * HOUR + 30 * MINUTE, 4)

    go(check())


def test_a_fixed_delay_is_measured_from_the_end_of_the_run_before(tmp_path: Path) -> None:
    async def check() -> None:
        async with kit_of(tmp_path, Adding) as kit:
            await schedule(kit, "Adding", JobSchedule.every(HOUR, mode=IntervalMode.FIXED_DELAY))
            await kit.run_due()
            first = len(await kit.runs_of(Adding))
            (following,) = await kit.next_fires(Adding, 3)
            await kit.advance(3 * HOUR)
            runs = await kit.runs_of(Adding)
            assert len(runs) == first + 3
            assert runs[first].fire_time == following

    go(check())


def test_a_failed_attempt_waits_for_its_time_and_is_tried_again(tmp_path: Path) -> None:
    async def check() -> None:
        async with kit_of(tmp_path, Flaky) as kit:
            run = await kit.perform(Flaky)
            assert_state(run, RunState.SCHEDULED, reason=RunReason.RETRY)
            await kit.advance(HOUR)
            (run,) = await kit.runs_of(Flaky)
            assert_completed(run)
            assert run.attempt == 2
            assert run.started_at is not None
            assert BEGIN < run.started_at < BEGIN + MINUTE

    go(check())


def test_a_run_that_snoozes_wakes_at_its_time(tmp_path: Path) -> None:
    async def check() -> None:
        async with kit_of(tmp_path, Snoozing) as kit:
            run = await kit.perform(Snoozing)
            assert run.not_before == BEGIN + HOUR
            await kit.advance(2 * HOUR)
            (run,) = await kit.runs_of(Snoozing)
            assert_completed(run)
            assert run.started_at == BEGIN + HOUR

    go(check())


def test_what_a_run_asks_for_has_ended_too(tmp_path: Path) -> None:
    async def check() -> None:
        async with kit_of(tmp_path, Chaining, Adding) as kit:
            assert_completed(await kit.perform(Chaining))
            assert [run.state for run in await kit.runs_of(Adding)] == [RunState.COMPLETED] * 3

    go(check())


def test_what_is_paused_is_not_due(tmp_path: Path) -> None:
    async def check() -> None:
        async with kit_of(tmp_path, Adding) as kit:
            await kit.control.pause("job:Adding", reason="test")
            assert (await kit.perform(Adding)).state is RunState.QUEUED
            await kit.control.pause("all", reason="test")
            await kit.control.resume("job:Adding")
            await kit.advance(HOUR)
            await kit.control.resume("all")
            await kit.run_due()
            assert_completed((await kit.runs_of(Adding))[0])

    go(check())


@pytest.mark.parametrize("before", [3.3, 9.999999, 10.0])
def test_a_delayed_start_comes_at_its_instant(tmp_path: Path, before: float) -> None:
    section = (
        '<section xsi:type="JobConfigurationSection"><jobs>'
        f'<add type="{__name__}:Adding" startType="delay" /></jobs></section>'
    )

    async def check() -> None:
        async with kit_of(tmp_path, Adding, sections=section) as kit:
            await kit.advance(timedelta(seconds=before))
            assert len(await kit.runs_of(Adding)) == (before >= 10)
            await kit.advance(HOUR)
            (run,) = await kit.runs_of(Adding)
            assert run.started_at == BEGIN + timedelta(seconds=10)

    go(check())


def test_a_second_host_on_the_folder_is_the_next_start(tmp_path: Path) -> None:
    async def check() -> None:
        clock = FakeClock()
        async with kit_of(tmp_path, Adding, clock=clock) as kit:
            await schedule(kit, "Adding", JobSchedule.cron("0 * * * *"))
            await kit.advance(HOUR + MINUTE)
            count = len(await kit.runs_of(Adding))
        clock.move((2 * HOUR).total_seconds())
        async with kit_of(tmp_path, Adding, clock=clock) as kit:
            await kit.run_due()
            runs = await kit.runs_of(Adding)
            assert len(runs) == count + 1
            assert (runs[-1].fire_time, runs[-1].missed) == (BEGIN + 3 * HOUR, 1)

    go(check())


def test_the_next_fire_times_are_those_that_fire(tmp_path: Path) -> None:
    async def check() -> None:
        async with kit_of(tmp_path, Adding) as kit:
            every = JobSchedule.every(7 * HOUR, start=BEGIN + 90 * MINUTE)
            await schedule(kit, "Adding", JobSchedule.cron("0 3 * * *", timezone="Europe/Prague"), every)
            await kit.advance(3 * HOUR)
            fired = [run.fire_time for run in await kit.runs_of(Adding)]
            told = await kit.next_fires(Adding, 8)
            assert len(told) == 8
            await kit.advance(told[-1] - kit.clock.now())
            assert [run.fire_time for run in await kit.runs_of(Adding)] == [*fired, *told]
            assert await kit.next_fires(Adding, 0) == []

    go(check())


def test_a_schedule_with_an_end_has_no_more_fire_times_than_it_says(tmp_path: Path) -> None:
    async def check() -> None:
        async with kit_of(tmp_path, Adding) as kit:
            await schedule(kit, "Adding", JobSchedule.cron("0 * * * *", start=BEGIN + MINUTE, max_count=3))
            assert await kit.next_fires(Adding, 10) == [BEGIN + n * HOUR for n in (1, 2, 3)]
            await kit.advance(DAY)
            assert len(await kit.runs_of(Adding)) == 3
            assert await kit.next_fires(Adding, 10) == []

    go(check())


def test_a_run_that_does_not_end_fails_the_test_and_is_named(tmp_path: Path) -> None:
    async def check() -> None:
        async with kit_of(tmp_path, Patient) as kit:
            kit.patience = timedelta(seconds=0.1)
            with pytest.raises(AssertionError, match=r"(?s)within 0\.1 s\nrun .*:Patient is .*`clock\.advance`"):
                await kit.perform(Patient)
            kit.patience = timedelta(seconds=60)
            async with asyncio.timeout(60):
                while (await kit.runs_of(Patient))[0].state is not RunState.RUNNING:
                    await asyncio.sleep(0.005)
            await kit.clock.advance(60)
            await kit.run_due()
            assert_completed((await kit.runs_of(Patient))[0])

    go(check())


def test_a_service_that_fails_fails_the_test_at_once(tmp_path: Path) -> None:
    async def check() -> None:
        async with kit_of(tmp_path, Patient, providers=[Ailing]) as kit:
            kit.get(Ailing).fail.set()
            with pytest.raises(ProviderStartError, match="no more"):
                await kit.perform(Patient)

    go(check())


def test_without_a_fake_clock_runs_end_and_time_is_refused(tmp_path: Path) -> None:
    async def check() -> None:
        async with kit_of(tmp_path, Adding, clock=None) as kit:
            assert_completed(await kit.perform(Adding))
            with pytest.raises(InvalidRequestError, match="FakeClock"):
                await kit.advance(HOUR)

    go(check())


def test_time_does_not_go_back_and_unknown_jobs_are_refused(tmp_path: Path) -> None:
    async def check() -> None:
        async with kit_of(tmp_path, Adding) as kit:
            with pytest.raises(InvalidRequestError, match="forward"):
                await kit.advance(-HOUR)
            with pytest.raises(JobNotFoundError):
                await kit.runs_of("Subtracting")

    go(check())


def test_all_runs_of_a_job_are_given_however_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host.testing.kit.PAGE", 2)

    async def check() -> None:
        async with kit_of(tmp_path, Adding) as kit:
            ids = [await kit.submit(Adding, {"number": number}) for number in range(5)]
            await kit.run_due()
            assert [run.id for run in await kit.runs_of(Adding)] == ids

    go(check())


def test_a_discarded_run_is_told_as_failed(tmp_path: Path) -> None:
    async def check() -> None:
        async with kit_of(tmp_path, Discarding) as kit:
            assert_failed(await kit.perform(Discarding), "of no use")

    go(check())
