"""Next fire times over all jobs, on a real host whose time stands still."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from host.contracts.host import HostControl
from host.contracts.jobs import Job, JobContext, JobManagerService
from host.contracts.runs import JobRunReader
from host.contracts.schedules import JobScheduleManager
from host.errors import UpstreamUnavailableError
from host.faces import outlook
from host.faces.outlook import NextFires, Outlook
from host.model.jobs import JobInfo
from host.model.schedules import IntervalMode, JobSchedule, ScheduleEntry
from host.testing.clock import FakeClock
from host.testing.host import running_host
from host.testing.kit import HostKit

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class First(Job):
    """One of two jobs."""

    aliases = ("Example.First, Example",)

    async def run(self, context: JobContext) -> None:
        """Do nothing."""


class Second(Job):
    """The other one."""

    async def run(self, context: JobContext) -> None:
        """Do nothing."""


class Desk:
    """A host, and an outlook on it."""

    def __init__(self, kit: HostKit) -> None:
        self.kit, self.jobs = kit, kit.get(JobManagerService)
        parts = kit.get(JobScheduleManager), kit.get(JobRunReader), kit.get(HostControl)
        self.outlook = Outlook(self.jobs, *parts, kit.clock)

    async def look(self, count: int = 10) -> NextFires:
        """Look until everything is reckoned."""
        while True:
            found = await self.outlook.look(count, patience_seconds=5)
            if not found.waiting:
                return found

    async def fires(self, count: int = 10) -> list[tuple[str, datetime]]:
        """Give who fires when."""
        return [(fire.job.name, fire.at) for fire in (await self.look(count)).fires]

    async def set(self, name: str, *schedules: JobSchedule) -> None:
        """Set a job's schedules, and tell."""
        job = next(job for job in await self.jobs.jobs() if job.name == name)
        await self.jobs.set_job_schedule(job.job_type, schedules)
        self.outlook.schedule_changed(job.job_type)


def check(tmp_path: Path, body: Callable[[Desk], Awaitable[None]]) -> None:
    async def run() -> None:
        async with running_host(tmp_path, jobs=(First, Second), clock=FakeClock(NOON)) as kit:
            desk = Desk(kit)
            try:
                await body(desk)
            finally:
                await desk.outlook.stop()

    asyncio.run(run())


def test_fire_times_of_all_jobs_stand_in_order_and_move_on(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        await desk.set("First", JobSchedule.cron("10 * * * *"), JobSchedule.cron("40 * * * *"))
        await desk.set("Second", JobSchedule.cron("30 * * * *"))
        at = {minute: NOON + timedelta(minutes=minute) for minute in (10, 30, 40, 70)}
        assert await desk.fires() == [("First", at[10]), ("Second", at[30]), ("First", at[40])]
        desk.kit.clock.move(15 * 60)
        assert await desk.fires(3) == [("Second", at[30]), ("First", at[40]), ("First", at[70])]

    check(tmp_path, body)


def test_what_is_not_to_be_shown_is_left_out_and_comes_back(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        await desk.set("First", JobSchedule.cron("10 * * * *"))
        await desk.set("Second", JobSchedule.cron("30 * * * *"))
        await desk.look()
        some = await desk.outlook.look(10, patience_seconds=5, is_shown=lambda fire: fire.job.name == "Second")
        assert [fire.job.name for fire in some.fires] == ["Second"]
        assert [name for name, _ in await desk.fires()] == ["First", "Second"]

    check(tmp_path, body)


def test_a_change_replaces_what_was_known(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        await desk.set("First", JobSchedule.cron("10 * * * *"))
        await desk.look()
        await desk.set("First", JobSchedule.cron("20 * * * *"))
        assert await desk.fires() == [("First", NOON + timedelta(minutes=20))]
        for _ in range(100):
            await desk.set("First", JobSchedule.cron("25 * * * *"))
            await desk.look()
        assert len(desk.outlook._heap) < 80, "replaced fire times are dropped in the end"
        await desk.set("First")
        desk.outlook.schedule_changed(None)
        assert await desk.fires() == []

    check(tmp_path, body)


def test_an_interval_is_known_once_it_has_fired(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        await desk.set("First", JobSchedule.every(timedelta(minutes=5)))
        await desk.set("Second", JobSchedule.every(timedelta(minutes=7), mode=IntervalMode.FIXED_DELAY))
        with suppress(TimeoutError):
            await desk.look()
        await desk.kit.run_due()
        await desk.kit.advance(timedelta(minutes=5))
        fires = await desk.fires()
        assert ("First", NOON + timedelta(minutes=10)) in fires

    check(tmp_path, body)


def counted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the names of jobs whose schedules are read from now on, and ``all`` for each list of all jobs."""
    asked: list[str] = []
    schedules_of, jobs = desk.jobs.get_job_schedules, desk.jobs.jobs

    async def get_job_schedules(job: str) -> ScheduleEntry:
        asked.append(job.rpartition(":")[2])
        return await schedules_of(job)

    async def all_jobs() -> Sequence[JobInfo]:
        asked.append("all")
        return await jobs()

    monkeypatch.setattr(desk.jobs, "get_job_schedules", get_job_schedules)
    monkeypatch.setattr(desk.jobs, "jobs", all_jobs)
    return asked


def test_a_change_of_one_job_reads_that_one_and_the_passing_of_time_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(desk: Desk) -> None:
        await desk.set("First", JobSchedule.cron("* * * * *"))
        await desk.set("Second", JobSchedule.cron("30 * * * *"))
        await desk.look()
        asked = counted(desk, monkeypatch)
        desk.kit.clock.move(60)
        assert await desk.fires(1) == [("First", NOON + timedelta(minutes=2))]
        assert asked == []
        desk.outlook.schedule_changed(First.aliases[0])
        await desk.look()
        assert asked == ["First"]
        desk.kit.clock.move(outlook.OLD_SECONDS)
        await desk.look()
        assert asked == ["First", "First"], "what was read long ago is read again when it has fired"

    check(tmp_path, body)


def test_many_jobs_are_all_read_again_once_a_minute_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlook, "FEW", 1)

    async def body(desk: Desk) -> None:
        await desk.look()
        asked = counted(desk, monkeypatch)
        for _ in range(3):
            desk.outlook.jobs_changed()
            desk.outlook.schedule_changed(None)
            desk.outlook.schedule_changed("nobody:Knows")
            assert not (await desk.look()).waiting
        assert asked == []
        desk.kit.clock.move(outlook.EVERYTHING_SECONDS)
        await desk.look()
        assert sorted(asked) == ["First", "Second", "all"]
        desk.outlook.jobs_changed()
        desk.kit.clock.move(outlook.EVERYTHING_SECONDS)
        await desk.look()
        assert sorted(asked) == ["First", "Second", "all", "all"], "a new list reads the schedules of new jobs alone"

    check(tmp_path, body)


def test_what_could_not_be_read_is_read_when_it_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(desk: Desk) -> None:
        await desk.look()
        is_away = True
        schedules_of = desk.jobs.get_job_schedules

        async def get_job_schedules(job: str) -> ScheduleEntry:
            if is_away:
                raise UpstreamUnavailableError("it is away")
            return await schedules_of(job)

        monkeypatch.setattr(desk.jobs, "get_job_schedules", get_job_schedules)
        await desk.kit.jobs.set_job_schedule(f"{__name__}:Second", [JobSchedule.cron("30 * * * *")])
        desk.outlook.schedule_changed(f"{__name__}:Second")
        with pytest.raises(UpstreamUnavailableError):
            await desk.outlook.look(1, patience_seconds=30)
        is_away = False
        while not (fires := (await desk.outlook.look(1, patience_seconds=30)).fires):
            pass
        assert [fire.job.name for fire in fires] == ["Second"]

    check(tmp_path, body)


def test_schedules_are_found_by_their_words(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        await desk.set("First", JobSchedule.cron("10 * * * *", timezone="Europe/Prague"))
        await desk.look()
        found = await desk.outlook.find("PRAGUE cron", at_most=5, patience_seconds=5)
        assert [match.job.name for match in found.matches] == ["First"]
        assert (await desk.outlook.find("lisbon", at_most=5, patience_seconds=5)).matches == ()

    check(tmp_path, body)
