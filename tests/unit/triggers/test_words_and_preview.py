"""Schedules as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from uuid import UUID

import pytest

from host.errors import InvalidScheduleError
from host.model.schedules import IntervalMode, JobSchedule, ScheduleKind, Weekday
from host.triggers import FireTime, describe, preview

MINUTE = timedelta(minutes=1)
DAY = datetime(2026, 5, 1, 10)
WORKDAYS = [Weekday.TUESDAY, Weekday.MONDAY]


def words(schedule: JobSchedule) -> str:
    return describe(schedule, default_timezone="Europe/Prague")


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (JobSchedule.every(5 * MINUTE), "every 5 minutes"),
        (JobSchedule.every(60 * MINUTE), "every hour"),
        (JobSchedule.every(90 * MINUTE), "every 1 hour 30 minutes"),
        (JobSchedule.every(timedelta(days=1)), "every 24 hours"),
        (JobSchedule.every(timedelta(days=30)), "every 30 days"),
        (JobSchedule.every(timedelta(milliseconds=1500)), "every 1 second 500 milliseconds"),
        (JobSchedule.every(MINUTE, mode=IntervalMode.FIXED_DELAY), "1 minute after the end of each run"),
        (JobSchedule.every(MINUTE, start=DAY), "every minute, Europe/Prague, from 2026-05-01 10:00"),
        (JobSchedule.every(MINUTE, start=datetime(1, 1, 1)), "every minute"),
        (JobSchedule.weekly(WORKDAYS, time(3)), "at 03:00 on Monday and Tuesday, Europe/Prague"),
        (JobSchedule.weekly(list(Weekday), time(3, 0, 5)), "at 03:00:05 every day, Europe/Prague"),
        (
            JobSchedule.weekly(WORKDAYS, DAY.replace(tzinfo=UTC), stop=datetime(2027, 1, 1), max_count=3),
            "at 12:00 on Monday and Tuesday, Europe/Prague, from 2026-05-01 12:00, until 2027-01-01 00:00, "
            "at most 3 times",
        ),
        (JobSchedule.once(DAY, timezone="UTC"), "once at 2026-05-01 10:00, UTC"),
        (JobSchedule.once(DAY.replace(tzinfo=UTC)), "once at 2026-05-01 12:00, Europe/Prague"),
        (
            JobSchedule(kind=ScheduleKind.INTERVAL, interval=MINUTE, jitter=MINUTE / 2, max_count=1),
            "every minute, one time, up to 30 seconds later",
        ),
        (
            JobSchedule.cron("0 3 * * *", max_count=9),
            "cron 0 3 * * * (at 03:00 every day), Europe/Prague, at most 9 times",
        ),
    ],
)
def test_words(schedule: JobSchedule, expected: str) -> None:
    assert words(schedule) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("* * * * *", "every minute"),
        ("*/5 * * * *", "every 5 minutes"),
        ("*/7 * * * *", None),
        ("*/60 * * * *", None),
        ("*/10 * * * * *", "every 10 seconds"),
        ("0 */5 * * * *", "every 5 minutes"),
        ("5 */5 * * * *", None),
        ("@hourly", "every hour"),
        ("30 * * * *", "every hour at minute 30"),
        ("0 */2 * * *", "every 2 hours"),
        ("0 */5 * * *", None),
        ("30 3 * * *", "at 03:30 every day"),
        ("0,30 3,4 * * *", "at 03:00, 03:30, 04:00 and 04:30 every day"),
        ("0 9-17 * * 1-5", "every hour from 09:00 to 17:00 on Monday to Friday"),
        ("0 22-2 * * *", None),
        ("* 3 * * *", None),
        ("0 3 * * 0,6", "at 03:00 on Sunday and Saturday"),
        ("0 3 * * 5#3", "at 03:00 on the third Friday of the month"),
        ("0 3 * * L5", "at 03:00 on the last Friday of the month"),
        ("0 3 1,15 * *", "at 03:00 on days 1 and 15 of the month"),
        ("0 3 L * *", "at 03:00 on the last day of the month"),
        ("0 3 L,15 * *", None),
        ("0 3 15W * *", None),
        ("0 3 13 * 5", None),
        ("@yearly", "at 00:00 on day 1 of the month in January"),
        ("*/5 * * 6-8 *", "every 5 minutes in June to August"),
        ("H H * * *", None),
    ],
)
def test_cron_is_explained_where_it_is_certain(expression: str, expected: str | None) -> None:
    explained = f" ({expected})" if expected else ""
    assert words(JobSchedule.cron(expression)) == f"cron {expression}{explained}, Europe/Prague"


def test_words_for_the_impossible_are_refused() -> None:
    with pytest.raises(InvalidScheduleError):
        words(JobSchedule.cron("0 0 31 2 *"))


def show(schedule: JobSchedule, after: datetime, count: int) -> list[tuple[str, str | None]]:
    found = preview(schedule, job_id=UUID(int=1), default_timezone="Europe/Prague", after=after, count=count)
    assert [shown.fire_time for shown in found] == [shown.local.astimezone(UTC) for shown in found]
    return [(shown.local.isoformat(timespec="minutes"), shown.note) for shown in found]


SPRING = datetime(2026, 3, 28, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 24, 12, tzinfo=UTC)


def test_preview_tells_of_the_gap() -> None:
    assert show(JobSchedule.cron("30 2 * * *"), SPRING, 3) == [
        ("2026-03-28T02:30+01:00", None),
        ("2026-03-29T03:00+02:00", "02:30 does not exist on this day (clocks go forward); runs at 03:00"),
        ("2026-03-30T02:30+02:00", None),
    ]


def test_preview_tells_of_the_fold() -> None:
    assert show(JobSchedule.weekly(list(Weekday), time(2, 30)), AUTUMN, 2) == [
        ("2026-10-25T02:30+02:00", "02:30 occurs twice on this day (clocks go back); runs at the first"),
        ("2026-10-26T02:30+01:00", None),
    ]
    hourly = show(JobSchedule.cron("30 * * * *"), datetime(2026, 10, 25, tzinfo=UTC), 3)
    twice = "02:30 occurs twice on this day (clocks go back); runs at both"
    assert hourly == [
        ("2026-10-25T02:30+02:00", twice),
        ("2026-10-25T02:30+01:00", twice),
        ("2026-10-25T03:30+01:00", None),
    ]


@pytest.mark.parametrize(
    ("expression", "note"),
    [
        ("0,30 2 * * *", "02:00 and 02:30 do not exist on this day (clocks go forward); runs once at 03:00"),
        ("* 2 * * *", "02:00 and more do not exist on this day (clocks go forward); runs once at 03:00"),
        ("0 3 * * *", None),
        ("0 * * * *", None),
    ],
)
def test_preview_names_what_falls_in_the_gap(expression: str, note: str | None) -> None:
    shown = show(JobSchedule.cron(expression), datetime(2026, 3, 29, 0, 59, tzinfo=UTC), 1)
    assert shown == [("2026-03-29T03:00+02:00", note)]


def test_preview_names_a_whole_day_that_is_missing() -> None:
    (shown,) = show(
        JobSchedule.once(datetime(2011, 12, 30, 9), timezone="Pacific/Apia"), datetime(2011, 12, 1, tzinfo=UTC), 5
    )
    assert shown[1] == "2011-12-30 09:00 does not exist on this day (clocks go forward); runs at 00:00"


def test_preview_keeps_count_and_limits() -> None:
    assert len(show(JobSchedule.every(MINUTE, max_count=3), SPRING, 10)) == 3
    assert show(JobSchedule.every(MINUTE), SPRING, 0) == []
    assert show(JobSchedule.every(MINUTE), SPRING, 1) == [("2026-03-28T01:01+01:00", None)]


def test_preview_of_a_fixed_delay_knows_only_the_first() -> None:
    found = preview(
        JobSchedule.every(MINUTE, mode=IntervalMode.FIXED_DELAY),
        job_id=UUID(int=1),
        default_timezone="UTC",
        after=SPRING,
        count=5,
    )
    note = "each later one follows the end of the run before it"
    assert found == (FireTime(fire_time=SPRING + MINUTE, local=SPRING + MINUTE, note=note),)
