"""start, stop, max_count and effective_from, alike for every kind; and that every trigger is total."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from uuid import UUID

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from host.errors import InvalidScheduleError
from host.model.schedules import CronDialect, IntervalMode, JobSchedule, ScheduleKind, Weekday
from host.triggers import Trigger, build_trigger, jitter_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURLY = [
    JobSchedule.every(HOUR, start=NOW),
    JobSchedule.every(HOUR, start=NOW, mode=IntervalMode.FIXED_DELAY),
    JobSchedule.cron("0 * * * *", start=NOW),
    JobSchedule.cron("0 0,1,2,3,4,5 * * *", start=NOW),
]


def build(schedule: JobSchedule, effective_from: datetime = NOW - HOUR) -> Trigger:
    return build_trigger(schedule, job_id=UUID(int=1), default_timezone="UTC", effective_from=effective_from)


@pytest.mark.parametrize("schedule", HOURLY)
def test_start_is_the_first_allowed_instant_and_stop_the_first_forbidden(schedule: JobSchedule) -> None:
    limited = JobSchedule(**{name: getattr(schedule, name) for name in schedule.__slots__} | {"stop": NOW + 2 * HOUR})
    trigger = build(limited)
    assert trigger.next_after(NOW - 9 * HOUR) == NOW
    assert trigger.next_after(NOW) == NOW + HOUR
    assert trigger.next_after(NOW + HOUR) is None
    assert trigger.next_after(NOW + 9 * HOUR) is None


@pytest.mark.parametrize("schedule", HOURLY)
def test_nothing_fires_before_it_came_into_force(schedule: JobSchedule) -> None:
    in_force = NOW + 2 * HOUR
    first = build(schedule, in_force).next_after(NOW)
    assert first is not None
    assert first >= in_force


def test_an_instant_equal_to_effective_from_may_fire() -> None:
    assert build(JobSchedule.cron("0 * * * *"), NOW).next_after(NOW - timedelta(microseconds=1)) == NOW
    assert build(JobSchedule.cron("0 * * * *"), NOW).next_after(NOW) == NOW + HOUR


@pytest.mark.parametrize("schedule", HOURLY)
def test_max_count_ends_it(schedule: JobSchedule) -> None:
    limited = JobSchedule(**{name: getattr(schedule, name) for name in schedule.__slots__} | {"max_count": 2})
    trigger = build(limited)
    assert trigger.next_after(NOW, last_end=NOW, fired=1) == NOW + HOUR
    assert trigger.next_after(NOW, last_end=NOW, fired=2) is None


def test_naive_limits_are_wall_time_of_the_schedule() -> None:
    schedule = JobSchedule.cron(
        "0 * * * *", timezone="Europe/Prague", start=datetime(2026, 6, 1, 10), stop=datetime(2026, 6, 1, 12)
    )
    trigger = build(schedule)
    assert trigger.next_after(NOW) == datetime(2026, 6, 1, 8, tzinfo=UTC)
    assert trigger.next_after(datetime(2026, 6, 1, 9, tzinfo=UTC)) is None


def test_dotnet_extremes_are_no_limits() -> None:
    schedule = JobSchedule.every(HOUR, start=datetime(1, 1, 1), stop=datetime(9999, 12, 31, 23, 59, 59, 999999))
    trigger = build_trigger(schedule, job_id=UUID(int=1), default_timezone="America/New_York", effective_from=NOW)
    assert trigger.next_after(NOW) == NOW + HOUR


@given(st.uuids(), st.datetimes(timezones=st.just(UTC)), st.timedeltas(timedelta(0), timedelta(days=2)))
def test_jitter_is_bounded_and_repeatable(schedule_id: UUID, fire_time: datetime, jitter: timedelta) -> None:
    first = jitter_of(schedule_id, fire_time, jitter)
    assert timedelta(0) <= first <= jitter
    assert jitter_of(schedule_id, fire_time, jitter) == first


def test_jitter_differs_by_schedule_and_by_fire_time() -> None:
    minute = timedelta(minutes=1)
    assert len({jitter_of(UUID(int=number), NOW, minute) for number in range(50)}) == 50
    assert len({jitter_of(UUID(int=1), NOW + number * HOUR, minute) for number in range(50)}) == 50
    assert jitter_of(UUID(int=1), NOW, timedelta(0)) == timedelta(0)


ZONES = ["UTC", "Europe/Prague", "Pacific/Apia", "Australia/Lord_Howe", "Antarctica/Troll", "Africa/Casablanca"]
ZONES += ["America/Juneau", "Asia/Manila", "Africa/Monrovia", "Pacific/Kiritimati", "Etc/GMT+12"]
ANY_TIME = st.datetimes(timezones=st.none() | st.just(UTC))
CRONS = [
    "* * * * *",
    "*/7 * * * * *",
    "30 2 * * *",
    "0 0 29 2 *",
    "15 1-3 * * 0",
    "0 0 31 12 5",
    "@hourly",
    "H H L * *",
]

SCHEDULES = st.builds(
    JobSchedule,
    kind=st.sampled_from(ScheduleKind),
    interval=st.timedeltas(timedelta(milliseconds=1)),
    mode=st.sampled_from(IntervalMode),
    days=st.lists(st.sampled_from(Weekday), min_size=1).map(tuple),
    expression=st.sampled_from(CRONS),
    dialect=st.sampled_from(CronDialect),
    start=st.none() | ANY_TIME | st.times().map(lambda at: datetime.combine(datetime.min, at)),
    stop=st.none() | ANY_TIME,
    timezone=st.sampled_from(ZONES),
    max_count=st.none() | st.integers(1, 30),
)


@pytest.mark.slow
@given(
    schedule=SCHEDULES,
    effective_from=st.datetimes(timezones=st.just(UTC)),
    after=st.datetimes(timezones=st.just(UTC)),
    nudge=st.timedeltas(timedelta(0), timedelta(days=400)),
)
@settings(deadline=None, max_examples=250)
def test_every_trigger_is_total_and_strictly_increases(
    schedule: JobSchedule, effective_from: datetime, after: datetime, nudge: timedelta
) -> None:
    try:
        trigger = build(schedule, effective_from)
    except InvalidScheduleError:
        reject()
    first = moment = trigger.next_after(after)
    for fired in range(1, 20):
        if moment is None:
            break
        assert moment > after
        assert moment.tzinfo is UTC
        assert moment >= effective_from or moment.year <= 1
        last_end = moment if schedule.mode is IntervalMode.FIXED_DELAY else None
        after, moment = moment, trigger.next_after(moment, last_end=last_end, fired=fired)
    later = trigger.next_after(after + nudge) if after.year < 9990 else None
    assert first is None or later is None or later >= first


@given(
    after=st.datetimes(datetime(2011, 12, 25), datetime(2012, 1, 5), timezones=st.just(UTC)),
    schedule=st.sampled_from(
        [
            JobSchedule.weekly(list(Weekday), time(9), timezone="Pacific/Apia"),
            JobSchedule.cron("*/9 * * * *", timezone="Pacific/Apia"),
            JobSchedule.cron("15 9 30 12 *", timezone="Pacific/Apia"),
        ]
    ),
)
@settings(deadline=None)
def test_a_later_question_never_has_an_earlier_answer(after: datetime, schedule: JobSchedule) -> None:
    trigger = build(schedule, datetime(2000, 1, 1, tzinfo=UTC))
    answers = [trigger.next_after(after + minutes * timedelta(minutes=7)) for minutes in range(100)]
    assert None not in answers
    assert answers == sorted(answers)  # type: ignore[type-var]
