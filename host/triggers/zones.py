"""Time zones: finding them, and turning wall time into instants where clocks change, for every trigger."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from difflib import get_close_matches
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from host.errors import InvalidScheduleError
from host.model.schedules import NO_START_YEAR

LAST_YEAR = 9998
FIRST_INSTANT = datetime(1, 1, 3, tzinfo=UTC)
"""No trigger looks before this; two days from the end of the calendar leave room for every offset."""
LAST_INSTANT = datetime(LAST_YEAR, 12, 30, tzinfo=UTC)
"""No trigger fires at this instant or after it."""

_ZERO = timedelta(0)
_SECOND = timedelta(seconds=1)


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo:
    """Give the zone of an IANA name; raises InvalidScheduleError with the nearest known names."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        near = _similar(name, available_timezones())
        raise InvalidScheduleError(
            f"unknown time zone {name[:64]!r}; expected an IANA name such as Europe/Prague or UTC",
            hint=f"did you mean {near}?" if near else "`timedatectl list-timezones` lists them",
        ) from error


def offset_of(moment: datetime) -> timedelta:
    """Give the offset from UTC of an aware moment."""
    return moment.utcoffset() or _ZERO


def offsets(wall: datetime, zone: tzinfo) -> tuple[timedelta, timedelta]:
    """Give the offsets that a wall time may have: equal as a rule.

    The first is larger where clocks go back (the wall time occurs twice), smaller where they go forward (it
    does not exist) (PEP 495).
    """
    return offset_of(wall.replace(tzinfo=zone, fold=0)), offset_of(wall.replace(tzinfo=zone, fold=1))


def change_at(wall: datetime, zone: tzinfo) -> datetime:
    """Give the instant of the change of clocks that makes a wall time missing or ambiguous."""
    both = offsets(wall, zone)
    low = (wall - max(both)).replace(tzinfo=UTC, microsecond=0, fold=0)
    high = (wall - min(both)).replace(tzinfo=UTC, microsecond=0, fold=0) + _SECOND
    before = offset_of(low.astimezone(zone))
    seconds = (high - low) // _SECOND
    same = 0
    while seconds - same > 1:
        middle = (same + seconds) // 2
        if offset_of((low + middle * _SECOND).astimezone(zone)) == before:
            same = middle
        else:
            seconds = middle
    return low + seconds * _SECOND


def first_instant(wall: datetime, zone: tzinfo) -> datetime:
    """Give the first instant, in UTC, at which clocks in the zone show this wall time or a later one.

    That is the wall time's own instant; its first occurrence where it occurs twice; the end of the gap where
    it does not exist.
    """
    first, second = offsets(wall, zone)
    if first < second:
        return change_at(wall, zone)
    return (wall - first).replace(tzinfo=UTC, fold=0)


def instant_of(value: datetime, zone: tzinfo) -> datetime:
    """Give a ``start`` or ``stop`` as an instant in UTC: naive is wall time in the zone, aware is converted.

    Beyond the years that triggers look at, the nearest instant they do.
    """
    try:
        instant = first_instant(value, zone) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        return FIRST_INSTANT if value.year == NO_START_YEAR else LAST_INSTANT
    return min(max(instant, FIRST_INSTANT), LAST_INSTANT)


def wall_of(value: datetime, zone: tzinfo) -> datetime:
    """Give a ``start`` or ``stop`` as naive wall time in the zone.

    In year 1 it is a bare time of day: an offset is ignored, for there is no day to convert it on.
    """
    if value.tzinfo is None or value.year == NO_START_YEAR:
        return value.replace(tzinfo=None, fold=0)
    try:
        return value.astimezone(zone).replace(tzinfo=None, fold=0)
    except OverflowError:
        return value.replace(tzinfo=None, fold=0)


def _similar(name: str, known: Iterable[str]) -> str:
    by_folded = {zone.casefold(): zone for zone in known}
    by_folded |= {zone.rpartition("/")[2]: full for zone, full in by_folded.items() if "/" in zone} | by_folded
    wanted = name[:64].casefold().replace(" ", "_")
    matches = get_close_matches(wanted, by_folded, n=2, cutoff=0.75)
    return " or ".join(dict.fromkeys(by_folded[match] for match in matches))
