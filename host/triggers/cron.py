"""Cron expressions (crontab(5), with the additions of Quartz and Jenkins) as rules of wall time."""

from __future__ import annotations

from bisect import bisect_left
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

from host.errors import InvalidScheduleError
from host.model.schedules import CronDialect
from host.triggers.cron_days import CronDays
from host.triggers.cron_fields import FIELDS, FieldValues, is_hashed, read_field, resolve_hash
from host.triggers.walls import WallRule

MAX_LENGTH = 255
"""Longer expressions are refused unread."""
MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_SECOND = timedelta(seconds=1)


class CronRule(WallRule):
    """Names the wall times that match a cron expression. Immutable in effect; shared by all schedules with it."""

    __slots__ = ("_days", "_first", "_hours", "_minutes", "_seconds", "runs_every_hour")

    def __init__(
        self,
        seconds: tuple[int, ...],
        minutes: tuple[int, ...],
        hours: tuple[int, ...],
        days: CronDays,
        *,
        runs_every_hour: bool,
    ) -> None:
        self._seconds, self._minutes, self._hours = seconds, minutes, hours
        self._first = hours[0], minutes[0], seconds[0]
        self._days = days
        self.runs_every_hour = runs_every_hour

    def next_wall(self, wall: datetime, *, inclusive: bool = False) -> datetime | None:
        """Give the first matching wall time later than ``wall`` (or equal to it)."""
        if wall.microsecond or not inclusive:
            wall = wall.replace(microsecond=0) + _SECOND
        today = wall.year, wall.month, wall.day
        found = self._days.next_day(*today)
        if found == today:
            time = self._next_time(wall.hour, wall.minute, wall.second)
            if time is not None:
                return datetime(*today, *time)  # noqa: DTZ001  # wall time
            found = self._days.next_day(wall.year, wall.month, wall.day + 1)
        return None if found is None else datetime(*found, *self._first)  # noqa: DTZ001  # wall time

    def _next_time(self, hour: int, minute: int, second: int) -> tuple[int, int, int] | None:
        hours, minutes, seconds = self._hours, self._minutes, self._seconds
        at = bisect_left(hours, hour)
        if at < len(hours) and hours[at] == hour:
            of = bisect_left(minutes, minute)
            if of < len(minutes) and minutes[of] == minute:
                on = bisect_left(seconds, second)
                if on < len(seconds):
                    return hour, minute, seconds[on]
                of += 1
            if of < len(minutes):
                return hour, minutes[of], seconds[0]
            at += 1
        return (hours[at], minutes[0], seconds[0]) if at < len(hours) else None


def split_cron(expression: str) -> tuple[str, ...]:
    """Give the six fields of an expression, seconds first, in lower case, macros replaced.

    Raises InvalidScheduleError for one that is too long or has another number of fields.
    """
    if len(expression) > MAX_LENGTH:
        raise InvalidScheduleError(
            f"the cron expression has {len(expression):,} characters; at most {MAX_LENGTH} are read",
            hint="split it over several schedules",
        )
    text = " ".join(expression.lower().split())
    if text.startswith("@") and text not in MACROS:
        raise InvalidScheduleError(
            f"unknown cron macro {text!r}; expected one of {', '.join(MACROS)}",
            hint="a run at each start of the host is start type immediate" if text == "@reboot" else None,
        )
    fields = tuple(MACROS.get(text, text).split())
    if len(fields) not in {5, 6}:
        raise InvalidScheduleError(
            f"the cron expression {text!r} has {len(fields)} fields; "
            "expected minute hour day month weekday, with the second before them or not",
            hint="limit the years by start and stop" if len(fields) == 7 else None,
        )
    return fields if len(fields) == 6 else ("0", *fields)


def cron_rule(expression: str, *, dialect: CronDialect, job_id: UUID) -> CronRule:
    """Give the rule of an expression; equal ones share it.

    Raises InvalidScheduleError, also for one that matches no day of any year.
    """
    fields = _fields(expression)
    hour = fields[2]
    # The rule for days on which clocks change: single hours and lists of them are fixed times.
    runs_every_hour = "/" in hour if is_hashed(hour) else any(mark in hour for mark in "*-/")
    if any(map(is_hashed, fields)):
        fields = tuple(
            resolve_hash(field, text, job_id) if is_hashed(text) else text
            for field, text in zip(FIELDS, fields, strict=True)
        )
    return _rule(fields, dialect, runs_every_hour=runs_every_hour)


@lru_cache(maxsize=4096)
def _fields(expression: str) -> tuple[str, ...]:
    return split_cron(expression)


@lru_cache(maxsize=4096)
def _rule(fields: tuple[str, ...], dialect: CronDialect, *, runs_every_hour: bool) -> CronRule:
    read = [read_field(field, text, dialect) for field, text in zip(FIELDS, fields, strict=True)]
    seconds, minutes, hours = (part.values for part in read[:3])
    days = _days(read[3], read[4], read[5], dialect)
    return CronRule(seconds, minutes, hours, days, runs_every_hour=runs_every_hour)


@lru_cache(maxsize=4096)
def _days(days: FieldValues, months: FieldValues, weekdays: FieldValues, dialect: CronDialect) -> CronDays:
    found = CronDays(days, months, weekdays, dialect)
    if not found.is_possible():
        raise InvalidScheduleError(
            "the cron expression matches no day of any year; expected a day that some month has",
            hint="look at day of month and month, e.g. 31 in February",
        )
    return found
