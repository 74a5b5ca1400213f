"""Fire times that passed: the latest, the number, the latest few."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host.model.schedules import IntervalMode, JobSchedule
from host.triggers import Trigger, all_missed, build_trigger, latest_missed

NOW = datetime(2026, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
KINDS = [
    JobSchedule.every(timedelta(minutes=7)),
    JobSchedule.cron("*/5 1-3 * * *", timezone="Europe/Prague"),
    JobSchedule.cron("30 2 * * *", timezone="Europe/Prague"),
    JobSchedule.cron("* * 25 10 *", timezone="Europe/Prague"),
    JobSchedule.once(datetime(2026, 3, 29, 2, 30), timezone="Europe/Prague"),
]


def build(schedule: JobSchedule) -> Trigger:
    return build_trigger(schedule, job_id=UUID(int=1), default_timezone="UTC", effective_from=NOW)


@given(
    schedule=st.sampled_from(KINDS),
    start=st.timedeltas(timedelta(0), YEAR),
    length=st.timedeltas(timedelta(0), timedelta(days=3)),
    cap=st.integers(1, 40),
)
@settings(deadline=None, max_examples=80)
def test_both_agree_with_walking(schedule: JobSchedule, start: timedelta, length: timedelta, cap: int) -> None:
    trigger = build(schedule)
    after, now = NOW + start, NOW + start + length
    walked: list[datetime] = []
    moment = trigger.next_after(after)
    while moment is not None and moment <= now:
        walked.append(moment)
        moment = trigger.next_after(moment)
    latest, total, is_capped = latest_missed(trigger, after=after, now=now, cap=cap)
    assert latest == (walked[-1] if walked else None)
    assert (total, is_capped) == (min(len(walked), cap), len(walked) > cap)
    assert all_missed(trigger, after=after, now=now, limit=cap) == walked[-cap:]


def test_a_year_of_every_second_is_bounded_work() -> None:
    trigger = build(JobSchedule.cron("* * * * * *"))
    now = NOW + YEAR + timedelta(milliseconds=300)
    assert latest_missed(trigger, after=NOW, now=now) == (NOW + YEAR, 1000, True)
    assert all_missed(trigger, after=NOW, now=now, limit=3) == [NOW + YEAR - timedelta(seconds=2 - n) for n in range(3)]


def test_a_year_of_milliseconds_is_counted_by_division() -> None:
    trigger = build(JobSchedule.every(timedelta(milliseconds=1)))
    assert latest_missed(trigger, after=NOW, now=NOW + YEAR, cap=10**12) == (NOW + YEAR, 31_536_000_000, False)


@pytest.mark.parametrize("offset", [0, 1, 400, 999])
def test_the_latest_is_exact_to_the_microsecond(offset: int) -> None:
    trigger = build(JobSchedule.every(timedelta(milliseconds=1)))
    latest = NOW + timedelta(seconds=77)
    now = latest + timedelta(microseconds=offset)
    assert latest_missed(trigger, after=NOW, now=now, cap=5) == (latest, 5, True)
    assert all_missed(trigger, after=NOW, now=now, limit=2) == [latest - timedelta(milliseconds=1), latest]


def test_interval_counting_respects_the_stop() -> None:
    trigger = build(JobSchedule.every(timedelta(minutes=1), stop=NOW + timedelta(minutes=3)))
    assert latest_missed(trigger, after=NOW, now=NOW + YEAR) == (NOW + timedelta(minutes=2), 2, False)


@pytest.mark.parametrize("limit", [1, 5])
def test_a_fixed_delay_has_at_most_one(limit: int) -> None:
    minute = timedelta(minutes=1)
    trigger = build(JobSchedule.every(minute, mode=IntervalMode.FIXED_DELAY))
    now = NOW + timedelta(hours=1, seconds=30)
    assert latest_missed(trigger, after=NOW, now=now, last_end=NOW, fired=1) == (NOW + 60 * minute, 1, False)
    assert all_missed(trigger, after=NOW, now=now, limit=limit, last_end=NOW, fired=1) == [NOW + 60 * minute]
    assert latest_missed(trigger, after=NOW, now=now, last_end=None, fired=1) == (None, 0, False)


def test_nothing_is_missed_in_an_empty_span() -> None:
    trigger = build(JobSchedule.cron("0 * * * *"))
    assert latest_missed(trigger, after=NOW, now=NOW) == (None, 0, False)
    assert all_missed(trigger, after=NOW, now=NOW - YEAR, limit=5) == []
