"""One field of a cron expression: its values, as croniter reads them; the one home of croniter."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from uuid import UUID

from croniter import croniter

from host.errors import InvalidScheduleError
from host.model.schedules import CronDialect

_ALLOWED = re.compile(r"[0-9a-z*,/?#\-]+", re.ASCII)
_HASHED = re.compile(r"h(?:\((\d{1,4})-(\d{1,4})\))?(?:/(\d{1,4}))?", re.ASCII)
_RANGE = re.compile(r"(\w+)-(\w+)", re.ASCII)
_NAMES = {
    name: number
    for names in ("sun mon tue wed thu fri sat", "- jan feb mar apr may jun jul aug sep oct nov dec")
    for number, name in enumerate(names.split())
}
_CRONITER_FIELDS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class CronField:
    """One place in a cron expression."""

    name: str
    minimum: int
    maximum: int
    position: int
    """Where croniter has it."""
    expected: str
    hash_maximum: int
    """The largest value that a plain ``H`` chooses."""


FIELDS = tuple(
    CronField(
        name=name,
        minimum=minimum,
        maximum=maximum,
        position=position,
        expected=f"{minimum}-{maximum}{more}, *, lists (1,2), ranges (1-5), steps (*/2) or H",
        hash_maximum=hash_maximum,
    )
    for name, minimum, maximum, position, more, hash_maximum in (
        ("second", 0, 59, 5, "", 59),
        ("minute", 0, 59, 0, "", 59),
        ("hour", 0, 23, 1, "", 23),
        ("day of month", 1, 31, 2, ", L (last day), 15W (nearest weekday)", 28),
        ("month", 1, 12, 3, ", JAN-DEC", 12),
        ("day of week", 0, 6, 4, " (0 and 7 are Sunday), SUN-SAT, 5#3 (third Friday), L5 (last Friday)", 6),
    )
)
"""Seconds first, as a six-field expression is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldValues:
    """What one field allows."""

    values: tuple[int, ...]
    """Ascending; days of the week from 0, Sunday."""
    is_any: bool = False
    """Written ``*`` or ``?``: no restriction."""
    is_last_day: bool = False
    nearest_weekday: int | None = None
    """The weekday nearest to this day of the month, and no other."""
    nth: tuple[tuple[int, int], ...] = ()
    """(day of week, which in the month; 0 is the last); if not empty, no others."""


def is_hashed(text: str) -> bool:
    """Say whether a field is written with ``H``."""
    return text.startswith("h")


def resolve_hash(field: CronField, text: str, job_id: UUID) -> str:
    """Replace ``H``, ``H/5``, ``H(0-29)`` and ``H(0-29)/5`` by the values that a job's id chooses.

    The choice depends on job id, field, range and step alone. Days of the month are chosen from 1-28, so that
    no month is left out. Raises InvalidScheduleError.
    """
    match = _HASHED.fullmatch(text)
    if match is None:
        raise _wrong(field, text, hint="write H, H/5, H(0-29) or H(0-29)/5")
    low, high, step = (int(group) if group else None for group in match.groups())
    first = field.minimum if low is None else low
    last = (field.hash_maximum if step is None else field.maximum) if high is None else high
    if not field.minimum <= first < last or (high is not None and high > field.hash_maximum) or step == 0:
        raise _wrong(field, text, hint=f"H takes an ascending range inside {field.minimum}-{field.hash_maximum}")
    end = last if step is None else min(first + step - 1, last)
    digest = sha256(job_id.bytes + field.name.encode()).digest()
    chosen = first + int.from_bytes(digest[:8], "big") % (end - first + 1)
    return str(chosen) if step is None or chosen + step > last else f"{chosen}-{last}/{step}"


@lru_cache(maxsize=4096)
def read_field(field: CronField, text: str, dialect: CronDialect) -> FieldValues:
    """Read one field, in lower case and without ``H``; raises InvalidScheduleError."""
    if not _ALLOWED.fullmatch(text) or (text.startswith("r") and text[1:2] in {"", "/"}):
        raise _wrong(field, text)
    _check_ranges(field, text, dialect)
    fields = ["*"] * _CRONITER_FIELDS
    fields[field.position] = text
    try:
        parsed = croniter(" ".join(fields), 0.0)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise _wrong(field, text) from error
    expanded: set[object] = set(parsed.expanded[field.position])
    nth = _nth(parsed.nth_weekday_of_month)
    values = range(field.minimum, field.maximum + 1) if "*" in expanded else expanded
    if nth and {day for day, _ in nth} != expanded:
        raise _wrong(field, text, hint="do not mix 5#3 or L5 with plain days of the week")
    return FieldValues(
        values=tuple(sorted(number for number in values if isinstance(number, int))),
        is_any=not {"*", "?"}.isdisjoint(text.split(",")),
        is_last_day="l" in expanded,
        nearest_weekday=int(text.strip("w")) if "w" in text and field.name == "day of month" else None,
        nth=nth,
    )


def _nth(found: object) -> tuple[tuple[int, int], ...]:
    assert isinstance(found, dict)
    return tuple(sorted((int(day), 0 if which == "l" else int(which)) for day, nths in found.items() for which in nths))


def _check_ranges(field: CronField, text: str, dialect: CronDialect) -> None:
    for low, high in _RANGE.findall(text):
        first, last = (int(end) if end.isdecimal() else _NAMES.get(end, -1) for end in (low, high))
        if first == last != -1:
            # croniter reads 5-5 as the whole cycle, crontab(5) as 5.
            raise _wrong(field, text, hint=f"the range {low}-{high} has one value; write {low}")
        if first > last >= 0 and dialect is CronDialect.CIS:
            # NCrontab swaps the ends, all others wrap around.
            raise _wrong(field, text, hint=f"dialect cis reads {low}-{high} in two ways; write ascending ranges")


def _wrong(field: CronField, text: str, *, hint: str | None = None) -> InvalidScheduleError:
    return InvalidScheduleError(
        f"the {field.name} field {text!r} of the cron expression is wrong; expected {field.expected}", hint=hint
    )
