"""Schedules that can never work are refused, and the message says what, what was expected, and a hint."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from host.errors import InvalidScheduleError
from host.model.schedules import JobSchedule, ScheduleKind, Weekday
from host.triggers import build_trigger, check_schedule

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = datetime(2026, 5, 1, 10)


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        (JobSchedule.every(HOUR, timezone="Europe/Prag"), "did you mean Europe/Prague"),
        (JobSchedule.every(HOUR, timezone="prague"), "did you mean Europe/Prague"),
        (JobSchedule.every(HOUR, timezone=""), "unknown time zone ''"),
        (JobSchedule.every(HOUR, timezone="../etc/passwd"), "expected an IANA name"),
        (JobSchedule.every(HOUR, timezone="Europe"), "unknown time zone 'Europe'"),
        (JobSchedule.every(HOUR, timezone="a\0b"), "unknown time zone"),
        (JobSchedule.every(timedelta(0)), "too short"),
        (JobSchedule.every(timedelta(microseconds=999)), "one millisecond or more"),
        (JobSchedule.every(-HOUR), "-3600 s is too short"),
        (JobSchedule(kind=ScheduleKind.INTERVAL), "needs an interval"),
        (JobSchedule.weekly([], DAY), "at least one day"),
        (JobSchedule(kind=ScheduleKind.CALENDAR, days=(Weekday.MONDAY,)), "needs a start"),
        (JobSchedule(kind=ScheduleKind.CRON), "needs an expression"),
        (JobSchedule(kind=ScheduleKind.ONCE), "needs a start"),
        (JobSchedule.once(datetime(1, 1, 1, 10)), "needs a start with a date"),
        (JobSchedule.every(HOUR, start=DAY, stop=DAY), "is not after start"),
        (JobSchedule.every(HOUR, start=DAY, stop=DAY.replace(hour=8, tzinfo=UTC)), "wall time in Europe/Prague"),
        (JobSchedule.every(HOUR, stop=datetime(1, 1, 1)), "stop is in year 1"),
        (JobSchedule.every(HOUR, max_count=0), "max_count is 0"),
        (JobSchedule(kind=ScheduleKind.INTERVAL, interval=HOUR, jitter=-HOUR), "jitter is -3600 s"),
        (JobSchedule(kind=ScheduleKind.INTERVAL, interval=HOUR, misfire_window=-HOUR), "misfire_window is -3600 s"),
    ],
)
def test_refused(schedule: JobSchedule, said: str) -> None:
    with pytest.raises(InvalidScheduleError) as caught:
        check_schedule(schedule, default_timezone="Europe/Prague")
    assert said in str(caught.value)
    assert caught.value.hint
    with pytest.raises(InvalidScheduleError):
        build_trigger(schedule, job_id=UUID(int=1), default_timezone="Europe/Prague", effective_from=NOW)


def test_an_unknown_default_zone_is_refused_where_it_is_used() -> None:
    with pytest.raises(InvalidScheduleError, match="Nowhere"):
        check_schedule(JobSchedule.every(HOUR), default_timezone="Nowhere")
    check_schedule(JobSchedule.every(HOUR, timezone="UTC"), default_timezone="Nowhere")


def test_stop_is_compared_as_an_instant() -> None:
    """09:00 UTC is 11:00 in Prague."""
    check_schedule(
        JobSchedule.every(HOUR, start=DAY, stop=DAY.replace(hour=9, tzinfo=UTC)), default_timezone="Europe/Prague"
    )
