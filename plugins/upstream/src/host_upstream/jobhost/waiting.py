"""How long to wait for an upstream that does not answer: a little at first, longer later, and never all at once."""

from __future__ import annotations

import asyncio
import random

SHORTEST_SECONDS, LONGEST_SECONDS = 0.2, 5.0


class Patience:
    """Waits between attempts, twice as long each time, up to some seconds; half of it is drawn by lot."""

    def __init__(self) -> None:
        self._seconds = SHORTEST_SECONDS

    def restore(self) -> None:
        """Begin with the shortest wait again: it has answered."""
        self._seconds = SHORTEST_SECONDS

    async def wait(self) -> None:
        """Wait for the next attempt."""
        seconds, self._seconds = self._seconds, min(LONGEST_SECONDS, self._seconds * 2)
        await asyncio.sleep(seconds * random.uniform(0.5, 1))  # it keeps followers apart
