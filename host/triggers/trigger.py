"""What every trigger promises, and the limits that all of them keep."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import final

from host.triggers.zones import LAST_INSTANT

MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The span of fire times that a schedule allows."""

    after: datetime
    """Fire times are later than this: one microsecond before the first allowed instant."""
    stop: datetime = LAST_INSTANT
    """The first forbidden instant."""
    max_count: int | None = None


class Trigger(ABC):
    """Computes the fire times of one schedule. Pure, safe to share between threads, bounded in its work."""

    __slots__ = ("_limits",)

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    @final
    def next_after(self, after: datetime, *, last_end: datetime | None = None, fired: int = 0) -> datetime | None:
        """Give the first fire time strictly later than ``after``, in UTC; None if there is none (any more).

        ``fired`` is how many fire times were used; at ``max_count`` there are no more. ``last_end`` is when
        the latest run ended, None while one is unfinished: only fixed-delay intervals look at it, and give
        None while ``fired`` is above 0 and it is unknown. No fire time lies before the ``effective_from``
        the trigger was built with, nor after the year 9998. A later ``after`` never gives an earlier result.
        """
        limits = self._limits
        if limits.max_count is not None and fired >= limits.max_count:
            return None
        moment = max(after, limits.after).astimezone(UTC)
        if moment >= limits.stop:
            return None
        found = self._first_after(moment, last_end=last_end, fired=fired)
        return found if found is not None and found < limits.stop else None

    def count_in(
        self, after: datetime, until: datetime, *, cap: int, last_end: datetime | None = None, fired: int = 0
    ) -> int:
        """Count the fire times later than ``after`` and not later than ``until``, up to ``cap``."""
        count = 0
        moment: datetime | None = after
        while count < cap:
            moment = self.next_after(moment, last_end=last_end, fired=fired) if moment is not None else None
            if moment is None or moment > until:
                break
            count += 1
        return count

    @abstractmethod
    def _first_after(self, after: datetime, *, last_end: datetime | None, fired: int) -> datetime | None:
        """Give the first fire time strictly later than ``after`` (UTC), whatever the upper limits."""
