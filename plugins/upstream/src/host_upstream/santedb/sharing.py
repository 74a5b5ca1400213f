"""A reading that many ask for at once and one request answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Generic, TypeVar

from host.contracts.clock import Clock

T = TypeVar("T")


class SharedReading(Generic[T]):
    """Reads something for all who want it now, and keeps it for a while for those whom a recent one will do.

    A reading that somebody waits for ends even if nobody waits any more; a failed one is kept for nobody.
    """

    def __init__(self, read: Callable[[], Awaitable[T]], clock: Clock, *, keep: timedelta) -> None:
        self._read, self._clock = read, clock
        self._keep_seconds = keep.total_seconds()
        self._kept: tuple[T, float] | None = None
        """The latest reading and when it ceases to be recent."""
        self._drops = 0
        self._running: asyncio.Task[T] | None = None
        self._running_since = 0
        """How often the kept one had been dropped when the running one began."""
        self._waiting: asyncio.Task[T] | None = None

    async def recent(self) -> T:
        """Give a reading not older than ``keep`` and begun after the last ``drop``."""
        if self._kept is not None and self._clock.monotonic() < self._kept[1]:
            return self._kept[0]
        running = self._running
        if running is not None and not running.done() and self._running_since == self._drops:
            return await asyncio.shield(running)
        return await self.present()

    async def present(self) -> T:
        """Give a reading begun after this call; it shares one with all who call before that begins."""
        if self._waiting is None:
            self._waiting = asyncio.get_running_loop().create_task(self._read_after(self._running))
            self._waiting.add_done_callback(_take_notice)
        return await asyncio.shield(self._waiting)

    def drop(self) -> None:
        """Forget what is kept, and what is being read: something changed."""
        self._kept = None
        self._drops += 1

    async def _read_after(self, before: asyncio.Task[T] | None) -> T:
        # Invariant: one reading at a time, so that readings end in the order in which they began.
        if before is not None:
            await asyncio.wait([before])
        self._running, self._waiting = self._waiting, None
        self._running_since = drops = self._drops
        value = await self._read()
        if drops == self._drops:
            self._kept = (value, self._clock.monotonic() + self._keep_seconds)
        return value


def _take_notice(reading: asyncio.Task[T]) -> None:
    """Look at the failure of a reading that nobody waits for any more, which asyncio would report as lost."""
    if not reading.cancelled():
        reading.exception()
