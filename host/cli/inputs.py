"""How durations, instants, days and times are typed."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from typing import Any, TypeVar

import click

from host.errors import WireError
from host.model.schedules import Weekday
from host.wire import from_wire

T = TypeVar("T")

_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "min": 60, "s": 1, "ms": 0.001}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|min|[wdhms])\s*", re.ASCII)


class Duration(click.ParamType[timedelta]):
    """``90s``, ``15m``, ``1h30m``, ``2d``, ``01:30:00`` or ISO 8601's ``PT15M``."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read one."""
        if isinstance(value, timedelta):
            return value
        try:
            return read_duration(value)
        except (ValueError, OverflowError, WireError):
            self.fail(f"{value!r} is no duration; write 90s, 15m, 1h30m, 2d, 01:30:00 or PT15M", param, ctx)


class Instant(click.ParamType[datetime]):
    """ISO 8601 date or date and time; one without offset stays so, or is local time if ``is_local``."""

    name = "time"

    def __init__(self, *, is_local: bool = False) -> None:
        self._is_local = is_local

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read one."""
        try:
            instant = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time; write 2026-03-29T02:30, with +01:00 or Z for an exact one", param, ctx)
        return instant.astimezone() if self._is_local and instant.tzinfo is None else instant


class Days(click.ParamType[tuple[Weekday, ...]]):
    """Days of the week by their first letters, with commas between, or ``daily``."""

    name = "days"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Weekday, ...]:
        """Read them."""
        if not isinstance(value, str):
            return tuple(value)
        if value.lower() == "daily":
            return tuple(Weekday)
        words = [word for word in re.split(r"[,\s]+", value.strip().lower()) if word]
        days = [day for word in words for day in Weekday if len(word) >= 2 and day.value.lower().startswith(word)]
        if not words or len(days) != len(words):
            self.fail(f"{value!r} is no list of days; write Mon,Tue or daily", param, ctx)
        return tuple(days)


class TimeOfDay(click.ParamType[time]):
    """``23:00`` or ``23:00:30``."""

    name = "hh:mm"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> time:
        """Read one."""
        try:
            read = value if isinstance(value, time) else time.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time of day; write 23:00", param, ctx)
        if read.tzinfo is not None:
            self.fail("a time of day has no offset; use --timezone", param, ctx)
        return read


def read_duration(text: str) -> timedelta:
    """Read a duration in any of the ways; raises ValueError, OverflowError or WireError."""
    if text.upper().startswith("P"):
        return from_wire(text.upper(), timedelta)
    if ":" in text:
        hours, minutes, seconds, *_ = (*map(float, text.split(":", 2)), 0.0)
        return timedelta(hours=hours, minutes=minutes, seconds=seconds)
    amounts = _AMOUNT.findall(text)
    if not amounts or _AMOUNT.sub("", text):
        raise ValueError(text)
    return timedelta(seconds=sum(float(amount) * _SECONDS[unit] for amount, unit in amounts))
