"""Schedules over AMI: each form both ways, and what a replacement keeps of what SanteDB cannot show."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.errors import InvalidScheduleError
from host.model.jobs import JobParameter
from host.model.runs import RunState
from host.model.schedules import IntervalMode, JobSchedule, MisfirePolicy, ScheduleKind, Weekday
from host.santedb.ami.parameters import TYPE_NAMES, parameter_type, show_parameters, values_for
from host.santedb.ami.schedules import merge_schedules, read_schedules, show_schedules
from host.santedb.ami.states import AMI_STATES, ENDED_STATES, FROM_AMI, TO_AMI
from host.santedb.ami.values import AmiParameter, AmiSchedule

HOURLY = JobSchedule.every(timedelta(hours=1))
NIGHTLY = JobSchedule.cron("0 3 * * *")
MONDAYS = JobSchedule.weekly([Weekday.MONDAY], time(4))
OURS = [
    NIGHTLY,
    JobSchedule.every(timedelta(hours=1), mode=IntervalMode.FIXED_DELAY),
    JobSchedule.weekly([Weekday.MONDAY], time(4), timezone="Europe/Prague"),
    JobSchedule.every(timedelta(hours=1), max_count=3),
    JobSchedule.once(datetime(1, 1, 1)),
]
EVERY_HOUR = AmiSchedule(type="Interval", interval="PT1H", start="0001-01-01T00:00:00")


def read_one(**members: Any) -> JobSchedule:
    (schedule,) = read_schedules([AmiSchedule(**members)])
    return schedule


def problem_of(**members: Any) -> str:
    with pytest.raises(InvalidScheduleError) as caught:
        read_one(**members)
    (problem,) = caught.value.problems
    return str(problem)


# The forms that SanteDB's clients send


@pytest.mark.parametrize("interval", ["P30D", "P7D", "P2D", "P1D", "PT12H", "PT6H", "PT3H", "PT1H", "PT30M", "PT15M"])
def test_an_interval_of_the_admin_page_is_read(interval: str) -> None:
    assert show_schedules([read_one(type="Interval", interval=interval)]).schedules == (
        AmiSchedule(type="Interval", interval=interval, start="0001-01-01T00:00:00"),
    )


def test_a_calendar_of_the_admin_page_is_an_instant_with_days() -> None:
    schedule = read_one(type="Scheduled", start="2026-01-27T04:00:00.000Z", repeat=("Tuesday", "Monday"))
    assert schedule == JobSchedule.weekly([Weekday.MONDAY, Weekday.TUESDAY], datetime(2026, 1, 27, 4, tzinfo=UTC))


def test_a_calendar_without_days_runs_once() -> None:
    assert read_one(type="Scheduled", start="2026-01-27T04:00:00-05:00") == JobSchedule.once(
        datetime(2026, 1, 27, 4, tzinfo=timezone(timedelta(hours=-5)))
    )


def test_a_calendar_in_year_one_carries_a_time_of_day() -> None:
    assert read_one(type="scheduled", start="0001-01-01T04:00:00", repeat=("Monday",)) == MONDAYS


def test_an_interval_keeps_start_and_stop() -> None:
    schedule = read_one(type="interval", interval="PT1H", start="2026-01-01T00:00:00", stop="2027-01-01T00:00:00")
    assert schedule == JobSchedule.every(timedelta(hours=1), start=datetime(2026, 1, 1), stop=datetime(2027, 1, 1))


def test_seven_digits_of_a_second_are_read() -> None:
    read = read_one(type="Interval", interval="PT1H", start="2026-01-01T00:00:00.1234567Z")
    assert read.start == datetime(2026, 1, 1, 0, 0, 0, 123456, UTC)


def test_a_missing_type_follows_from_the_interval() -> None:
    assert read_one(interval="PT1H") == HOURLY


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"type": "Cron"}, "expected Scheduled or Interval"),
        ({"type": "Interval"}, "interval is missing"),
        ({"type": "Interval", "interval": "30"}, "expected a duration such as PT12H"),
        ({"type": "Interval", "interval": "P1M"}, "expected a duration such as"),
        ({"type": "Interval", "interval": "PT1H", "stop": "soon"}, "stop is 'soon'"),
        ({"type": "Scheduled"}, "start is missing"),
        ({"type": "Scheduled", "start": "2026-02-30T00:00:00"}, "exist"),
        ({"type": "Scheduled", "start": "2026-02-01T00:00:00", "repeat": ("Mondag",)}, "Sunday to Saturday"),
    ],
)
def test_what_cannot_be_a_schedule_is_told(members: dict[str, Any], said: str) -> None:
    told = problem_of(**members)
    assert said in told
    assert "schedule 1" in told


# What is shown


def test_a_schedule_that_santedb_cannot_tell_truly_is_not_shown() -> None:
    shown = show_schedules([*OURS, HOURLY])
    assert shown.schedules == (EVERY_HOUR,)
    assert shown.hidden == len(OURS)


def test_what_does_not_change_fire_times_does_not_hide_a_schedule() -> None:
    schedule = JobSchedule(
        kind=ScheduleKind.INTERVAL, interval=timedelta(hours=1), misfire=MisfirePolicy.SKIP, id="a", parameters={"n": 1}
    )
    assert show_schedules([schedule]).schedules == (EVERY_HOUR,)


instants = st.datetimes(datetime(2, 1, 1), datetime(9990, 1, 1), timezones=st.sampled_from([None, UTC])).map(
    lambda at: at.replace(fold=0)
)
durations = st.timedeltas(timedelta(microseconds=1), timedelta(days=99_999))
shown_schedules = st.one_of(
    st.builds(JobSchedule.every, durations, start=st.none() | instants, stop=st.none() | instants),
    st.builds(JobSchedule.weekly, st.sets(st.sampled_from(list(Weekday)), min_size=1), instants),
    st.builds(JobSchedule.once, instants),
)


@given(st.lists(shown_schedules, max_size=4))
def test_what_is_shown_is_read_back_as_it_was(schedules: list[JobSchedule]) -> None:
    shown = show_schedules(schedules)
    assert shown.hidden == 0
    assert read_schedules(shown.schedules) == tuple(schedules)
    assert merge_schedules(shown.schedules, schedules) is None


# What a replacement does


def test_a_list_equal_to_what_is_shown_changes_nothing() -> None:
    present = [NIGHTLY, MONDAYS, HOURLY]
    assert merge_schedules(show_schedules(present).schedules, present) is None
    assert merge_schedules([], OURS) is None


def test_a_different_list_replaces_what_is_shown_and_keeps_the_rest() -> None:
    assert merge_schedules([EVERY_HOUR], [NIGHTLY, MONDAYS]) == (HOURLY, NIGHTLY)


def test_an_empty_list_takes_away_what_is_shown_and_keeps_the_rest() -> None:
    assert merge_schedules([], [NIGHTLY, MONDAYS]) == (NIGHTLY,)


def test_more_schedules_than_anybody_needs_are_refused() -> None:
    many = [AmiSchedule(type="Interval", interval=f"PT{minutes}M") for minutes in range(1, 102)]

    with pytest.raises(InvalidScheduleError, match="101 schedules for one job; at most 100"):
        merge_schedules(many, [])
    # As many as there are already may be sent back.
    stored = read_schedules(many, at_most=101)
    assert merge_schedules(many, stored) is None
    assert len(merge_schedules(many[1:], stored) or ()) == 100


def test_no_list_clears_everything() -> None:
    assert merge_schedules(None, [NIGHTLY, MONDAYS]) == ()
    assert merge_schedules(None, []) is None


def test_a_schedule_given_again_keeps_what_only_this_host_knows_of_it() -> None:
    ours = JobSchedule(kind=ScheduleKind.INTERVAL, interval=timedelta(hours=1), jitter=timedelta(minutes=5), id="a")
    monday = AmiSchedule(type="Scheduled", start="0001-01-01T04:00:00", repeat=("Monday",))
    assert merge_schedules([monday, EVERY_HOUR], [ours, NIGHTLY]) == (MONDAYS, ours, NIGHTLY)


def test_the_same_instant_in_another_offset_is_the_same_schedule() -> None:
    present = [JobSchedule.once(datetime(2026, 1, 1, 12, tzinfo=UTC))]
    assert merge_schedules([AmiSchedule(type="Scheduled", start="2026-01-01T13:00:00+01:00")], present) is None


def test_two_equal_schedules_stay_two() -> None:
    assert merge_schedules([EVERY_HOUR, EVERY_HOUR], [HOURLY, HOURLY]) is None
    assert merge_schedules([EVERY_HOUR], [HOURLY, HOURLY]) == (HOURLY,)


# States and parameters


def test_both_tables_of_states_are_total() -> None:
    assert TO_AMI.keys() == set(RunState)
    assert FROM_AMI.keys() == set(AMI_STATES)
    assert {shown for shown in TO_AMI.values() if shown} <= set(AMI_STATES)
    assert {RunState.COMPLETED, RunState.FAILED, RunState.QUARANTINED, RunState.CANCELLED} == ENDED_STATES


def test_every_type_of_parameter_has_a_dotnet_name_and_comes_back() -> None:
    assert {kind: parameter_type(name) for kind, name in TYPE_NAMES.items()} == {kind: kind for kind in TYPE_NAMES}
    assert show_parameters([]) is None


DECLARED = (JobParameter("viewName", str), JobParameter("n", int, default=1))


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ([("n", 2), ("viewName", "x")], {"n": 2, "viewName": "x"}),
        ([("viewName", None)], {}),
        ([("_", "x"), ("_", 2)], {"viewName": "x", "n": 2}),
        ([("0", "x")], {"viewName": "x"}),
        ([(None, None), (None, 2)], {"n": 2}),
        ([("n", 1), ("n", 2)], {"viewName": 1, "n": 2}),
        ([("viewName", "x"), ("other", 2)], {"viewName": "x", "n": 2}),
        ([("_", 1), ("_", 2), ("_", 3)], [1, 2, 3]),
        ([], {}),
    ],
)
def test_values_go_by_name_only_where_every_name_is_declared(given: list[tuple[str | None, Any]], meant: Any) -> None:
    values = [AmiParameter(name=name, value=value) for name, value in given]
    assert values_for(values, DECLARED) == meant
