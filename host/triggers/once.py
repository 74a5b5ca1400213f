"""One fire time."""

from __future__ import annotations

from datetime import datetime

from host.triggers.trigger import Limits, Trigger
from host.triggers.walls import WallRule


class OnceTrigger(Trigger):
    """Fires at an instant."""

    __slots__ = ("_instant",)

    def __init__(self, instant: datetime, *, limits: Limits) -> None:
        super().__init__(limits)
        self._instant = instant

    def _first_after(self, after: datetime, *, last_end: datetime | None, fired: int) -> datetime | None:
        return self._instant if self._instant > after else None


class OnceRule(WallRule):
    """Names one wall time; a fixed time."""

    __slots__ = ("_wall",)

    runs_every_hour = False

    def __init__(self, wall: datetime) -> None:
        self._wall = wall

    def next_wall(self, wall: datetime, *, inclusive: bool = False) -> datetime | None:
        """Give the wall time while it is later than ``wall`` (or equal to it)."""
        return self._wall if self._wall > wall or (inclusive and self._wall == wall) else None
