"""What makes a schedule one that can work, checked before it is stored or run."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from host.errors import InvalidScheduleError
from host.model.schedules import NO_START_YEAR, JobSchedule, ScheduleKind
from host.triggers.cron import cron_rule
from host.triggers.zones import instant_of, zone_of

SHORTEST_INTERVAL = timedelta(milliseconds=1)
_ANY_JOB = UUID(int=0)
_ZERO = timedelta(0)


def check_schedule(schedule: JobSchedule, *, default_timezone: str) -> None:
    """Raise InvalidScheduleError if the schedule can never work, for whatever job."""
    zone = schedule_zone(schedule, default_timezone)
    if schedule.kind is ScheduleKind.INTERVAL:
        _check_interval(schedule)
    elif schedule.kind is ScheduleKind.CALENDAR:
        _check_calendar(schedule)
    elif schedule.kind is ScheduleKind.CRON:
        cron_rule(cron_expression(schedule), dialect=schedule.dialect, job_id=_ANY_JOB)
    elif given_start(schedule) is None:
        raise InvalidScheduleError(
            "a schedule of kind once needs a start with a date", hint='e.g. start="2026-05-01T10:00:00"'
        )
    _check_limits(schedule, zone)


def schedule_zone(schedule: JobSchedule, default_timezone: str) -> ZoneInfo:
    """Give the zone a schedule is read in; raises InvalidScheduleError if it is unknown."""
    return zone_of(default_timezone if schedule.timezone is None else schedule.timezone)


def given_start(schedule: JobSchedule) -> datetime | None:
    """Give ``start`` if it sets a first allowed instant, else None."""
    return None if schedule.start is None or schedule.start.year == NO_START_YEAR else schedule.start


def cron_expression(schedule: JobSchedule) -> str:
    """Give the expression of a cron schedule; raises InvalidScheduleError if there is none."""
    if not schedule.expression or schedule.expression.isspace():
        raise InvalidScheduleError("a cron schedule needs an expression", hint='e.g. expression="0 3 * * *"')
    return schedule.expression


def _check_interval(schedule: JobSchedule) -> None:
    if schedule.interval is None:
        raise InvalidScheduleError("an interval schedule needs an interval", hint="e.g. 5 minutes")
    if schedule.interval < SHORTEST_INTERVAL:
        raise InvalidScheduleError(
            f"an interval of {schedule.interval / timedelta(seconds=1):g} s is too short; "
            "expected one millisecond or more",
            hint="an interval is a positive length of time",
        )


def _check_calendar(schedule: JobSchedule) -> None:
    if not schedule.days:
        raise InvalidScheduleError(
            "a calendar schedule needs at least one day of the week",
            hint='e.g. days="Monday Tuesday"; for a single date use kind once',
        )
    if schedule.start is None:
        raise InvalidScheduleError(
            "a calendar schedule needs a start, whose time of day it runs at",
            hint='e.g. start="0001-01-01T03:00:00" for 03:00 without a first day',
        )


def _check_limits(schedule: JobSchedule, zone: ZoneInfo) -> None:
    start = given_start(schedule)
    if schedule.stop is not None and schedule.stop.year == NO_START_YEAR:
        raise InvalidScheduleError(
            "stop is in year 1, so the schedule never fires", hint="leave stop out for a schedule without an end"
        )
    if start and schedule.stop and instant_of(schedule.stop, zone) <= instant_of(start, zone):
        raise InvalidScheduleError(
            f"stop {schedule.stop.isoformat(' ')} is not after start {start.isoformat(' ')}; "
            "expected a first forbidden instant later than the first allowed one",
            hint=f"without an offset both are wall time in {zone.key}",
        )
    if schedule.max_count is not None and schedule.max_count < 1:
        raise InvalidScheduleError(
            f"max_count is {schedule.max_count}; expected 1 or more", hint="leave it out for no limit"
        )
    for name, length in (("jitter", schedule.jitter), ("misfire_window", schedule.misfire_window)):
        if length is not None and length < _ZERO:
            raise InvalidScheduleError(
                f"{name} is {length / timedelta(seconds=1):g} s; expected zero or more", hint="write a length of time"
            )
