"""Intervals: anchors, fixed rate, fixed delay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.model.schedules import IntervalMode, JobSchedule
from host.triggers import Trigger, build_trigger

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
FIVE = timedelta(minutes=5)
DELAY = IntervalMode.FIXED_DELAY


def build(schedule: JobSchedule, effective_from: datetime = NOW, zone: str = "Europe/Prague") -> Trigger:
    return build_trigger(schedule, job_id=UUID(int=1), default_timezone=zone, effective_from=effective_from)


def test_without_start_the_first_fire_is_one_interval_after_it_came_into_force() -> None:
    trigger = build(JobSchedule.every(FIVE))
    assert trigger.next_after(NOW) == NOW + FIVE
    assert trigger.next_after(NOW - timedelta(days=9)) == NOW + FIVE
    assert trigger.next_after(NOW + FIVE) == NOW + 2 * FIVE
    assert trigger.next_after(NOW + 7.5 * FIVE) == NOW + 8 * FIVE


def test_a_start_fires_itself_and_anchors_all_others() -> None:
    trigger = build(JobSchedule.every(FIVE, start=datetime(2026, 1, 1, 13, 2)))
    start = datetime(2026, 1, 1, 12, 2, tzinfo=UTC)
    assert trigger.next_after(NOW) == start
    assert trigger.next_after(start) == start + FIVE


def test_a_past_start_anchors_but_nothing_fires_before_it_came_into_force() -> None:
    trigger = build(JobSchedule.every(FIVE, start=datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=2)))
    assert trigger.next_after(datetime(2025, 1, 1, tzinfo=UTC)) == NOW + timedelta(minutes=2)


def test_a_start_in_year_one_is_no_anchor() -> None:
    trigger = build(JobSchedule.every(timedelta(days=1), start=datetime(1, 1, 1)))
    assert trigger.next_after(NOW) == NOW + timedelta(days=1)


def test_elapsed_time_ignores_the_clocks() -> None:
    start = datetime(2026, 3, 28, 2, 30)
    trigger = build(JobSchedule.every(timedelta(hours=24), start=start))
    first = trigger.next_after(NOW)
    assert first == datetime(2026, 3, 28, 1, 30, tzinfo=UTC)
    assert trigger.next_after(first) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


@given(
    interval=st.timedeltas(timedelta(milliseconds=1), timedelta(days=400)),
    offset=st.timedeltas(timedelta(0), timedelta(days=3000)),
)
def test_fixed_rate_is_the_next_multiple(interval: timedelta, offset: timedelta) -> None:
    found = build(JobSchedule.every(interval)).next_after(NOW + offset)
    assert found is not None
    assert (found - NOW) % interval == timedelta(0)
    assert timedelta(0) < found - (NOW + offset) <= interval


def test_fixed_delay_follows_the_end_of_the_run() -> None:
    trigger = build(JobSchedule.every(FIVE, mode=DELAY))
    assert trigger.next_after(NOW) == NOW + FIVE
    ended = NOW + FIVE + timedelta(minutes=3)
    assert trigger.next_after(NOW + FIVE, fired=1) is None
    assert trigger.next_after(NOW + FIVE, last_end=ended, fired=1) == ended + FIVE


def test_fixed_delay_begins_at_a_start_to_come() -> None:
    start = NOW + timedelta(hours=1)
    trigger = build(JobSchedule.every(FIVE, mode=DELAY, start=start))
    assert trigger.next_after(NOW) == start
    assert build(JobSchedule.every(FIVE, mode=DELAY, start=NOW - 3.3 * FIVE)).next_after(NOW) == NOW + FIVE


def test_a_skipped_fixed_delay_fire_is_followed_one_interval_later() -> None:
    trigger = build(JobSchedule.every(FIVE, mode=DELAY))
    assert trigger.next_after(NOW + FIVE, fired=0) == NOW + 2 * FIVE
    assert trigger.next_after(NOW + 3 * FIVE, last_end=NOW, fired=1) == NOW + 4 * FIVE


@pytest.mark.parametrize("mode", IntervalMode)
def test_an_interval_beyond_the_calendar_never_fires(mode: IntervalMode) -> None:
    trigger = build(JobSchedule.every(timedelta.max, mode=mode))
    assert trigger.next_after(NOW) is None
    assert trigger.next_after(NOW, last_end=NOW, fired=1) is None
