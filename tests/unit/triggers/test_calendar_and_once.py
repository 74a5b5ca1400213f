"""Days of the week at a time of day, and single dates."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, timezone
from uuid import UUID

import pytest

from host.model.schedules import JobSchedule, Weekday
from host.triggers import Trigger, build_trigger

NOW = datetime(2026, 3, 1, tzinfo=UTC)
EVERY_DAY = tuple(Weekday)
MINUS_FIVE = timezone(timedelta(hours=-5))


def build(schedule: JobSchedule, effective_from: datetime = NOW, zone: str = "Europe/Prague") -> Trigger:
    return build_trigger(schedule, job_id=UUID(int=1), default_timezone=zone, effective_from=effective_from)


def take(trigger: Trigger, count: int, after: datetime = NOW) -> list[str]:
    found: list[str] = []
    moment = trigger.next_after(after)
    while moment is not None and len(found) < count:
        found.append(moment.strftime("%m-%dT%H:%M:%S"))
        moment = trigger.next_after(moment)
    return found


def test_days_are_days_of_the_schedules_zone() -> None:
    trigger = build(JobSchedule.weekly([Weekday.MONDAY, Weekday.TUESDAY], time(0, 30)))
    assert take(trigger, 3) == ["03-01T23:30:00", "03-02T23:30:00", "03-08T23:30:00"]


def test_a_start_with_offset_is_converted_to_the_schedules_zone() -> None:
    start = datetime(2026, 3, 2, 23, 0, tzinfo=MINUS_FIVE)  # 05:00 on Tuesday in Prague
    trigger = build(JobSchedule.weekly([Weekday.TUESDAY, Weekday.WEDNESDAY], start))
    assert take(trigger, 3) == ["03-03T04:00:00", "03-04T04:00:00", "03-10T04:00:00"]


def test_a_start_in_year_one_is_a_bare_time_of_day() -> None:
    bare = build(JobSchedule.weekly(EVERY_DAY, datetime(1, 1, 1, 3)))
    offset = build(JobSchedule.weekly(EVERY_DAY, datetime(1, 1, 1, 3, tzinfo=MINUS_FIVE)))
    assert take(bare, 2) == take(offset, 2) == ["03-01T02:00:00", "03-02T02:00:00"]


def test_the_start_is_inclusive() -> None:
    trigger = build(JobSchedule.weekly(EVERY_DAY, datetime(2026, 3, 5, 3, 0, 0, 500)))
    assert trigger.next_after(NOW) == datetime(2026, 3, 5, 2, 0, 0, 500, tzinfo=UTC)


def test_the_time_of_day_is_kept_when_clocks_change() -> None:
    trigger = build(JobSchedule.weekly(EVERY_DAY, time(2, 30)))
    spring = take(trigger, 3, datetime(2026, 3, 28, tzinfo=UTC))
    autumn = take(trigger, 3, datetime(2026, 10, 24, tzinfo=UTC))
    assert spring == ["03-28T01:30:00", "03-29T01:00:00", "03-30T00:30:00"]
    assert autumn == ["10-24T00:30:00", "10-25T00:30:00", "10-26T01:30:00"]


def test_once_fires_once() -> None:
    trigger = build(JobSchedule.once(datetime(2026, 5, 1, 10)))
    assert take(trigger, 5) == ["05-01T08:00:00"]
    assert take(build(JobSchedule.once(datetime(2026, 5, 1, 10, tzinfo=UTC))), 5) == ["05-01T10:00:00"]


def test_once_in_the_past_never_fires() -> None:
    assert build(JobSchedule.once(datetime(2025, 5, 1, 10))).next_after(datetime(2020, 1, 1, tzinfo=UTC)) is None


def test_once_at_the_instant_it_came_into_force_fires() -> None:
    assert build(JobSchedule.once(NOW)).next_after(NOW - timedelta(microseconds=1)) == NOW


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (datetime(2026, 3, 29, 2, 30), "03-29T01:00:00"),
        (datetime(2026, 10, 25, 2, 30), "10-25T00:30:00"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "10-25T01:30:00"),
    ],
)
def test_once_keeps_the_rule_and_an_offset_names_the_instant(start: datetime, expected: str) -> None:
    assert take(build(JobSchedule.once(start)), 2) == [expected]
