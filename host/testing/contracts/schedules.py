"""What every store of schedules promises."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from host.contracts.bus import MessageBus
from host.contracts.schedules import JobScheduleManager
from host.errors import InvalidScheduleError, ScheduleVersionError
from host.local.bus import LocalMessageBus
from host.model.messages import ScheduleChanged
from host.model.schedules import CronDialect, IntervalMode, JobSchedule, MisfirePolicy, ScheduleKind, Weekday
from host.testing.contracts.services import running

NewManager = Callable[[MessageBus], JobScheduleManager]
Advance = Callable[[float], Awaitable[None]]

ALPHA, BETA = "tests.jobs:Alpha", "SanteDB.Core.Jobs.BetaJob, SanteDB.Core"
HOURLY = JobSchedule.every(timedelta(hours=1))
NIGHTLY = JobSchedule.cron("0 3 * * *", timezone="Europe/Prague", dialect=CronDialect.CIS)
EVERY_KIND = (
    NIGHTLY,
    JobSchedule.weekly([Weekday.MONDAY, Weekday.FRIDAY], datetime(2026, 3, 1, 23, 30, tzinfo=UTC)),
    JobSchedule.once(datetime.fromisoformat("2030-01-01T12:00:00")),
    JobSchedule(
        kind=ScheduleKind.INTERVAL,
        interval=timedelta(milliseconds=1500),
        mode=IntervalMode.FIXED_DELAY,
        start=datetime.fromisoformat("2026-01-01T00:00:00"),
        stop=datetime(2027, 1, 1, tzinfo=UTC),
        timezone="America/New_York",
        max_count=7,
        jitter=timedelta(seconds=2),
        misfire=MisfirePolicy.ALL,
        misfire_window=timedelta(hours=2),
        parameters={"days": 30, "names": ["Žižkov", None, True, 1.5], "deep": {"a": {}}},
        id="often",
    ),
    HOURLY,
)
IMPOSSIBLE = JobSchedule.cron("0 0 31 2 *")


class JobScheduleManagerSuite:
    """Supply ``new_manager`` and, where the store's time is not the system's, ``advance``."""

    @pytest.fixture
    def new_manager(self) -> NewManager:
        """Give what builds a manager that tells its changes on a bus; each call another one over the same store."""
        raise NotImplementedError

    @pytest.fixture
    def advance(self) -> Advance:
        """Give what lets time pass for the managers."""
        return asyncio.sleep

    def test_a_new_store_has_no_entries(self, new_manager: NewManager) -> None:
        async def check(manager: JobScheduleManager) -> None:
            assert list(await manager.all()) == []
            assert await manager.get(ALPHA) is None

        _run(new_manager, check)

    def test_every_kind_of_schedule_is_given_back_equal_and_in_order(self, new_manager: NewManager) -> None:
        async def check(manager: JobScheduleManager) -> None:
            entry = await manager.replace(ALPHA, EVERY_KIND)
            assert (entry.job_type, entry.schedules) == (ALPHA, EVERY_KIND)
            assert await manager.get(ALPHA) == entry

        _run(new_manager, check)

    def test_what_was_accepted_is_there_for_the_next_one(self, new_manager: NewManager) -> None:
        async def check() -> None:
            async with running(new_manager(LocalMessageBus())) as first:
                kept = [await first.replace(ALPHA, EVERY_KIND), await first.replace(BETA, [HOURLY])]
            async with running(new_manager(LocalMessageBus())) as second:
                found = await second.all()
            assert [(one.job_type, one.schedules, one.version) for one in found] == [
                (one.job_type, one.schedules, one.version) for one in kept
            ]

        asyncio.run(check())

    def test_entries_keep_their_order(self, new_manager: NewManager) -> None:
        async def check(manager: JobScheduleManager) -> None:
            names = [f"tests.jobs:Job{number}" for number in (3, 1, 2)]
            for name in names:
                await manager.replace(name, [HOURLY])
            await manager.replace(names[0], [NIGHTLY])
            assert [entry.job_type for entry in await manager.all()] == names

        _run(new_manager, check)

    def test_a_change_leaves_other_entries_alone(self, new_manager: NewManager) -> None:
        async def check(manager: JobScheduleManager) -> None:
            other = await manager.replace(BETA, EVERY_KIND)
            await manager.replace(ALPHA, [HOURLY])
            await manager.remove(ALPHA)
            found = await manager.get(BETA)
            assert found is not None
            assert (found.schedules, found.version) == (other.schedules, other.version)

        _run(new_manager, check)

    def test_a_cleared_entry_is_there_and_empty(self, new_manager: NewManager) -> None:
        async def check(manager: JobScheduleManager) -> None:
            await manager.replace(ALPHA, [HOURLY])
            assert (await manager.clear(ALPHA)).schedules == ()
            assert (await manager.clear(BETA)).schedules == ()
            assert [(entry.job_type, entry.schedules) for entry in await manager.all()] == [(ALPHA, ()), (BETA, ())]

        _run(new_manager, check)

    def test_a_removed_entry_is_gone(self, new_manager: NewManager) -> None:
        async def check(manager: JobScheduleManager) -> None:
            await manager.replace(ALPHA, [HOURLY])
            assert await manager.remove(ALPHA)
            assert await manager.get(ALPHA) is None
            assert not await manager.remove(ALPHA)

        _run(new_manager, check)

    def test_an_equal_list_changes_nothing(self, new_manager: NewManager) -> None:
        async def check(manager: JobScheduleManager, heard: list[str | None]) -> None:
            first = await manager.replace(ALPHA, EVERY_KIND)
            assert await manager.replace(ALPHA, EVERY_KIND) == first
            assert await manager.replace(ALPHA, EVERY_KIND, expected_version=first.version) == first
            await manager.replace(BETA, [])
            await _until(lambda: BETA in heard)
            assert heard == [ALPHA, BETA]

        _run_hearing(new_manager, check)

    def test_another_type_of_parameter_is_a_change(self, new_manager: NewManager) -> None:
        async def check(manager: JobScheduleManager) -> None:
            for value in (1, True, 1.0):
                schedule = JobSchedule(kind=ScheduleKind.CRON, expression="@daily", parameters={"x": value})
                (kept,) = (await manager.replace(ALPHA, [schedule])).schedules
                assert kept.parameters is not None
                assert type(kept.parameters["x"]) is type(value)

        _run(new_manager, check)

    def test_every_change_gives_a_new_version(self, new_manager: NewManager) -> None:
        async def check(manager: JobScheduleManager) -> None:
            versions = [
                (await manager.replace(ALPHA, schedules)).version
                for schedules in ([HOURLY], [NIGHTLY], [HOURLY, NIGHTLY], [NIGHTLY, HOURLY], [])
            ]
            assert len(set(versions)) == 5
            assert all(versions)

        _run(new_manager, check)

    def test_the_version_that_was_read_is_accepted(self, new_manager: NewManager) -> None:
        async def check(manager: JobScheduleManager) -> None:
            first = await manager.replace(ALPHA, [HOURLY], expected_version="")
            second = await manager.replace(ALPHA, [NIGHTLY], expected_version=first.version)
            third = await manager.clear(ALPHA, expected_version=second.version)
            assert await manager.remove(ALPHA, expected_version=third.version)
            assert not await manager.remove(ALPHA, expected_version="")

        _run(new_manager, check)

    def test_another_version_is_refused_and_changes_nothing(self, new_manager: NewManager) -> None:
        async def check(manager: JobScheduleManager) -> None:
            old = await manager.replace(ALPHA, [HOURLY])
            now = await manager.replace(ALPHA, [NIGHTLY])
            for version in (old.version, ""):
                with pytest.raises(ScheduleVersionError):
                    await manager.replace(ALPHA, [HOURLY], expected_version=version)
                with pytest.raises(ScheduleVersionError):
                    await manager.clear(ALPHA, expected_version=version)
                with pytest.raises(ScheduleVersionError):
                    await manager.remove(ALPHA, expected_version=version)
            for change in (manager.clear, manager.remove):
                with pytest.raises(ScheduleVersionError):
                    await change(BETA, expected_version=now.version)
            assert list(await manager.all()) == [now]

        _run(new_manager, check)

    def test_a_schedule_that_can_never_work_is_refused_and_changes_nothing(self, new_manager: NewManager) -> None:
        async def check(manager: JobScheduleManager, heard: list[str | None]) -> None:
            now = await manager.replace(ALPHA, [HOURLY])
            for bad in (
                IMPOSSIBLE,
                JobSchedule.every(timedelta(0)),
                JobSchedule.cron("@daily", timezone="Europe/Nowhere"),
                JobSchedule(kind=ScheduleKind.CALENDAR, days=(Weekday.MONDAY,)),
                JobSchedule(kind=ScheduleKind.CRON, expression="@daily", max_count=0),
                JobSchedule(kind=ScheduleKind.CRON, expression="@daily", parameters={"x": float("nan")}),
            ):
                with pytest.raises(InvalidScheduleError):
                    await manager.replace(ALPHA, [NIGHTLY, bad])
            assert list(await manager.all()) == [now]
            await manager.clear(BETA)
            await _until(lambda: BETA in heard)
            assert heard == [ALPHA, BETA]

        _run_hearing(new_manager, check)

    def test_two_schedules_of_a_job_cannot_have_one_id(self, new_manager: NewManager) -> None:
        async def check(manager: JobScheduleManager) -> None:
            named = JobSchedule(kind=ScheduleKind.CRON, expression="@daily", id="a")
            with pytest.raises(InvalidScheduleError):
                await manager.replace(ALPHA, [named, named])
            assert await manager.get(ALPHA) is None

        _run(new_manager, check)

    def test_every_accepted_change_is_told(self, new_manager: NewManager) -> None:
        async def check(manager: JobScheduleManager, heard: list[str | None]) -> None:
            await manager.replace(ALPHA, [HOURLY])
            await manager.replace(ALPHA, [NIGHTLY])
            await manager.clear(ALPHA)
            await manager.remove(ALPHA)
            await manager.clear(BETA)
            await _until(lambda: BETA in heard)
            assert heard == [ALPHA, ALPHA, ALPHA, ALPHA, BETA]

        _run_hearing(new_manager, check)

    def test_changes_at_once_are_all_kept(self, new_manager: NewManager) -> None:
        async def check(manager: JobScheduleManager) -> None:
            names = [f"tests.jobs:Job{number}" for number in range(20)]
            await asyncio.gather(*(manager.replace(name, [HOURLY]) for name in names))
            assert sorted(entry.job_type for entry in await manager.all()) == sorted(names)

        _run(new_manager, check)

    def test_of_changes_of_one_version_at_once_one_is_accepted(self, new_manager: NewManager) -> None:
        async def check(manager: JobScheduleManager) -> None:
            first = await manager.replace(ALPHA, [HOURLY])
            changes = [
                manager.replace(ALPHA, [JobSchedule.every(timedelta(minutes=number))], expected_version=first.version)
                for number in range(1, 9)
            ]
            results = await asyncio.gather(*changes, return_exceptions=True)
            accepted = [result for result in results if not isinstance(result, BaseException)]
            assert [type(result) for result in results].count(ScheduleVersionError) == 7
            assert accepted == [await manager.get(ALPHA)]

        _run(new_manager, check)

    def test_a_change_by_another_is_seen_and_told_within_a_second(
        self, new_manager: NewManager, advance: Advance
    ) -> None:
        async def check(manager: JobScheduleManager, heard: list[str | None]) -> None:
            old = await manager.replace(ALPHA, [HOURLY])
            await _until(lambda: heard == [ALPHA])
            async with running(new_manager(LocalMessageBus())) as other:
                new = await other.replace(ALPHA, [NIGHTLY])
            await advance(1)
            await _until(lambda: len(heard) > 1)
            assert heard[1] in (ALPHA, None)
            assert await manager.get(ALPHA) == new
            with pytest.raises(ScheduleVersionError):
                await manager.replace(ALPHA, [], expected_version=old.version)

        _run_hearing(new_manager, check)

    def test_changes_by_two_are_both_kept(self, new_manager: NewManager) -> None:
        async def check(manager: JobScheduleManager) -> None:
            async with running(new_manager(LocalMessageBus())) as other:
                old = await manager.replace(ALPHA, [HOURLY])
                await other.replace(BETA, [HOURLY])
                new = await manager.replace(ALPHA, [NIGHTLY], expected_version=old.version)
                assert [entry.job_type for entry in await manager.all()] == [ALPHA, BETA]
                with pytest.raises(ScheduleVersionError):
                    await other.replace(ALPHA, [], expected_version=old.version)
                assert await other.get(ALPHA) == new

        _run(new_manager, check)


def _run(new_manager: NewManager, check: Callable[[JobScheduleManager], Awaitable[None]]) -> None:
    async def body() -> None:
        async with running(new_manager(LocalMessageBus())) as manager:
            await check(manager)

    asyncio.run(body())


def _run_hearing(
    new_manager: NewManager, check: Callable[[JobScheduleManager, list[str | None]], Awaitable[None]]
) -> None:
    async def body() -> None:
        bus = LocalMessageBus()
        heard: list[str | None] = []
        bus.subscribe(ScheduleChanged, lambda message: heard.append(message.job_type))
        async with running(new_manager(bus)) as manager:
            heard.clear()  # a start may say that all could have changed
            await check(manager, heard)

    asyncio.run(body())


async def _until(condition: Callable[[], bool], *, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # what is waited for tells nobody
            await asyncio.sleep(0.005)
