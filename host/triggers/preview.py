"""The next fire times of a schedule as a person reads them, with what the clocks do to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import count as numbers
from itertools import islice
from uuid import UUID

from host.model.schedules import JobSchedule
from host.triggers.building import build_trigger
from host.triggers.checking import schedule_zone
from host.triggers.interval import FixedDelayTrigger
from host.triggers.trigger import MICROSECOND, Trigger
from host.triggers.walls import WallTrigger
from host.triggers.zones import offset_of, offsets

_NAMED_TIMES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FireTime:
    """One fire time to come."""

    fire_time: datetime
    """UTC."""
    local: datetime
    """The same instant in the schedule's zone."""
    note: str | None = None
    """What is out of the ordinary about it."""


def preview(
    schedule: JobSchedule, *, job_id: UUID, default_timezone: str, after: datetime, count: int
) -> tuple[FireTime, ...]:
    """Give the next fire times strictly later than ``after``, at most ``count``, oldest first.

    The schedule is read as one that came into force at ``after``. Of a fixed-delay interval only the first is
    known. Raises InvalidScheduleError.
    """
    return tuple(islice(coming(schedule, job_id=job_id, default_timezone=default_timezone, after=after), count))


def coming(schedule: JobSchedule, *, job_id: UUID, default_timezone: str, after: datetime) -> Iterator[FireTime]:
    """Give the fire times that ``preview`` gives, one after another, each reckoned when it is asked for."""
    trigger = build_trigger(schedule, job_id=job_id, default_timezone=default_timezone, effective_from=after)
    zone = schedule_zone(schedule, default_timezone)
    moment: datetime | None = after
    for fired in numbers():
        moment = trigger.next_after(moment, fired=fired) if moment is not None else None
        if moment is None:
            return
        yield FireTime(fire_time=moment, local=moment.astimezone(zone), note=_note(trigger, moment))


def _note(trigger: Trigger, fire_time: datetime) -> str | None:
    if isinstance(trigger, FixedDelayTrigger):
        return "each later one follows the end of the run before it"
    if not isinstance(trigger, WallTrigger):
        return None
    local = fire_time.astimezone(trigger.zone)
    wall = local.replace(tzinfo=None, fold=0)
    first, second = offsets(wall, trigger.zone)
    if first > second:
        which = "both" if trigger.rule.runs_every_hour else "the first"
        return f"{wall.time().isoformat(_unit(wall))} occurs twice on this day (clocks go back); runs at {which}"
    before = (fire_time - MICROSECOND).astimezone(trigger.zone)
    if offset_of(before) < offset_of(local) and not trigger.rule.runs_every_hour:
        return _gap_note(trigger, before.replace(tzinfo=None, fold=0) + MICROSECOND, wall)
    return None


def _gap_note(trigger: WallTrigger, begin: datetime, end: datetime) -> str | None:
    missing: list[datetime] = []
    wall = trigger.rule.next_wall(begin, inclusive=True)
    while wall is not None and wall < end and len(missing) <= _NAMED_TIMES:
        missing.append(wall)
        wall = trigger.rule.next_wall(wall)
    if not missing:
        return None
    times = [_time_text(wall, end) for wall in missing]
    at = end.time().isoformat(_unit(end))
    if len(times) == 1:
        return f"{times[0]} does not exist on this day (clocks go forward); runs at {at}"
    names = f"{times[0]} and more" if len(times) > _NAMED_TIMES else f"{', '.join(times[:-1])} and {times[-1]}"
    return f"{names} do not exist on this day (clocks go forward); runs once at {at}"


def _time_text(wall: datetime, end: datetime) -> str:
    if wall.date() == end.date():
        return wall.time().isoformat(_unit(wall))
    return wall.isoformat(" ", _unit(wall))


def _unit(wall: datetime) -> str:
    return "seconds" if wall.second else "minutes"
