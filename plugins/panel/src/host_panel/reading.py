"""What people write into fields and addresses: instants, spans of time, whole numbers.

Each function raises ValueError with a sentence for the person who wrote it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from host.santedb.durations import parse_duration

LARGEST = 2**31 - 1
"""Of a whole number."""
_UNITS = {"d": 86_400, "h": 3_600, "min": 60, "m": 60, "s": 1, "ms": 0.001}
_AMOUNT = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*(ms|min|[dhms])\s*", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,10}", re.ASCII)


def read_instant(text: str, timezone: str) -> datetime:
    """Read a date and time, without an offset in a zone."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("This is no date and time; write it as 2026-11-21T14:00.") from None
    local = instant if instant.tzinfo else instant.replace(tzinfo=ZoneInfo(timezone))
    try:
        again = local.astimezone(UTC).astimezone(local.tzinfo)
    except OverflowError:
        raise ValueError("This is beyond what can be reckoned with.") from None
    if again.replace(tzinfo=None) != instant.replace(tzinfo=None):
        raise ValueError(f"This time does not exist in {timezone}: clocks go forward there.")
    return local


def read_span(text: str) -> timedelta:
    """Read ``90 s``, ``1 h 30 min``, ``PT15M`` or a number of seconds; more than nothing."""
    rest, seconds = text.strip().lower(), 0.0
    while found := _AMOUNT.match(rest):
        seconds += float(found[1]) * _UNITS[found[2]]
        rest = rest[found.end() :]
    try:
        length = timedelta(seconds=seconds) if not rest else parse_duration(text.strip().upper())
    except (ValueError, OverflowError):
        raise ValueError("This is no duration; write 90 s, 15 min or 1 h 30 min.") from None
    if length <= timedelta(0):
        raise ValueError("This must be longer than nothing.")
    return length


def read_whole(text: str, *, least: int = -LARGEST, most: int = LARGEST) -> int:
    """Read a whole number between two bounds."""
    number = int(text) if _WHOLE.fullmatch(text) else None
    if number is None:
        raise ValueError("This is no whole number, or too large a one.")
    if not least <= number <= most:
        raise ValueError(f"This must be a whole number from {least} to {most}.")
    return number
