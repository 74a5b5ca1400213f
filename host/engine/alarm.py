"""Waiting for "look" or for a time, whichever comes first, without a task."""

from __future__ import annotations

import asyncio


class Alarm:
    """One waiter at a time; ``ring`` before ``wait`` is not lost."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._askers: list[asyncio.Future[None]] = []

    def ring(self) -> None:
        """End the present wait, or the next one at once."""
        self._event.set()

    async def wait(self, seconds: float) -> None:
        """Wait until it rings, at most this long; at once for zero or less if it has not rung."""
        if not self._event.is_set() and seconds > 0:
            self._answer()
            handle = asyncio.get_running_loop().call_later(seconds, self._event.set)
            try:
                await self._event.wait()
            finally:
                handle.cancel()
        self._event.clear()

    async def wait_quiet(self) -> None:
        """Ring, and return when the waiter has looked and waits again, and nothing has rung since it began to look."""
        asker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._askers.append(asker)
        self.ring()
        await asker

    def _answer(self) -> None:
        askers, self._askers = self._askers, []
        for asker in askers:
            if not asker.done():
                asker.set_result(None)
