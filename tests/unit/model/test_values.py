"""Values: ids that sort by time, states and their transitions, and the identity of schedules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import RFC_4122

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.model.ids import from_microseconds, to_microseconds, uuid7
from host.model.runs import ACTIVE_STATES, FINAL_STATES, TRANSITIONS, RunState
from host.model.schedules import IntervalMode, JobSchedule, MisfirePolicy, Weekday, schedule_ids, schedule_version

AT = datetime(2026, 1, 1, 3, tzinfo=UTC)
HOURLY = JobSchedule.every(timedelta(hours=1))
INSTANTS = st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC))


@given(INSTANTS)
def test_an_instant_survives_its_integer_form(instant: datetime) -> None:
    assert from_microseconds(to_microseconds(instant)) == instant


def test_an_instant_of_another_zone_is_the_same_instant() -> None:
    assert to_microseconds(AT.astimezone(timezone(timedelta(hours=5)))) == to_microseconds(AT)


@given(st.lists(st.integers(0, 2**47 * 1000 - 1), min_size=2, max_size=2), st.integers(0, 2**74 - 1))
def test_ids_sort_by_their_instant(instants: list[int], randomness: int) -> None:
    early, late = sorted(instants)
    first, second = uuid7(early, randomness), uuid7(late, 0)

    assert (first.version, first.variant) == (7, RFC_4122)
    assert first.int >> 64 <= second.int >> 64


def test_final_states_absorb_and_active_ones_do_not() -> None:
    for state in RunState:
        assert state.is_final is (not TRANSITIONS[state])
        assert state.is_active is (state in ACTIVE_STATES)
    assert not ACTIVE_STATES & FINAL_STATES


def test_every_state_can_be_reached_and_every_run_can_end() -> None:
    reached = {state for after in TRANSITIONS.values() for state in after}
    assert reached == set(RunState)

    ending = set(FINAL_STATES)
    for _ in RunState:
        ending |= {state for state, after in TRANSITIONS.items() if state is not None and after & ending}
    assert ending == set(RunState)


@pytest.mark.parametrize(
    "changed",
    [
        replace(HOURLY, interval=timedelta(hours=2)),
        replace(HOURLY, mode=IntervalMode.FIXED_DELAY),
        replace(HOURLY, start=AT),
        replace(HOURLY, stop=AT),
        replace(HOURLY, timezone="Europe/Prague"),
        replace(HOURLY, max_count=3),
        JobSchedule.cron("0 * * * *"),
        JobSchedule.weekly([Weekday.MONDAY], AT.time()),
        JobSchedule.once(AT),
    ],
)
def test_a_change_of_fire_times_is_another_version_and_another_schedule(changed: JobSchedule) -> None:
    assert schedule_version(changed) != schedule_version(HOURLY)
    assert schedule_ids("a:B", [changed]) != schedule_ids("a:B", [HOURLY])


@pytest.mark.parametrize(
    "changed",
    [
        replace(HOURLY, parameters={"a": 1}),
        replace(HOURLY, jitter=timedelta(seconds=5)),
        replace(HOURLY, misfire=MisfirePolicy.ALL),
        replace(HOURLY, misfire_window=timedelta(hours=1)),
    ],
)
def test_a_change_of_anything_else_is_not(changed: JobSchedule) -> None:
    assert schedule_version(changed) == schedule_version(HOURLY)
    assert schedule_ids("a:B", [changed]) == schedule_ids("a:B", [HOURLY])


def test_an_explicit_id_names_a_schedule_over_changes() -> None:
    named = replace(HOURLY, id="nightly")
    changed = replace(named, interval=timedelta(hours=2))

    assert schedule_ids("a:B", [named]) == schedule_ids("a:B", [changed])
    assert schedule_ids("a:B", [named]) != schedule_ids("a:C", [named])
    assert schedule_version(named) != schedule_version(changed)


def test_equal_schedules_of_one_job_are_told_apart_by_their_order() -> None:
    first, other, second = schedule_ids("a:B", [HOURLY, JobSchedule.once(AT), HOURLY])

    assert len({first, other, second}) == 3
    assert schedule_ids("a:B", [HOURLY]) == (first,)


def test_days_are_kept_once_and_in_order() -> None:
    schedule = JobSchedule.weekly([Weekday.FRIDAY, Weekday.MONDAY, Weekday.FRIDAY], AT.time())

    assert schedule.days == (Weekday.MONDAY, Weekday.FRIDAY)
