"""Schedules as AMI shows them, and what becomes of a job's schedules when AMI replaces them.

SanteDB has intervals and calendars, with or without days. A schedule whose fire times it could not tell truly (cron,
fixed delay, a zone of its own, a limited count) is not shown. What only this host knows of a shown one (its id,
jitter, misfire policy, parameters) stays with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import NamedTuple

from host.errors import InvalidScheduleError, Problem, UnsupportedOperationError
from host.model.schedules import NO_START_YEAR, IntervalMode, JobSchedule, MisfirePolicy, ScheduleKind, Weekday
from host.santedb.ami.values import NO_START, AmiSchedule
from host.santedb.attributes import ATTRIBUTES, write_value
from host.santedb.durations import format_duration, parse_duration

MOST_SCHEDULES = 100
"""Schedules that one job may be given by a request."""
INTERVAL = "Interval"
SCHEDULED = "Scheduled"
_TYPES = {INTERVAL.casefold(): INTERVAL, SCHEDULED.casefold(): SCHEDULED}
_DAYS = {day.value: day for day in Weekday}
_WEEK = list(Weekday)


class Shown(NamedTuple):
    """The part of a job's schedules that AMI shows."""

    schedules: tuple[AmiSchedule, ...]
    hidden: int
    """How many it does not show."""


def show_schedules(schedules: Sequence[JobSchedule]) -> Shown:
    """Give what AMI shows of a job's schedules, in their order."""
    shown = tuple(_write(schedule) for schedule in schedules if _is_showable(schedule))
    return Shown(shown, len(schedules) - len(shown))


def read_schedules(given: Sequence[AmiSchedule], *, at_most: int = MOST_SCHEDULES) -> tuple[JobSchedule, ...]:
    """Give the schedules that AMI means; raises InvalidScheduleError with every problem found, or for too many."""
    if len(given) > at_most:
        raise InvalidScheduleError(f"{len(given):,} schedules for one job; at most {at_most} are taken")
    problems: list[Problem] = []
    schedules = []
    for number, schedule in enumerate(given, 1):
        try:
            schedules.append(_read(schedule))
        except ValueError as error:
            problems.append(Problem(message=str(error), where=f"schedule {number}"))
    if problems:
        raise InvalidScheduleError("the schedules cannot be used", problems=problems)
    return tuple(schedules)


def merge_schedules(
    given: Sequence[AmiSchedule] | None, present: Sequence[JobSchedule]
) -> tuple[JobSchedule, ...] | None:
    """Give the schedules a job has after AMI replaced what it shows of ``present`` by ``given``; None for no change.

    No list at all clears everything, also what AMI does not show. Otherwise what is not shown stays, and so does all
    that this host knows of a shown schedule that is given again. Raises InvalidScheduleError.
    """
    if given is None:
        return () if present else None
    wanted = read_schedules(given, at_most=max(MOST_SCHEDULES, len(present)))
    shown = [schedule for schedule in present if _is_showable(schedule)]
    if wanted == tuple(map(_as_shown, shown)):
        return None
    known = list(shown)
    merged = [_take(known, schedule) for schedule in wanted]
    return (*merged, *(schedule for schedule in present if not _is_showable(schedule)))


def send_schedules(schedules: Sequence[JobSchedule]) -> tuple[AmiSchedule, ...]:
    """Give the schedules as a client sends them to a server that knows intervals and calendars alone.

    An instant has an offset, never ``Z``: SanteDB would take that for the hour on its wall. Raises
    UnsupportedOperationError with a problem for everything that AMI has no word for; ``UNSENDABLE`` names those.
    """
    problems = [
        Problem(message=f"AMI has no word for {said}", where=f"schedule {number}")
        for number, schedule in enumerate(schedules, 1)
        for said, is_meant in UNSENDABLE.values()
        if is_meant(schedule)
    ]
    if len(schedules) > MOST_SCHEDULES:
        problems.append(Problem(message=f"{len(schedules):,} schedules for one job; at most {MOST_SCHEDULES} are sent"))
    if problems:
        raise UnsupportedOperationError("SanteDB cannot keep these schedules", hint=SENDABLE, problems=problems)
    return tuple(map(_send, schedules))


SENDABLE = "it knows intervals, days of the week at a time of day, and single dates, each with start and stop"
UNSENDABLE: Mapping[str, tuple[str, Callable[[JobSchedule], bool]]] = MappingProxyType(
    {
        "cron": ("cron expressions", lambda each: each.kind is ScheduleKind.CRON),
        "fixed_delay": ("a delay from end to start", lambda each: each.mode is not IntervalMode.FIXED_RATE),
        "timezone": ("a time zone", lambda each: each.timezone is not None),
        "max_count": ("a number of runs", lambda each: each.max_count is not None),
        "jitter": ("jitter", lambda each: bool(each.jitter)),
        "misfire": ("a misfire policy", lambda each: each.misfire is not MisfirePolicy.LATEST),
        "misfire_window": ("a misfire window", lambda each: each.misfire_window is not None),
        "parameters": ("parameters of a schedule", lambda each: each.parameters is not None),
        "id": ("a schedule's own id", lambda each: each.id is not None),
    }
)
"""What a schedule may say here and not there: ``{option: (in words, whether a schedule says it)}``."""


def _send(schedule: JobSchedule) -> AmiSchedule:
    return _write(replace(schedule, start=_with_offset(schedule.start), stop=_with_offset(schedule.stop)))


def _with_offset(instant: datetime | None) -> datetime | None:
    if instant is None or instant.tzname() != "UTC":
        return instant
    return instant.replace(tzinfo=_NO_OFFSET)


_NO_OFFSET = timezone(timedelta(0), "+00:00")


def _is_showable(schedule: JobSchedule) -> bool:
    is_never = schedule.kind is ScheduleKind.ONCE and (schedule.start is None or schedule.start.year == NO_START_YEAR)
    return (
        schedule.kind is not ScheduleKind.CRON
        and not is_never
        and schedule.mode is IntervalMode.FIXED_RATE
        and schedule.timezone is None
        and schedule.max_count is None
    )


def _as_shown(schedule: JobSchedule) -> JobSchedule:
    return _read(_write(schedule))


def _take(known: list[JobSchedule], wanted: JobSchedule) -> JobSchedule:
    """Take the schedule out of those known that is shown as this one, or give this one."""
    for schedule in known:
        if _as_shown(schedule) == wanted:
            known.remove(schedule)
            return schedule
    return wanted


def _write(schedule: JobSchedule) -> AmiSchedule:
    days = sorted(schedule.days, key=_WEEK.index)
    return AmiSchedule(
        type=INTERVAL if schedule.kind is ScheduleKind.INTERVAL else SCHEDULED,
        interval=None if schedule.interval is None else format_duration(schedule.interval),
        start=NO_START if schedule.start is None else write_value(schedule.start),
        stop=None if schedule.stop is None else write_value(schedule.stop),
        repeat=tuple(day.value for day in days) or None,
    )


def _read(given: AmiSchedule) -> JobSchedule:
    start = _read_instant("start", given.start or NO_START)
    stop = None if given.stop is None else _read_instant("stop", given.stop)
    if _type_of(given) == INTERVAL:
        if given.interval is None:
            raise ValueError("interval is missing; expected a duration such as PT12H")
        return JobSchedule(
            kind=ScheduleKind.INTERVAL,
            interval=_read_interval(given.interval),
            start=None if start.year == NO_START_YEAR else start,
            stop=stop,
        )
    if given.repeat:
        return replace(JobSchedule.weekly(map(_read_day, dict.fromkeys(given.repeat)), start), stop=stop)
    if start.year == NO_START_YEAR:
        raise ValueError("start is missing: without days to repeat on, it is the instant to run at")
    return JobSchedule(kind=ScheduleKind.ONCE, start=start, stop=stop)


def _type_of(given: AmiSchedule) -> str:
    if given.type is None:
        return SCHEDULED if given.interval is None else INTERVAL
    found = _TYPES.get(given.type.casefold())
    if found is None:
        raise ValueError(f"type is {given.type[:40]!r}; expected {SCHEDULED} or {INTERVAL}")
    return found


def _read_interval(text: str) -> timedelta:
    if not text.strip().startswith("P"):
        raise ValueError(f"interval is {text[:40]!r}; expected a duration such as PT12H or P1D")
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ValueError(f"interval is {text[:40]!r}; {error}") from error


def _read_instant(name: str, text: str) -> datetime:
    try:
        instant = ATTRIBUTES["start"].read(text)
    except ValueError as error:
        raise ValueError(f"{name} is {text[:40]!r}; {error}") from error
    assert isinstance(instant, datetime)
    return instant


def _read_day(name: str) -> Weekday:
    day = _DAYS.get(name)
    if day is None:
        raise ValueError(f"repeat holds {name[:40]!r}; expected days, Sunday to Saturday")
    return day
