"""Everybody who listens: kept awake, and shown out, by one timer for all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from host.contracts.clock import Clock
from host.errors import HostUnavailableError
from host_rest.events.feed import RunFeed
from host_rest.events.frames import BEAT, bye
from host_rest.events.outlet import Outlet

TICK_SECONDS = 1.0
BEAT_TICKS = 15
"""An idle stream is sent something once in so many ticks; each tick it is another part of all streams."""
STALL_SECONDS = 10.0
"""A closed stream whose client does not take what is left is cut off after this long."""


class Audience:
    """The open streams, each with the task that sends it."""

    def __init__(self, feed: RunFeed, clock: Clock, *, at_most: int) -> None:
        self._feed, self._clock, self._at_most = feed, clock, at_most
        self._streams: dict[Outlet, tuple[int, asyncio.Task[Any]]] = {}
        self._numbers = count()
        self._has_any = asyncio.Event()
        self._tick = 0

    @contextmanager
    def admitted(self, outlet: Outlet) -> Iterator[None]:
        """Count the present task's stream in; raises HostUnavailableError if there are too many."""
        if len(self._streams) >= self._at_most:
            hint = "end some, or raise maxStreams of the EventsConfigurationSection"
            raise HostUnavailableError(f"{self._at_most} streams of events are open already", hint=hint)
        task = asyncio.current_task()
        assert task is not None
        self._streams[outlet] = next(self._numbers) % BEAT_TICKS, task
        self._has_any.set()
        try:
            yield
        finally:
            del self._streams[outlet]
            if not self._streams:
                self._has_any.clear()

    def __len__(self) -> int:
        """Give how many streams are open."""
        return len(self._streams)

    def dismiss(self, reason: str) -> None:
        """End every stream once it has sent what waits."""
        farewell = bye(reason)
        for outlet in self._streams:
            outlet.close(farewell)

    async def run(self) -> None:
        """Look after the streams, for ever."""
        while True:
            await self._has_any.wait()
            await asyncio.sleep(TICK_SECONDS)
            self._tick = (self._tick + 1) % BEAT_TICKS
            now, monotonic = self._clock.now(), asyncio.get_running_loop().time()
            for outlet, (number, task) in self._streams.items():
                if outlet.closed_at is not None:
                    if monotonic - outlet.closed_at > STALL_SECONDS:
                        task.cancel()
                elif outlet.has_expired(now):
                    outlet.close(bye("expired"), at_once=True)
                elif outlet.is_closing():
                    outlet.close(bye("stopping"))
                elif number == self._tick and outlet.is_idle:
                    outlet.offer(self._feed.mark(outlet) if outlet.is_attached else BEAT)
