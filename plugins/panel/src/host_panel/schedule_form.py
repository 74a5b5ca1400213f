"""A schedule as the fields of a form, and back: what is shown and sent unchanged means what was stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import TypeVar
from zoneinfo import ZoneInfo

from host.errors import InvalidScheduleError
from host.model.json import JsonObject
from host.model.schedules import (
    NO_START_YEAR,
    CronDialect,
    IntervalMode,
    JobSchedule,
    MisfirePolicy,
    ScheduleKind,
    Weekday,
)
from host.triggers.checking import check_schedule, schedule_zone

T = TypeVar("T")

UNITS: Mapping[str, timedelta] = {
    "days": timedelta(days=1),
    "hours": timedelta(hours=1),
    "minutes": timedelta(minutes=1),
    "seconds": timedelta(seconds=1),
}
PRESETS: Mapping[str, str] = {
    "30 days": "30 days",
    "7 days": "weekly",
    "2 days": "48 hours",
    "1 days": "24 hours",
    "12 hours": "12 hours",
    "6 hours": "6 hours",
    "4 hours": "4 hours",
    "3 hours": "3 hours",
    "2 hours": "2 hours",
    "1 hours": "1 hour",
    "30 minutes": "30 min",
    "15 minutes": "15 min",
    "5 minutes": "5 min",
}
"""SanteDB's intervals: ``{number and unit: words}``."""
LONGEST_FIELD = 20_000
MOST_DIGITS = 15
"""Of a length of time, before the point."""
FIELDS = (
    *("kind", "interval_number", "interval_unit", "mode", "days", "at", "from", "expression", "dialect", "once"),
    *("timezone", "stop", "max_count", "jitter", "misfire", "window_number", "window_unit", "parameters", "id"),
)


class Wrong(Exception):  # noqa: N818  # a finding on its way to the field
    """What is wrong with one field."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field, self.message = field, message


@dataclass(slots=True)
class ReadForm:
    """What a form says."""

    schedule: JobSchedule | None
    """None if something is wrong."""
    errors: dict[str, str] = field(default_factory=dict)
    """``{field: what is wrong}``; what belongs to no field under the empty name."""


def fields_of(schedule: JobSchedule, default_timezone: str) -> dict[str, str]:
    """Give the text of each field."""
    zone = _zone(schedule, default_timezone)
    start = _wall(schedule.start, zone)
    number, unit = _parts(schedule.interval)
    window, window_unit = _parts(schedule.misfire_window)
    has_date = start is not None and start.year != NO_START_YEAR
    is_once = schedule.kind is ScheduleKind.ONCE
    return {
        "kind": str(schedule.kind),
        "interval_number": number,
        "interval_unit": unit or "hours",
        "mode": str(schedule.mode),
        "days": " ".join(schedule.days),
        "at": _time_text(start.time()) if start and not is_once else "",
        "from": start.date().isoformat() if start and has_date and not is_once else "",
        "expression": schedule.expression or "",
        "dialect": str(schedule.dialect),
        "once": _moment_text(start) if is_once else "",
        "timezone": schedule.timezone or "",
        "stop": _moment_text(_wall(schedule.stop, zone)),
        "max_count": "" if schedule.max_count is None else str(schedule.max_count),
        "jitter": _seconds(schedule.jitter) if schedule.jitter else "",
        "misfire": str(schedule.misfire),
        "window_number": window,
        "window_unit": window_unit or "hours",
        "parameters": ""
        if schedule.parameters is None
        else json.dumps(schedule.parameters, indent=2, ensure_ascii=False),
        "id": schedule.id or "",
    }


def read_form(
    given: Mapping[str, str],
    *,
    default_timezone: str,
    kept: JobSchedule | None = None,
    shown: JobSchedule | None = None,
) -> ReadForm:
    """Read the fields of a form.

    ``kept`` is the schedule that is edited and ``shown`` what the form showed of it, secrets hidden: an attribute whose
    fields came back as they were shown keeps its value, to the microsecond.
    """
    reader = _Reader(given, fields_of(shown, default_timezone) if shown else {}, kept)
    schedule = reader.schedule(default_timezone)
    if not reader.errors:
        try:
            check_schedule(schedule, default_timezone=default_timezone)
        except InvalidScheduleError as error:
            reader.errors[_field_of(schedule.kind, error)] = _told(error)
    return ReadForm(None if reader.errors else schedule, reader.errors)


class _Reader:
    def __init__(self, given: Mapping[str, str], shown: Mapping[str, str], kept: JobSchedule | None) -> None:
        self._given = {name: given.get(name, "").strip() for name in FIELDS}
        self._shown, self._kept = shown, kept
        self.errors: dict[str, str] = {}

    def schedule(self, default_timezone: str) -> JobSchedule:
        kind = self._take("kind", lambda: ScheduleKind(self._given["kind"]), ScheduleKind.INTERVAL)
        zone = self._take("timezone", lambda: self._named_zone(default_timezone), ZoneInfo("UTC"))
        is_same_kind = self._kept is not None and self._kept.kind is kind
        return JobSchedule(
            kind=kind,
            interval=self._of(
                kind, ScheduleKind.INTERVAL, lambda: self._duration("interval", "interval", is_needed=True)
            ),
            mode=self._of(kind, ScheduleKind.INTERVAL, lambda: self._choice("mode", IntervalMode))
            or IntervalMode.FIXED_RATE,
            days=self._of(kind, ScheduleKind.CALENDAR, self._days) or (),
            expression=self._of(kind, ScheduleKind.CRON, self._expression),
            dialect=self._of(kind, ScheduleKind.CRON, lambda: self._choice("dialect", CronDialect)) or CronDialect.UNIX,
            start=self._start(kind, zone, is_same_kind=is_same_kind),
            stop=self._kept_or("stop", ("stop", "timezone"), lambda: self._moment("stop")),
            timezone=self._given["timezone"] or None,
            max_count=self._kept_or("max_count", ("max_count",), lambda: self._whole("max_count")),
            jitter=self._kept_or("jitter", ("jitter",), self._jitter) or timedelta(0),
            misfire=self._choice("misfire", MisfirePolicy) or MisfirePolicy.LATEST,
            misfire_window=self._duration("misfire_window", "window", is_needed=False),
            parameters=self._kept_or("parameters", ("parameters",), self._parameters),
            id=self._given["id"] or None,
        )

    def _of(self, kind: ScheduleKind, wanted: ScheduleKind, read: Callable[[], T | None]) -> T | None:
        return read() if kind is wanted else None

    def _kept_or(self, attribute: str, names: tuple[str, ...], read: Callable[[], T]) -> T | None:
        """Give the attribute as it is stored where its fields came back unchanged."""
        if self._kept is not None and all(self._given[name] == self._shown.get(name, "").strip() for name in names):
            value: T | None = getattr(self._kept, attribute)
            return value
        return self._take(names[0], read, None)

    def _take(self, name: str, read: Callable[[], T], otherwise: T) -> T:
        try:
            return read()
        except Wrong as wrong:
            self.errors.setdefault(wrong.field, wrong.message)
        except (ValueError, OverflowError, InvalidOperation, InvalidScheduleError) as error:
            self.errors.setdefault(name, _told(error))
        return otherwise

    def _start(self, kind: ScheduleKind, zone: ZoneInfo, *, is_same_kind: bool) -> datetime | None:
        names = ("once", "timezone") if kind is ScheduleKind.ONCE else ("at", "from", "timezone")
        if is_same_kind:
            return self._kept_or("start", names, lambda: self._new_start(kind))
        return self._take(names[0], lambda: self._new_start(kind), None)

    def _new_start(self, kind: ScheduleKind) -> datetime | None:
        if kind is ScheduleKind.ONCE:
            moment = self._moment("once")
            if moment is None:
                raise Wrong("once", "say when it shall run")
            return moment
        at, day = self._given["at"], self._given["from"]
        if kind is ScheduleKind.CALENDAR and not at:
            raise Wrong("at", "say at what time of day it shall run")
        if not at and not day:
            return None
        clock = _read("at", at, time.fromisoformat, "expected a time like 03:30") if at else time()
        first = _read("from", day, date.fromisoformat, "expected a date like 2026-11-21") if day else date.min
        if first == date.min and kind is not ScheduleKind.CALENDAR:
            raise Wrong("from", "give the date as well, or leave the time out")
        return datetime.combine(first, clock)

    def _named_zone(self, default_timezone: str) -> ZoneInfo:
        name = self._given["timezone"] or default_timezone
        return schedule_zone(JobSchedule(kind=ScheduleKind.ONCE, timezone=name), default_timezone)

    def _moment(self, name: str) -> datetime | None:
        text = self._given[name]
        return (
            _read(name, text, datetime.fromisoformat, "expected a date and time like 2026-11-21T03:30")
            if text
            else None
        )

    def _duration(self, attribute: str, stem: str, *, is_needed: bool) -> timedelta | None:
        names = (f"{stem}_number", f"{stem}_unit")

        def read() -> timedelta | None:
            number, unit = (self._given[name] for name in names)
            if not number:
                if is_needed:
                    raise Wrong(names[0], "say how often it shall run")
                return None
            if unit not in UNITS:
                raise Wrong(names[0], "choose a unit")
            return _length(names[0], number, UNITS[unit])

        return self._kept_or(attribute, names, read)

    def _jitter(self) -> timedelta:
        text = self._given["jitter"]
        return _length("jitter", text, UNITS["seconds"]) if text else timedelta(0)

    def _whole(self, name: str) -> int | None:
        text = self._given[name]
        if not text:
            return None
        if not (text.isascii() and text.isdigit()) or len(text) > 15 or int(text) < 1:
            raise Wrong(name, "expected a whole number from 1, or nothing")
        return int(text)

    def _choice(self, name: str, kind: Callable[[str], T]) -> T | None:
        text = self._given[name]
        return self._take(name, lambda: kind(text), None) if text else None

    def _days(self) -> tuple[Weekday, ...]:
        def read() -> tuple[Weekday, ...]:
            chosen = set(self._given["days"].split())
            days = tuple(day for day in Weekday if day in chosen)
            if not days:
                raise Wrong("days", "choose at least one day")
            return days

        return self._kept_or("days", ("days",), read) or ()

    def _expression(self) -> str:
        def read() -> str:
            if not self._given["expression"]:
                raise Wrong("expression", "write a cron expression, e.g. 0 3 * * *")
            return self._given["expression"]

        return self._kept_or("expression", ("expression",), read) or ""

    def _parameters(self) -> JsonObject | None:
        text = self._given["parameters"]
        if not text:
            return None
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Wrong("parameters", f"no JSON: {error}") from None
        if not isinstance(value, dict):
            raise Wrong("parameters", 'expected an object by name, like {"days": 30}')
        return value


def _zone(schedule: JobSchedule, default_timezone: str) -> ZoneInfo:
    try:
        return schedule_zone(schedule, default_timezone)
    except InvalidScheduleError:
        return ZoneInfo("UTC")  # an unknown zone is told as its field's error


def _wall(instant: datetime | None, zone: ZoneInfo) -> datetime | None:
    if instant is None or instant.tzinfo is None:
        return instant
    try:
        return instant.astimezone(zone).replace(tzinfo=None, fold=0)
    except OverflowError:
        return instant.replace(tzinfo=None)


def _parts(length: timedelta | None) -> tuple[str, str]:
    """Give number and unit of a length of time: the largest unit that divides it, else seconds with decimals."""
    if length is None:
        return "", ""
    for unit, size in UNITS.items():
        if length and not length % size:
            return str(length // size), unit
    return _seconds(length), "seconds"


def _seconds(length: timedelta) -> str:
    exact = Decimal(length // timedelta(microseconds=1)) / 1_000_000
    return f"{exact.normalize():f}"


def _length(name: str, text: str, unit: timedelta) -> timedelta:
    try:
        number = Decimal(text.replace(",", "."))
    except InvalidOperation:
        raise Wrong(name, "expected a number") from None
    if not number.is_finite() or number < 0:
        raise Wrong(name, "expected a number that is not negative")
    if number.adjusted() > MOST_DIGITS:  # 1e900000 as a whole number of microseconds is a minute's work
        raise Wrong(name, "this is too long")
    try:
        return timedelta(microseconds=int(number * (unit // timedelta(microseconds=1))))
    except OverflowError:
        raise Wrong(name, "this is too long") from None


def _read(name: str, text: str, parse: Callable[[str], T], expected: str) -> T:
    try:
        return parse(text)
    except ValueError:
        raise Wrong(name, expected) from None


def _time_text(clock: time) -> str:
    return clock.isoformat("auto" if clock.microsecond else "seconds" if clock.second else "minutes")


def _moment_text(moment: datetime | None) -> str:
    if moment is None:
        return ""
    return moment.isoformat(timespec="auto" if moment.microsecond else "seconds" if moment.second else "minutes")


def _field_of(kind: ScheduleKind, error: InvalidScheduleError) -> str:
    """Give the field that an error of the whole is most likely about."""
    message = error.message
    for word, name in (("zone", "timezone"), ("stop", "stop"), ("jitter", "jitter"), ("window", "window_number")):
        if word in message:
            return name
    by_kind = {ScheduleKind.INTERVAL: "interval_number", ScheduleKind.CRON: "expression", ScheduleKind.ONCE: "once"}
    return by_kind.get(kind, "days")


def _told(error: Exception) -> str:
    if isinstance(error, InvalidScheduleError):
        return f"{error.message} ({error.hint})" if error.hint else error.message
    return str(error)
