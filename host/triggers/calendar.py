"""Days of the week at a time of day (SanteDB: JobScheduleType.Scheduled with days)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time

from host.model.schedules import Weekday
from host.triggers.walls import WallRule
from host.triggers.zones import LAST_YEAR

_ORDER = tuple(Weekday)


class WeeklyRule(WallRule):
    """Names a time of day on some days of the week; a fixed time."""

    __slots__ = ("_at", "_days")

    runs_every_hour = False

    def __init__(self, days: Iterable[Weekday], at: time) -> None:
        self._days = frozenset(_ORDER.index(day) for day in days)
        self._at = at

    def next_wall(self, wall: datetime, *, inclusive: bool = False) -> datetime | None:
        """Give the first such day's time later than ``wall`` (or equal to it)."""
        today = wall.toordinal()
        passed = self._at < wall.time() or (self._at == wall.time() and not inclusive)
        for day in range(today + passed, today + passed + 7):
            if day % 7 in self._days:  # day 7 of the proleptic calendar was a Sunday
                found = date.fromordinal(day)
                return datetime.combine(found, self._at) if found.year <= LAST_YEAR else None
        return None
