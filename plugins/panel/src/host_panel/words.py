"""Numbers, instants, spans and states as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from host.model.runs import RunState

NONE = "\u2013"
"""Shown where there is nothing to show."""
MINUS = "\u2212"
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class StateWords:
    """How a state is shown: never by colour alone."""

    word: str
    glyph: str
    tone: str
    """Class of its colour: ``slate blue green red amber grey``."""


STATES: Mapping[RunState, StateWords] = {
    RunState.PENDING: StateWords("Pending", "○", "slate"),
    RunState.SCHEDULED: StateWords("Scheduled", "○", "slate"),
    RunState.QUEUED: StateWords("Queued", "○", "slate"),
    RunState.STARTING: StateWords("Starting", "▶", "blue"),
    RunState.RUNNING: StateWords("Running", "▶", "blue"),
    RunState.COMPLETED: StateWords("Completed", "✓", "green"),
    RunState.FAILED: StateWords("Failed", "✕", "red"),
    RunState.CANCELLED: StateWords("Cancelled", "⊘", "amber"),
    RunState.SKIPPED: StateWords("Skipped", "↷", "grey"),
    RunState.QUARANTINED: StateWords("Quarantined", "✕", "red"),
}


DRAWN: Mapping[str, str] = {
    "⏸": "M4 2h2v10H4zM8 2h2v10H8z",
    "⏱": "M5 0h4v1H5zM7 2a6 6 0 1 0 0 12A6 6 0 0 0 7 2zm0 1.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM6.4 5h1v3h-1z",
}
"""Marks that many fonts lack: ``{mark: outline in a square of 14}``."""


def span(duration: timedelta | None) -> str:
    """Give a duration in at most two units: ``850 ms``, ``4.2 s``, ``3 min 5 s``, ``2 h 10 min``, ``5 d 3 h``."""
    if duration is None:
        return NONE
    if duration < timedelta(0):
        return f"{MINUS}{span(-duration)}"
    if duration < SECOND:
        milliseconds = duration / timedelta(milliseconds=1)
        return f"{milliseconds:.0f} ms" if milliseconds >= 1 or not milliseconds else "< 1 ms"
    if duration < MINUTE:
        return f"{duration / SECOND:.1f} s"
    for unit, word, part, part_word in (
        (DAY, "d", HOUR, "h"),
        (HOUR, "h", MINUTE, "min"),
        (MINUTE, "min", SECOND, "s"),
    ):
        if duration >= unit:
            rest = duration % unit // part
            return f"{duration // unit} {word}" + (f" {rest} {part_word}" if rest else "")
    raise AssertionError(duration)


def relative(instant: datetime, now: datetime) -> str:
    """Give an instant as seen from now: ``3 min ago``, ``in 2 h``, ``now``."""
    distance = instant - now
    size = abs(distance)
    if size < SECOND:
        return "now"
    for unit, word in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s")):
        if size >= unit:
            number = f"{size // unit} {word}"
            break
    return f"in {number}" if distance > timedelta(0) else f"{number} ago"


def absolute(instant: datetime, zone: str) -> str:
    """Give an instant with its zone: ``2026-11-21 14:03:11 CET``."""
    local = instant.astimezone(ZoneInfo(zone))
    return f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}"


def clock_time(instant: datetime, zone: str) -> str:
    """Give date and minute, without the zone: ``2026-11-21 14:03``."""
    return f"{instant.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def iso(instant: datetime) -> str:
    """Give an instant for machines."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def count(number: int) -> str:
    """Give a number with thin spaces between thousands."""
    return f"{number:,}".replace(",", "\u202f")
