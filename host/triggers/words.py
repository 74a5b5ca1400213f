"""A schedule in words for people."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from host.model.schedules import IntervalMode, JobSchedule, ScheduleKind, Weekday
from host.triggers.checking import check_schedule, cron_expression, given_start, schedule_zone
from host.triggers.cron_words import cron_words, join_words
from host.triggers.zones import wall_of

_UNITS = (
    ("hour", timedelta(hours=1)),
    ("minute", timedelta(minutes=1)),
    ("second", timedelta(seconds=1)),
    ("millisecond", timedelta(milliseconds=1)),
    ("microsecond", timedelta(microseconds=1)),
)
_TWO_DAYS = timedelta(days=2)


def describe(schedule: JobSchedule, *, default_timezone: str) -> str:
    """Say when a schedule fires, e.g. ``at 03:00 on Monday and Tuesday, Europe/Prague``.

    A cron expression stands as it is written, with an explanation where one is certain. Raises
    InvalidScheduleError for a schedule that can never work.
    """
    check_schedule(schedule, default_timezone=default_timezone)
    zone = schedule_zone(schedule, default_timezone)
    parts = [_rule_words(schedule, zone)]
    start = given_start(schedule)
    shows_wall_time = schedule.kind is not ScheduleKind.INTERVAL or start is not None or schedule.stop is not None
    if shows_wall_time:
        parts.append(zone.key)
    if start is not None and schedule.kind is not ScheduleKind.ONCE:
        parts.append(f"from {_moment(start, zone)}")
    if schedule.stop is not None:
        parts.append(f"until {_moment(schedule.stop, zone)}")
    if schedule.max_count is not None:
        parts.append("one time" if schedule.max_count == 1 else f"at most {schedule.max_count} times")
    if schedule.jitter:
        parts.append(f"up to {duration_words(schedule.jitter)} later")
    return ", ".join(parts)


def duration_words(length: timedelta) -> str:
    """Say a positive length of time, e.g. ``1 hour 30 minutes``; days only from two whole ones on."""
    rest = length
    words = []
    if rest >= _TWO_DAYS:
        words.append(f"{rest.days} days")
        rest -= timedelta(days=rest.days)
    for name, unit in _UNITS:
        number, rest = divmod(rest, unit)
        if number:
            words.append(f"{number} {name}{'' if number == 1 else 's'}")
    return " ".join(words)


def _rule_words(schedule: JobSchedule, zone: ZoneInfo) -> str:
    if schedule.kind is ScheduleKind.INTERVAL:
        assert schedule.interval is not None
        length = duration_words(schedule.interval)
        if schedule.mode is IntervalMode.FIXED_DELAY:
            return f"{length} after the end of each run"
        return f"every {length.removeprefix('1 ') if ' ' not in length.removeprefix('1 ') else length}"
    if schedule.kind is ScheduleKind.CRON:
        text = " ".join(cron_expression(schedule).split())
        words = cron_words(text, schedule.dialect)
        return f"cron {text} ({words})" if words else f"cron {text}"
    assert schedule.start is not None
    if schedule.kind is ScheduleKind.ONCE:
        return f"once at {_moment(schedule.start, zone)}"
    days = [day for day in Weekday if day in schedule.days]
    on = "every day" if len(days) == len(Weekday) else f"on {join_words(days)}"
    return f"at {_time(wall_of(schedule.start, zone))} {on}"


def _moment(value: datetime, zone: ZoneInfo) -> str:
    wall = wall_of(value, zone)
    return f"{wall.date().isoformat()} {_time(wall)}"


def _time(wall: datetime) -> str:
    return wall.time().isoformat("microseconds" if wall.microsecond else "seconds" if wall.second else "minutes")
