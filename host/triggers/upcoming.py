"""The fire times to come of schedules in force, several together and each by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from uuid import UUID

from host.model.runs import JobRun
from host.model.schedules import IntervalMode, JobSchedule, ScheduleKind
from host.triggers.checking import given_start
from host.triggers.preview import FireTime, coming


@dataclass(frozen=True, slots=True, kw_only=True)
class NextFire:
    """What is known of a schedule's next fire time: when it is, or how soon, or that there is none.

    Nothing of the three: it waits for the end of a run.
    """

    at: datetime | None = None
    within: timedelta | None = None
    is_over: bool = False


def upcoming(
    schedules: Sequence[JobSchedule], *, job_id: UUID, default_timezone: str, after: datetime, count: int
) -> Sequence[FireTime]:
    """Give the first fire times of several schedules together, by time; as if they came into force at ``after``.

    Costs ``count`` fire times, and one of each schedule. Raises InvalidScheduleError.
    """
    each = [coming(schedule, job_id=job_id, default_timezone=default_timezone, after=after) for schedule in schedules]
    return tuple(islice(merge(*each, key=lambda time: time.fire_time), count))


def is_floating(schedule: JobSchedule) -> bool:
    """Say whether the fire times follow from when the schedule was first seen, or from the runs there were.

    Then ``next_fire`` needs the newest run of the schedule.
    """
    if schedule.kind is not ScheduleKind.INTERVAL:
        return False
    return given_start(schedule) is None or schedule.mode is IntervalMode.FIXED_DELAY


def next_fire(
    schedule: JobSchedule, *, job_id: UUID, default_timezone: str, now: datetime, newest: JobRun | None
) -> NextFire:
    """Give what is known of the next fire time; ``newest`` is the newest run that the schedule caused, if any."""
    after = _counted_from(schedule, newest, now) if is_floating(schedule) else now
    if after is None:
        return NextFire(within=schedule.interval if schedule.mode is IntervalMode.FIXED_RATE else None)
    times = upcoming([schedule], job_id=job_id, default_timezone=default_timezone, after=after, count=1)
    return NextFire(at=times[0].fire_time) if times else NextFire(is_over=True)


def _counted_from(schedule: JobSchedule, newest: JobRun | None, now: datetime) -> datetime | None:
    if newest is None or not schedule.interval:
        return None
    if schedule.mode is IntervalMode.FIXED_DELAY:
        return newest.finished_at
    last = newest.fire_time
    return last + (now - last) // schedule.interval * schedule.interval if last else None
