"""A clock that a test moves by hand."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime, timedelta
from itertools import count

from host.contracts.clock import Clock

TICK = 1e-6
"""No sleep is shorter: who sleeps for what rounding has left must not sleep for ever."""


class FakeClock(Clock):
    """Stands still until ``advance``; sleepers wake in the order of their times."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = now
        self._monotonic = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()

    def now(self) -> datetime:
        """Give the present instant of the test."""
        return self._now

    def monotonic(self) -> float:
        """Give the seconds advanced so far."""
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        """Wait until the test has advanced this far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (_exact(self._monotonic + max(seconds, TICK)), next(self._order), future))
        await future

    def step(self, seconds: float) -> None:
        """Move wall time alone, either way, as when somebody sets the system's clock."""
        self._now += timedelta(seconds=seconds)

    def move(self, seconds: float) -> None:
        """Move both clocks forward without letting sleepers run in between."""
        self._now += timedelta(seconds=seconds)
        self._monotonic = _exact(self._monotonic + seconds)
        while self._sleepers and self._sleepers[0][0] <= self._monotonic:
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)

    async def advance(self, seconds: float) -> None:
        """Move both clocks forward, stopping at each sleeper's time so that it runs then."""
        target = _exact(self._monotonic + seconds)
        while self._sleepers and self._sleepers[0][0] <= target:
            self.move(max(0.0, self._sleepers[0][0] - self._monotonic))
            for _ in range(10):
                await asyncio.sleep(0)
        self.move(target - self._monotonic)
        for _ in range(10):
            await asyncio.sleep(0)


def _exact(seconds: float) -> float:
    """Give whole microseconds, as wall time has them: sums must not fall short of a sleeper's time."""
    return round(seconds, 6)
