"""Durations as XML writes them (xs:dayTimeDuration, the form .NET's XmlConvert gives a TimeSpan)."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

_NUMBER = r"\d{1,12}(?:\.\d{1,6}0*)?"
_SECONDS = re.compile(_NUMBER, re.ASCII)
_ISO = re.compile(
    rf"P(?=[\dT])(?:(\d{{1,9}})W)?(?:(\d{{1,9}})D)?(?:T(?=\d)(?:(\d{{1,12}})H)?(?:(\d{{1,12}})M)?(?:({_NUMBER})S)?)?",
    re.ASCII,
)
_MICROSECOND = timedelta(microseconds=1)


def parse_duration(text: str) -> timedelta:
    """Read ``P1DT12H``, ``PT0.5S`` or a number of seconds; whole microseconds, not negative.

    Months and years have no fixed length and are refused. Raises ValueError that says what was expected.
    """
    text = text.strip()
    try:
        if _SECONDS.fullmatch(text):
            return _seconds(text)
        if found := _ISO.fullmatch(text):
            weeks, days, hours, minutes = (int(part or 0) for part in found.groups()[:4])
            return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes) + _seconds(found[5] or "0")
    except OverflowError:
        raise ValueError("expected a duration below 999,999,999 days") from None
    raise ValueError("expected a duration such as PT30S, PT15M, P1D, or a number of seconds")


def format_duration(duration: timedelta) -> str:
    """Give the shortest ISO 8601 form in days, hours, minutes and seconds; zero is ``PT0S``.

    Raises ValueError for a negative duration.
    """
    if duration < timedelta(0):
        raise ValueError("expected a duration that is not negative")
    rest, microseconds = divmod(duration // _MICROSECOND, 1_000_000)
    rest, seconds = divmod(rest, 60)
    rest, minutes = divmod(rest, 60)
    days, hours = divmod(rest, 24)
    fraction = f".{microseconds:06}".rstrip("0") if microseconds else ""
    clock = [f"{hours}H" if hours else "", f"{minutes}M" if minutes else ""]
    clock.append(f"{seconds}{fraction}S" if seconds or fraction else "")
    date = f"{days}D" if days else ""
    time = "".join(clock)
    return f"P{date}T{time}" if time else f"P{date}" if date else "PT0S"


def _seconds(text: str) -> timedelta:
    return int(Decimal(text) * 1_000_000) * _MICROSECOND
