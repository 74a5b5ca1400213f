"""Intervals of elapsed time, from a fixed anchor or from the end of the latest run."""

from __future__ import annotations

from datetime import datetime, timedelta

from host.model.ids import from_microseconds, to_microseconds
from host.triggers.trigger import MICROSECOND, Limits, Trigger
from host.triggers.zones import LAST_INSTANT

_LAST = to_microseconds(LAST_INSTANT)


class FixedRateTrigger(Trigger):
    """Fires at ``anchor + k * interval``: from k = 0 with ``fires_at_anchor``, else from k = 1."""

    __slots__ = ("_anchor", "_first", "_interval")

    def __init__(self, interval: timedelta, *, anchor: datetime, fires_at_anchor: bool, limits: Limits) -> None:
        super().__init__(limits)
        self._interval = interval // MICROSECOND
        self._anchor = to_microseconds(anchor)
        self._first = 0 if fires_at_anchor else 1

    def count_in(
        self, after: datetime, until: datetime, *, cap: int, last_end: datetime | None = None, fired: int = 0
    ) -> int:
        """Count by division, however many there are."""
        first = self.next_after(after, last_end=last_end, fired=fired)
        end = min(until, self._limits.stop - MICROSECOND)
        if first is None or first > end:
            return 0
        return min((to_microseconds(end) - to_microseconds(first)) // self._interval + 1, cap)

    def _first_after(self, after: datetime, *, last_end: datetime | None, fired: int) -> datetime | None:
        return _step_after(self._anchor, self._interval, to_microseconds(after), first=self._first)


class FixedDelayTrigger(Trigger):
    """Fires at ``first``, then ``interval`` after the end of each run.

    A fire time that was passed over without a run is followed by ones ``interval`` apart.
    """

    __slots__ = ("_first", "_interval")

    def __init__(self, interval: timedelta, *, first: datetime, limits: Limits) -> None:
        super().__init__(limits)
        self._interval = interval // MICROSECOND
        self._first = to_microseconds(first)

    def count_in(
        self, after: datetime, until: datetime, *, cap: int, last_end: datetime | None = None, fired: int = 0
    ) -> int:
        """Count at most one: the next fire waits for a run, so no second one can be missed."""
        first = self.next_after(after, last_end=last_end, fired=fired)
        return min(cap, 1) if first is not None and first <= until else 0

    def _first_after(self, after: datetime, *, last_end: datetime | None, fired: int) -> datetime | None:
        if fired == 0:
            return _step_after(self._first, self._interval, to_microseconds(after), first=0)
        if last_end is None:
            return None
        return _step_after(to_microseconds(last_end), self._interval, to_microseconds(after), first=1)


def _step_after(anchor: int, interval: int, after: int, *, first: int) -> datetime | None:
    step = max((after - anchor) // interval + 1, first)
    instant = anchor + step * interval
    return from_microseconds(instant) if instant < _LAST else None
