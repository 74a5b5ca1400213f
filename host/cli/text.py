"""Values as words for people: times, durations, ids and text of strangers."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from uuid import UUID

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_ID_DIGITS = 8


def clean(text: str) -> str:
    """Show control characters instead of obeying them: text of jobs must not steer a terminal."""
    return _CONTROLS.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def short_id(identity: UUID) -> str:
    """Give the end of an id, which tells runs apart; commands accept it."""
    return identity.hex[-_ID_DIGITS:]


def duration(length: timedelta) -> str:
    """Give a length in its two largest units: ``1 h 5 min``, ``42 s``, ``350 ms``."""
    seconds = abs(length.total_seconds())
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    rest = round(seconds)
    words: list[str] = []
    for unit, size in _UNITS:
        amount, rest = divmod(rest, size)
        if amount or words:
            words.append(f"{amount} {unit}" if amount else "")
    return " ".join(word for word in words[:2] if word)


def relative(instant: datetime | None, now: datetime) -> str:
    """Give an instant by its distance from now: ``3 min ago``, ``in 2 h``; ``-`` for none."""
    if instant is None:
        return "-"
    if abs(instant - now) < timedelta(seconds=1):
        return "now"
    seconds = timedelta(seconds=round(abs(instant - now).total_seconds()))
    (coarse, *more) = duration(seconds).split(" ")
    text = f"{coarse} {more[0]}"
    return f"in {text}" if instant > now else f"{text} ago"


def local_time(instant: datetime | None) -> str:
    """Give an instant in the machine's zone, to the second, with the zone's name; ``-`` for none."""
    return "-" if instant is None else named_time(instant.astimezone())


def named_time(local: datetime) -> str:
    """Give an aware local time to the second, with its zone's name."""
    return f"{local:%a} {local:%Y-%m-%d %H:%M:%S} {local.tzname()}"


def rfc3339(instant: datetime) -> str:
    """Give an aware time as RFC 3339; UTC as ``Z``."""
    return instant.isoformat().replace("+00:00", "Z")
