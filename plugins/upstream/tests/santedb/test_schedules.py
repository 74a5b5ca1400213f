"""Schedules of a SanteDB server: read and replaced as one list, under a version, nothing lost and nothing pretended."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from host.errors import (
    InvalidScheduleError,
    JobNotFoundError,
    ScheduleVersionError,
    UnsupportedOperationError,
    UpstreamUnavailableError,
)
from host.model.schedules import IntervalMode, JobSchedule, MisfirePolicy, Weekday
from host.santedb.ami.values import AmiSchedule
from plugins.upstream.tests.santedb.amikit import Upstream
from plugins.upstream.tests.santedb.icdr import Asked, Icdr, Reply, fault, interval
from plugins.upstream.tests.santedb.test_jobs import run

TWELVE = JobSchedule.every(timedelta(hours=12))
PRAGUE = timezone(timedelta(hours=1))
EVERY_KIND = (
    JobSchedule.every(timedelta(hours=12), start=datetime(2026, 1, 1), stop=datetime(2027, 1, 1, tzinfo=PRAGUE)),
    JobSchedule.weekly([Weekday.MONDAY, Weekday.SATURDAY], datetime(2026, 1, 1, 4, 0, tzinfo=UTC)),
    JobSchedule.weekly([Weekday.SUNDAY], datetime(1, 1, 1, 4, 30), stop=datetime(2027, 1, 1)),
    JobSchedule.once(datetime(2030, 1, 1, 12, 0)),
)
BASE = JobSchedule.every(timedelta(hours=1))
NO_WORDS = {
    "cron": JobSchedule.cron("0 3 * * *"),
    "fixed_delay": replace(BASE, mode=IntervalMode.FIXED_DELAY),
    "timezone": replace(BASE, timezone="Europe/Prague"),
    "max_count": replace(BASE, max_count=3),
    "jitter": replace(BASE, jitter=timedelta(seconds=5)),
    "misfire": replace(BASE, misfire=MisfirePolicy.ALL),
    "misfire_window": replace(BASE, misfire_window=timedelta(hours=1)),
    "parameters": replace(BASE, parameters={"a": 1}),
    "id": replace(BASE, id="nightly"),
}
"""By the option that it takes and AMI does not have."""


def test_schedules_in_each_of_santedbs_forms_are_read() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        days = ("Sunday", "Monday")
        icdr.add(
            1,
            schedule=(
                AmiSchedule(type="Scheduled", start="2026-01-01T04:00:00.1234567-05:00", repeat=days),
                AmiSchedule(type="Scheduled", start="2026-01-01T04:00:00Z", stop="2027-01-01T00:00:00"),
                interval("P1D"),
            ),
        )

        entry = await upstream.manager.get_job_schedules("Job 1")

        instant = datetime(2026, 1, 1, 9, 0, 0, 123456, tzinfo=UTC)
        assert entry.schedules == (
            JobSchedule.weekly([Weekday.SUNDAY, Weekday.MONDAY], instant),
            replace(JobSchedule.once(datetime(2026, 1, 1, 4, tzinfo=UTC)), stop=datetime(2027, 1, 1)),
            JobSchedule.every(timedelta(days=1)),
        )
        assert (entry.job_type, entry.source) == (f"santedb:{UUID(int=1)}", "upstream")
        assert entry == await upstream.schedules.get("Job 1") == (await upstream.schedules.all())[0]

    run(check)


def test_every_job_has_an_entry_without_schedules_an_empty_one() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1, schedule=None)
        icdr.add(2, schedule=(interval(),))

        entries = await upstream.schedules.all()

        assert [each.schedules for each in entries] == [(), (TWELVE,)]
        assert all(each.version for each in entries)
        assert await upstream.schedules.get("santedb:nobody") is None
        with pytest.raises(JobNotFoundError):
            await upstream.schedules.replace("santedb:nobody", [TWELVE])

    run(check)


def test_each_kind_is_sent_with_start_stop_and_an_offset_never_z() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1)

        entry = await upstream.manager.set_job_schedule("Job 1", EVERY_KIND)

        assert entry.schedules == EVERY_KIND
        assert await upstream.manager.get_job_schedules("Job 1") == entry
        (put,) = [each for each in icdr.asked if each.method == "PUT"]
        assert b"<stop>2027-01-01T00:00:00+01:00</stop>" in put.body
        assert b"<start>2026-01-01T04:00:00+00:00</start>" in put.body
        assert b"Z</st" not in put.body
        assert b"<name>Job 1</name>" in put.body

    run(check)


def test_a_change_made_by_one_provider_is_seen_by_the_other_at_once() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1)
        assert (await upstream.manager.get_job_schedules("Job 1")).schedules == ()
        await upstream.schedules.replace("Job 1", [TWELVE])
        assert (await upstream.manager.get_job_schedules("Job 1")).schedules == (TWELVE,)

    run(check)


def test_an_equal_list_sends_nothing() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1, schedule=(interval("PT720M"),))
        before = await upstream.schedules.get("Job 1")
        assert await upstream.schedules.replace("Job 1", [TWELVE]) == before
        assert icdr.paths("PUT") == []

    run(check)


def test_clearing_takes_all_schedules_also_one_that_makes_no_sense_here() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1, schedule=(interval("P1M"),))
        icdr.add(2, schedule=(interval(),))
        with pytest.raises(InvalidScheduleError, match="P1M"):
            await upstream.manager.get_job_schedules("Job 1")
        assert [each.job_type for each in await upstream.schedules.all()] == [f"santedb:{UUID(int=2)}"]

        assert (await upstream.manager.clear_job_schedule("Job 1")).schedules == ()
        assert icdr.jobs[str(UUID(int=1))].schedule is None

    run(check)


@pytest.mark.parametrize("option", NO_WORDS)
def test_a_schedule_that_ami_has_no_words_for_is_refused_and_changes_nothing(option: str) -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1)
        for change in (upstream.schedules.replace, upstream.manager.set_job_schedule):
            with pytest.raises(UnsupportedOperationError, match="intervals, days of the week") as caught:
                await change("Job 1", [TWELVE, NO_WORDS[option]])
            assert [problem.where for problem in caught.value.problems] == ["schedule 2"]
        assert icdr.asked == []

    run(check)


def test_a_schedule_that_can_never_work_is_refused_and_changes_nothing() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1)
        with pytest.raises(InvalidScheduleError):
            await upstream.schedules.replace("Job 1", [JobSchedule.every(timedelta(0))])
        assert icdr.asked == []

    run(check)


def test_the_version_that_was_read_is_accepted_and_another_is_not() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        job = icdr.add(1)
        first = await upstream.manager.get_job_schedules("Job 1")
        second = await upstream.schedules.replace("Job 1", [TWELVE], expected_version=first.version)
        assert second.version != first.version
        icdr.change(job, schedule=(interval("P7D"),))
        with pytest.raises(ScheduleVersionError):
            await upstream.manager.set_job_schedule("Job 1", [BASE], expected_version=second.version)
        with pytest.raises(ScheduleVersionError):
            await upstream.schedules.clear("Job 1", expected_version=second.version)
        assert icdr.jobs[str(job.id)].schedule == (interval("P7D"),)

    run(check)


def test_of_changes_of_one_version_at_once_one_is_accepted() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1)
        version = (await upstream.manager.get_job_schedules("Job 1")).version
        changes = [
            upstream.schedules.replace("Job 1", [JobSchedule.every(timedelta(hours=hours))], expected_version=version)
            for hours in range(1, 6)
        ]
        results = await asyncio.gather(*changes, return_exceptions=True)
        assert [type(each) for each in results].count(ScheduleVersionError) == 4

    run(check)


def test_what_the_upstream_did_not_keep_is_no_success() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1)
        icdr.most_schedules = 1  # its database keeps one schedule a job
        with pytest.raises(UnsupportedOperationError, match="kept 1 schedules, not the 2") as caught:
            await upstream.schedules.replace("Job 1", [TWELVE, BASE])
        assert "PT12H" in str(caught.value)
        assert (await upstream.manager.get_job_schedules("Job 1")).schedules == (TWELVE,)

    run(check)


def test_wall_time_that_comes_back_with_an_offset_is_a_success() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1)
        shown = AmiSchedule(type="Scheduled", start="2030-01-01T12:00:00+01:00")

        def as_local_time(asked: Asked) -> Reply | None:
            if asked.method != "PUT":
                return None
            icdr.change(icdr.jobs[str(UUID(int=1))], schedule=(shown,))
            return Reply(201, asked.body)

        icdr.hooks.append(as_local_time)
        entry = await upstream.schedules.replace("Job 1", [EVERY_KIND[3]])
        assert entry.schedules == (JobSchedule.once(datetime(2030, 1, 1, 12, tzinfo=PRAGUE)),)

    run(check)


def test_an_upstream_that_dies_between_reading_and_writing_has_changed_nothing() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1, schedule=(interval(),))
        icdr.dies_at = lambda asked: asked.method == "PUT"
        with pytest.raises(UpstreamUnavailableError):
            await upstream.schedules.replace("Job 1", [BASE])
        assert icdr.jobs[str(UUID(int=1))].schedule == (interval(),)
        with pytest.raises(UpstreamUnavailableError):  # nothing kept from before is shown
            await upstream.manager.get_job_schedules("Job 1")

    run(check)


def test_an_upstream_that_dies_after_it_acknowledged_is_believed() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1)
        icdr.dies_at = lambda asked: asked.method == "GET" and "PUT" in {each.method for each in icdr.asked}
        assert (await upstream.schedules.replace("Job 1", [BASE])).schedules == (BASE,)
        assert icdr.jobs[str(UUID(int=1))].schedule == (interval("PT1H"),)

    run(check)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (fault(400, "ArgumentException", "Key mismatch"), InvalidScheduleError),
        (fault(409, "PreconditionFailedException", "changed"), ScheduleVersionError),
        (fault(404, "KeyNotFoundException", "gone"), JobNotFoundError),
    ],
)
def test_a_refusal_of_schedules_is_told_as_such(reply: Reply, kind: type[Exception]) -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1)
        icdr.hooks.append(lambda asked: reply if asked.method == "PUT" else None)
        with pytest.raises(kind):
            await upstream.schedules.replace("Job 1", [BASE])

    run(check)
