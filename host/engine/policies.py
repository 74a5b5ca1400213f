"""Decisions without side effects: which missed fire times run, and when a failed run is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from host.model.jobs import RetryPolicy
from host.model.runs import RunReason
from host.model.schedules import JobSchedule, MisfirePolicy
from host.triggers.missed import all_missed, latest_missed
from host.triggers.trigger import Trigger

MISSED_CAP = 1000
"""Missed fire times are counted up to this many."""
ALL_WINDOW = timedelta(days=1)
"""How far back policy ALL looks unless the schedule says otherwise."""
ALL_LIMIT = 100
"""Policy ALL fires at most this many at once."""
LONGEST_WAIT = timedelta(days=36_500)
"""A run waits no longer than this to be tried again, whatever was asked: the calendar ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fire:
    """One fire time to record."""

    fire_time: datetime
    missed: int = 0
    skip: RunReason | None = None


def decide_missed(
    schedule: JobSchedule, trigger: Trigger, *, after: datetime, now: datetime, until: datetime | None = None
) -> tuple[list[Fire], datetime | None]:
    """Decide what becomes of the fire times in ``(after, now]``; those after ``until`` are only recorded as skipped.

    Returns the fires, oldest first, and the latest fire time considered (None if there was none).
    """
    last = latest_missed(trigger, after=after, now=now, cap=1).latest
    if schedule.misfire_window is not None:
        after = max(after, now - schedule.misfire_window)
    end = now if until is None else min(now, until)
    latest, count, _ = latest_missed(trigger, after=after, now=end, cap=MISSED_CAP)
    if last is None:
        return [], None
    if latest is None or schedule.misfire is MisfirePolicy.SKIP:
        _, skipped, _ = latest_missed(trigger, after=after, now=now, cap=MISSED_CAP)
        return [Fire(fire_time=last, missed=max(0, skipped - 1), skip=RunReason.MISFIRE)], last
    if schedule.misfire is MisfirePolicy.LATEST:
        return [Fire(fire_time=latest, missed=count - 1)], last
    if schedule.misfire_window is None:
        after = max(after, end - ALL_WINDOW)
    return [Fire(fire_time=time) for time in all_missed(trigger, after=after, now=end, limit=ALL_LIMIT)], last


def retry_delay(policy: RetryPolicy, attempt: int, fraction: float) -> timedelta:
    """Give how long to wait after failed attempt ``attempt`` (from 1); ``fraction`` in [0, 1) is what the lot says.

    Never longer than the policy's longest wait, never shorter than what its jitter leaves.
    """
    longest = min(policy.longest, LONGEST_WAIT).total_seconds()
    try:
        seconds = min(longest, policy.delay.total_seconds() * policy.factor ** (attempt - 1))
    except OverflowError:
        seconds = longest
    return timedelta(seconds=seconds * (1 - policy.jitter * (1 - fraction)))
