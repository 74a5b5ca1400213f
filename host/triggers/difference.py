"""What an edit of schedules does: the fire times that come in, and those that fall away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from host.model.schedules import JobSchedule
from host.triggers.preview import FireTime
from host.triggers.trigger import MICROSECOND
from host.triggers.upcoming import upcoming


@dataclass(frozen=True, slots=True, kw_only=True)
class FireDifference:
    """The fire times of some schedules in a span, held against those of others; oldest first."""

    added: tuple[FireTime, ...]
    dropped: tuple[FireTime, ...]
    kept: int
    """How many fire times both have."""
    until: datetime
    """Where the comparison ends: earlier than asked when one side has too many fire times."""


def fire_difference(
    before: Sequence[JobSchedule],
    after: Sequence[JobSchedule],
    *,
    job_id: UUID,
    default_timezone: str,
    since: datetime,
    until: datetime,
    at_most: int,
) -> FireDifference:
    """Compare the fire times later than ``since`` and not later than ``until``, of each side at most ``at_most``.

    Both sides are read as if they came into force at ``since``. Raises InvalidScheduleError.
    """
    sides = [
        upcoming(schedules, job_id=job_id, default_timezone=default_timezone, after=since, count=at_most + 1)
        for schedules in (before, after)
    ]
    # Invariant: both sides are known in full up to the end; none is told as added or dropped for want of room.
    end = min([until, *(side[at_most].fire_time - MICROSECOND for side in sides if len(side) > at_most)])
    old, new = ([time for time in side if time.fire_time <= end] for side in sides)
    return FireDifference(
        added=_without(new, old),
        dropped=_without(old, new),
        kept=(Counter(time.fire_time for time in old) & Counter(time.fire_time for time in new)).total(),
        until=end,
    )


def _without(times: Sequence[FireTime], others: Sequence[FireTime]) -> tuple[FireTime, ...]:
    left = Counter(time.fire_time for time in others)
    found = []
    for time in times:
        left[time.fire_time] -= 1
        if left[time.fire_time] < 0:
            found.append(time)
    return tuple(found)
