"""The fire times to come of schedules in force, and what an edit of them changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from host.model.runs import JobRun, RunState
from host.model.schedules import IntervalMode, JobSchedule
from host.triggers import FireDifference, NextFire, fire_difference, is_floating, next_fire, upcoming

JOB = UUID(int=1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def a_run(*, fire_time: datetime | None = None, finished_at: datetime | None = None) -> JobRun:
    return JobRun(
        id=UUID(int=2),
        job_id=JOB,
        job_type="jobs:One",
        state=RunState.COMPLETED,
        fire_time=fire_time,
        created_at=NOW,
        updated_at=NOW,
        finished_at=finished_at,
    )


def the_next(schedule: JobSchedule, newest: JobRun | None = None, now: datetime = NOW) -> NextFire:
    return next_fire(schedule, job_id=JOB, default_timezone="UTC", now=now, newest=newest)


def difference(
    before: list[JobSchedule], after: list[JobSchedule], *, hours: int = 24, at_most: int = 100
) -> FireDifference:
    return fire_difference(
        before, after, job_id=JOB, default_timezone="UTC", since=NOW, until=NOW + hours * HOUR, at_most=at_most
    )


def test_several_schedules_are_merged_by_time() -> None:
    rules = [JobSchedule.cron("0 3 * * *"), JobSchedule.cron("0 2 * * *")]
    times = upcoming(rules, job_id=JOB, default_timezone="UTC", after=NOW, count=3)

    assert [time.fire_time for time in times] == [NOW + hours * HOUR for hours in (2, 3, 26)]


def test_only_intervals_that_hang_on_runs_float() -> None:
    assert is_floating(JobSchedule.every(HOUR))
    assert is_floating(JobSchedule.every(HOUR, mode=IntervalMode.FIXED_DELAY, start=NOW))
    assert not is_floating(JobSchedule.every(HOUR, start=NOW))
    assert not is_floating(JobSchedule.cron("@hourly"))


def test_an_interval_that_never_ran_is_only_known_to_come_within_its_length() -> None:
    assert the_next(JobSchedule.every(HOUR)) == NextFire(within=HOUR)
    assert the_next(JobSchedule.every(HOUR, mode=IntervalMode.FIXED_DELAY)) == NextFire()


def test_an_interval_is_counted_from_its_newest_fire_time() -> None:
    newest = a_run(fire_time=NOW - 7 * MINUTE)

    assert the_next(JobSchedule.every(10 * MINUTE), newest) == NextFire(at=NOW + 3 * MINUTE)
    assert the_next(JobSchedule.every(10 * MINUTE), newest, NOW + HOUR) == NextFire(at=NOW + HOUR + 3 * MINUTE)


def test_a_fixed_delay_is_counted_from_the_newest_end() -> None:
    schedule = JobSchedule.every(10 * MINUTE, mode=IntervalMode.FIXED_DELAY)

    assert the_next(schedule, a_run(finished_at=NOW - MINUTE)) == NextFire(at=NOW + 9 * MINUTE)
    assert the_next(schedule, a_run()) == NextFire()


def test_a_schedule_that_is_over_says_so() -> None:
    assert the_next(JobSchedule.once(NOW - HOUR)) == NextFire(is_over=True)


def test_an_edit_is_told_by_what_comes_in_and_falls_away() -> None:
    found = difference([JobSchedule.cron("0 3,4 * * *")], [JobSchedule.cron("0 4,5 * * *")])

    assert [time.fire_time for time in found.dropped] == [NOW + 3 * HOUR]
    assert [time.fire_time for time in found.added] == [NOW + 5 * HOUR]
    assert (found.kept, found.until) == (1, NOW + 24 * HOUR)


def test_two_schedules_at_one_instant_count_twice() -> None:
    twice = [JobSchedule.cron("0 3 * * *"), JobSchedule.cron("0 3 * * *")]
    found = difference(twice, twice[:1])

    assert ([time.fire_time for time in found.dropped], found.kept) == ([NOW + 3 * HOUR], 1)


def test_with_too_many_fire_times_the_comparison_ends_sooner() -> None:
    found = difference([JobSchedule.cron("* * * * *")], [JobSchedule.cron("*/2 * * * *")], at_most=10)

    assert NOW + 10 * MINUTE <= found.until < NOW + 11 * MINUTE
    assert [time.fire_time for time in found.dropped] == [NOW + minute * MINUTE for minute in (1, 3, 5, 7, 9)]
    assert (found.added, found.kept) == ((), 5)


MINUTES = st.lists(st.sampled_from([2, 3, 5, 7, 30]), max_size=3).map(
    lambda steps: [JobSchedule.cron(f"*/{step} * * * *") for step in steps]
)


@given(before=MINUTES, after=MINUTES, at_most=st.integers(1, 40))
def test_what_is_added_to_what_is_kept_is_the_new_side(
    before: list[JobSchedule], after: list[JobSchedule], at_most: int
) -> None:
    found = difference(before, after, hours=2, at_most=at_most)
    sides = [upcoming(side, job_id=JOB, default_timezone="UTC", after=NOW, count=1000) for side in (before, after)]
    old, new = (sorted(t.fire_time for t in side if t.fire_time <= found.until) for side in sides)

    assert found.kept + len(found.added) == len(new)
    assert found.kept + len(found.dropped) == len(old)
    assert sorted([*old, *(t.fire_time for t in found.added)]) == sorted([*new, *(t.fire_time for t in found.dropped)])
