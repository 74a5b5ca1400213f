"""The upstream's stored schedules."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from host.errors import ScheduleVersionError
from host.model.schedules import (
    CronDialect,
    IntervalMode,
    JobSchedule,
    MisfirePolicy,
    Weekday,
)
from plugins.upstream.tests.jobhost.desk import desk

RULES = (
    JobSchedule.every(timedelta(days=1, seconds=1, microseconds=5), mode=IntervalMode.FIXED_DELAY, max_count=4),
    JobSchedule.weekly([Weekday.SUNDAY, Weekday.FRIDAY], time(3, 30), timezone="Europe/Prague"),
    replace(
        JobSchedule.cron("0 0 3 * * MON#1", dialect=CronDialect.CIS),
        jitter=timedelta(seconds=9),
        misfire=MisfirePolicy.ALL,
        misfire_window=timedelta(hours=2),
        id="nightly ☃",
        stop=datetime(2030, 1, 1, tzinfo=UTC),
    ),
    replace(JobSchedule.once(datetime(2031, 5, 6, 7, 8, 9)), parameters={"whom": "nobody", "anything": [1, {}]}),
)


def test_every_kind_is_stored_as_it_is_given(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            greet = (await at.jobs.get_job("Greet")).job_type
            entry = await at.schedules.replace(greet, RULES, expected_version="")
            assert entry.schedules == RULES
            assert entry == await at.kit.schedules.get(greet) == await at.schedules.get(greet)
            assert list(await at.schedules.all()) == [entry]

    asyncio.run(check())


def test_entries_of_jobs_that_nobody_knows_are_kept_too(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            name = "SanteDB.Core.Jobs.Gone, SanteDB.Core"
            assert await at.schedules.get(name) is None
            entry = await at.schedules.replace(name, [JobSchedule.every(timedelta(hours=1))])
            assert await at.schedules.get(name) == entry == await at.kit.schedules.get(name)
            cleared = await at.schedules.clear(name, expected_version=entry.version)
            assert cleared.schedules == ()
            with pytest.raises(ScheduleVersionError):
                await at.schedules.remove(name, expected_version=entry.version)
            assert await at.schedules.remove(name, expected_version=cleared.version)
            assert not await at.schedules.remove(name)

    asyncio.run(check())


def test_more_entries_than_a_page_are_all_given(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            for number in range(3):
                await at.kit.schedules.replace(f"some.job:N{number}", [JobSchedule.every(timedelta(hours=1))])
            assert list(await at.schedules.all()) == list(await at.kit.schedules.all())

    asyncio.run(check())
