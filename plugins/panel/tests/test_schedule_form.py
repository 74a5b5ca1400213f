"""Schedules as form fields and back."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as some

from host.errors import InvalidScheduleError
from host.model.schedules import CronDialect, IntervalMode, JobSchedule, MisfirePolicy, ScheduleKind, Weekday
from host.triggers import check_schedule
from host_panel.schedule_form import fields_of, read_form

ZONE = "Europe/Prague"
PRESENT = datetime(2026, 1, 1), datetime(2040, 1, 1)
DURATIONS = some.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(days=400))
MOMENTS = some.datetimes(*PRESENT) | some.datetimes(
    *PRESENT, timezones=some.sampled_from([UTC, timezone(timedelta(hours=-5))])
)
TIMES = some.builds(lambda at: datetime.combine(date.min, at), some.times())
NAMES = some.text("abcäß-_ 1", min_size=1, max_size=10).map(str.strip).filter(bool)
STARTS = {
    ScheduleKind.INTERVAL: some.none() | MOMENTS,
    ScheduleKind.CALENDAR: TIMES | MOMENTS,
    ScheduleKind.CRON: some.none() | MOMENTS,
    ScheduleKind.ONCE: MOMENTS,
}


@some.composite
def schedules(draw: some.DrawFn) -> JobSchedule:
    kind = draw(some.sampled_from(ScheduleKind))
    is_interval, is_cron = kind is ScheduleKind.INTERVAL, kind is ScheduleKind.CRON
    days = some.sets(some.sampled_from(Weekday), min_size=1).map(lambda found: [day for day in Weekday if day in found])
    return JobSchedule(
        kind=kind,
        interval=draw(DURATIONS) if is_interval else None,
        mode=draw(some.sampled_from(IntervalMode)) if is_interval else IntervalMode.FIXED_RATE,
        days=tuple(draw(days)) if kind is ScheduleKind.CALENDAR else (),
        expression=draw(some.sampled_from(["0 3 * * *", "*/5 * * * *", "@daily", "0 30 1 1 * *"])) if is_cron else None,
        dialect=draw(some.sampled_from(CronDialect)) if is_cron else CronDialect.UNIX,
        start=draw(STARTS[kind]),
        stop=draw(some.none() | some.datetimes(datetime(2041, 1, 1), datetime(2050, 1, 1))),
        timezone=draw(some.sampled_from([None, "America/New_York", "Asia/Kathmandu"])),
        max_count=draw(some.none() | some.integers(1, 10**9)),
        jitter=draw(some.just(timedelta(0)) | DURATIONS),
        misfire=draw(some.sampled_from(MisfirePolicy)),
        misfire_window=draw(some.none() | DURATIONS),
        parameters=draw(some.none() | some.dictionaries(NAMES, some.none() | some.integers() | NAMES, max_size=3)),
        id=draw(some.none() | NAMES),
    )


def is_possible(schedule: JobSchedule) -> bool:
    try:
        check_schedule(schedule, default_timezone=ZONE)
    except InvalidScheduleError:
        return False
    return True


@pytest.mark.slow
@given(schedules().filter(is_possible))
def test_what_is_shown_and_sent_unchanged_is_what_was_stored(schedule: JobSchedule) -> None:
    read = read_form(fields_of(schedule, ZONE), default_timezone=ZONE, kept=schedule, shown=schedule)

    assert read.errors == {}
    assert read.schedule == schedule


@pytest.mark.slow
@given(schedules().filter(is_possible))
def test_a_wall_time_copied_by_hand_means_the_same(schedule: JobSchedule) -> None:
    moments = [each for each in (schedule.start, schedule.stop) if each is not None]
    if any(each.tzinfo for each in moments):
        return  # an offset is shown as wall time of the zone, which only what was kept can tell apart in a fold
    read = read_form(fields_of(schedule, ZONE), default_timezone=ZONE)

    assert read.errors == {}
    assert read.schedule == schedule


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "interval", "interval_number": ""}, "interval_number"),
        ({"kind": "interval", "interval_number": "often", "interval_unit": "hours"}, "interval_number"),
        ({"kind": "interval", "interval_number": "-1", "interval_unit": "hours"}, "interval_number"),
        ({"kind": "interval", "interval_number": "0", "interval_unit": "hours"}, "interval_number"),
        ({"kind": "interval", "interval_number": "9e99", "interval_unit": "days"}, "interval_number"),
        ({"kind": "interval", "interval_number": "nan", "interval_unit": "days"}, "interval_number"),
        ({"kind": "calendar", "at": "03:00"}, "days"),
        ({"kind": "calendar", "days": "Monday"}, "at"),
        ({"kind": "calendar", "days": "Monday", "at": "25:00"}, "at"),
        ({"kind": "cron", "expression": ""}, "expression"),
        ({"kind": "cron", "expression": "61 * * * *"}, "expression"),
        ({"kind": "cron", "expression": "0 0 31 2 *"}, "expression"),
        ({"kind": "once"}, "once"),
        ({"kind": "once", "once": "soon"}, "once"),
        ({"kind": "odd"}, "kind"),
        ({"kind": "cron", "expression": "@daily", "timezone": "Mars/Base"}, "timezone"),
        ({"kind": "cron", "expression": "@daily", "max_count": "0"}, "max_count"),
        ({"kind": "cron", "expression": "@daily", "jitter": "x"}, "jitter"),
        ({"kind": "cron", "expression": "@daily", "parameters": "[1]"}, "parameters"),
        ({"kind": "cron", "expression": "@daily", "parameters": "{"}, "parameters"),
        ({"kind": "cron", "expression": "@daily", "stop": "never"}, "stop"),
    ],
)
def test_what_is_wrong_is_said_of_its_field(fields: dict[str, str], field: str) -> None:
    read = read_form(fields, default_timezone=ZONE)

    assert read.schedule is None
    assert field in read.errors


def test_a_time_without_a_date_is_of_any_day() -> None:
    fields = {"kind": "calendar", "days": "Monday Friday", "at": "23:30"}

    assert read_form(fields, default_timezone=ZONE).schedule == JobSchedule.weekly(
        [Weekday.MONDAY, Weekday.FRIDAY], time(23, 30)
    )
