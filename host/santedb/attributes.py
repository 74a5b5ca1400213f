"""The attributes of a schedule in XML: which there are, whose they are, and how each is read and written."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from difflib import get_close_matches
from enum import StrEnum
from typing import NamedTuple, Never

from host.model.json import JsonObject
from host.model.schedules import CronDialect, IntervalMode, MisfirePolicy, ScheduleKind, Weekday
from host.santedb.durations import format_duration, parse_duration

MAX_INTERVAL_SECONDS = 2**31 - 1
"""SanteDB reads xs:int here; by a larger one it loses the whole file."""

_UTC_AS_OFFSET = timezone(timedelta(0), "+00:00")  # SanteDB: local time of a host in UTC, which is not its Z
_WHOLE_SECONDS = re.compile(r"\s*\d{1,10}\s*", re.ASCII)
_COUNT = re.compile(r"\s*\d{1,18}\s*", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_WEEKDAYS = {day.value: day for day in Weekday}


class Attribute(NamedTuple):
    """One attribute. ``read`` raises ValueError that says what was expected."""

    field: str
    """Field of JobSchedule."""
    read: Callable[[str], object]
    kind: ScheduleKind | None = None
    """The one kind it has a meaning for; None for all."""
    default: object = None
    """Not written when the field has this value."""


def write_value(value: object) -> str:
    """Give a field's value as an attribute's text; raises ValueError, TypeError or OverflowError if it has none."""
    match value:
        case timedelta():
            text = format_duration(value)
        case datetime():
            text = _format_instant(value)
        case tuple():
            text = " ".join(value)
        case Mapping():
            text = _format_object(value)
        case _:
            text = str(value)
    return parse_text(text)


def parse_whole_seconds(text: str) -> timedelta:
    """Read SanteDB's own form of an interval."""
    if not _WHOLE_SECONDS.fullmatch(text) or int(text) > MAX_INTERVAL_SECONDS:
        raise ValueError(
            f"expected whole seconds, at most {MAX_INTERVAL_SECONDS}; "
            'for another interval write <jh:add type="interval" interval="PT0.5S"/>'
        )
    return timedelta(seconds=int(text))


def parse_text(text: str) -> str:
    """Read text that is not empty."""
    if not text:
        raise ValueError("expected some text; leave the attribute out for none")
    return text


def _parse_instant(text: str) -> datetime:
    if not _INSTANT.fullmatch(text := text.strip()):
        raise ValueError(
            "expected a date and time such as 2026-01-31T23:00:00, for an instant with +01:00 or Z after it"
        )
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"expected a date and time that exist, but {error}") from error
    return instant.replace(tzinfo=_UTC_AS_OFFSET) if instant.tzinfo is UTC and text[-1] != "Z" else instant


def _format_instant(instant: datetime) -> str:
    offset = instant.utcoffset()
    if offset is not None and (offset % timedelta(minutes=1) or abs(offset) > timedelta(hours=14)):
        instant = instant.astimezone(UTC)  # xs:dateTime has no seconds in offsets, and none beyond 14 hours
    text = instant.replace(tzinfo=None).isoformat()
    text = text.rstrip("0") if instant.microsecond else text
    if offset is None:
        return text
    return text + ("Z" if instant.tzname() == "UTC" else instant.isoformat()[-6:])


def _parse_days(text: str) -> tuple[Weekday, ...]:
    for word in text.split():
        if word not in _WEEKDAYS:
            close = get_close_matches(word.capitalize(), _WEEKDAYS, n=1)
            meant = f"; did you mean {close[0]}?" if close else ""
            raise ValueError(f"expected names of days, Sunday to Saturday, with spaces between them{meant}")
    return tuple(_WEEKDAYS[word] for word in text.split())


def _parse_count(text: str) -> int:
    if not _COUNT.fullmatch(text):
        raise ValueError("expected a whole number such as 10")
    return int(text)


def _choice(kind: type[StrEnum]) -> Callable[[str], StrEnum]:
    def read(text: str) -> StrEnum:
        try:
            return kind(text.strip())
        except ValueError:
            raise ValueError(f"expected one of {', '.join(kind)}") from None

    return read


def _parse_object(text: str) -> JsonObject:
    try:
        value = json.loads(text, parse_constant=_refuse_number, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected a JSON object, but {error}") from error
    if not isinstance(value, dict):
        raise ValueError("""expected a JSON object such as '{"days": 30}'""")
    return value


def _format_object(value: JsonObject) -> str:
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except RecursionError as error:
        raise ValueError("expected JSON that is less deep") from error
    return text if text.isprintable() else json.dumps(value)


def _refuse_number(text: str) -> Never:
    raise ValueError(f"{text} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse_number(text)


ATTRIBUTES: Mapping[str, Attribute] = {
    "expression": Attribute("expression", parse_text, ScheduleKind.CRON),
    "dialect": Attribute("dialect", _choice(CronDialect), ScheduleKind.CRON, CronDialect.UNIX),
    "days": Attribute("days", _parse_days, ScheduleKind.CALENDAR, ()),
    "start": Attribute("start", _parse_instant),
    "stop": Attribute("stop", _parse_instant),
    "interval": Attribute("interval", parse_duration, ScheduleKind.INTERVAL),
    "id": Attribute("id", parse_text),
    "timezone": Attribute("timezone", parse_text),
    "mode": Attribute("mode", _choice(IntervalMode), ScheduleKind.INTERVAL, IntervalMode.FIXED_RATE),
    "max-count": Attribute("max_count", _parse_count),
    "jitter": Attribute("jitter", parse_duration, None, timedelta(0)),
    "misfire": Attribute("misfire", _choice(MisfirePolicy), None, MisfirePolicy.LATEST),
    "misfire-window": Attribute("misfire_window", parse_duration),
    "parameters": Attribute("parameters", _parse_object),
}
"""By name, in the order they are written, after ``type``."""

REQUIRED: Mapping[ScheduleKind, tuple[str, ...]] = {
    ScheduleKind.INTERVAL: ("interval",),
    ScheduleKind.CALENDAR: ("days", "start"),
    ScheduleKind.CRON: ("expression",),
    ScheduleKind.ONCE: ("start",),
}
