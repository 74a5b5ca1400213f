"""Following one run's lines across lost connections and restarts of the upstream: none twice, none left out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from itertools import chain, repeat
from uuid import UUID

from host.errors import ErrorKind, HostError
from host.model.logs import RunLogLine
from host.wire import from_json
from host_upstream.jobhost.client import JobhostClient
from host_upstream.jobhost.events import Event
from host_upstream.jobhost.waiting import Patience

LAST_NUMBER = 10**18 - 1
"""No line has a higher one."""
UNKNOWN_SECONDS = 0.3
"""How often lines of a run are looked for that the upstream does not know, or streams no lines of."""
LOOKS = 100
"""After so many of these looks the stream is asked for again."""
AFTER_END_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
AFTER_LONG_SECONDS = 15.0
"""How often lines of a run are looked for that has ended: there should not be any more."""

Read = Callable[[int], Awaitable[Sequence[RunLogLine]]]
"""Gives lines above a number, oldest first; none of a run that nobody knows."""


class RunFollower:
    """Brings the lines of one run; waits while the upstream does not answer, and goes on after the last line."""

    def __init__(self, client: JobhostClient, run_id: UUID, read: Read, *, after: int) -> None:
        self._client, self._run_id, self._read = client, run_id, read
        self._last = min(max(after, 0), LAST_NUMBER)
        self._has_ended = False
        self._patience = Patience()

    async def lines(self) -> AsyncGenerator[RunLogLine, None]:
        """Give each line above ``after`` once, for ever; raises what waiting does not mend, as AccessDeniedError."""
        while True:
            try:
                async with aclosing(self._some_lines()) as some:
                    async for line in some:
                        yield line
            except HostError as error:
                if error.kind is not ErrorKind.UNAVAILABLE:
                    raise
            await self._patience.wait()

    async def _some_lines(self) -> AsyncGenerator[RunLogLine, None]:
        """Give lines until the stream ends, the upstream is lost, or it is time to ask for the stream again."""
        if self._has_ended:
            pauses: Iterable[float] = chain(AFTER_END_SECONDS, repeat(AFTER_LONG_SECONDS))
        else:
            pauses = repeat(UNKNOWN_SECONDS, LOOKS)
            try:
                async with aclosing(self._streamed()) as lines:
                    async for line in lines:
                        yield line
                return
            except HostError as error:
                if error.kind is not ErrorKind.MISSING:  # of the run, or of the mount that streams
                    raise
        async with aclosing(self._looked_for(pauses)) as lines:
            async for line in lines:
                yield line

    async def _streamed(self) -> AsyncGenerator[RunLogLine, None]:
        # Change 0, whatever was seen: else a run that has ended meanwhile would be answered with nothing at all.
        place = f"0-{self._last}"
        async with aclosing(self._client.events(f"/events/runs/{self._run_id}", after=place)) as events:
            async for event in events:
                self._patience.restore()
                line = self._heard(event)
                if line is not None:
                    yield line

    def _heard(self, event: Event) -> RunLogLine | None:
        """Take note of an event; gives its line if it is a new one."""
        line = None
        if event.kind == "log":
            line = from_json(event.data, RunLogLine)
        elif event.kind == "end":
            self._has_ended = True
        if line is None or line.number <= self._last:
            return None
        self._last = line.number
        return line

    async def _looked_for(self, pauses: Iterable[float]) -> AsyncGenerator[RunLogLine, None]:
        for pause in pauses:
            while lines := await self._read(self._last):
                self._patience.restore()
                for line in lines:
                    self._last = line.number
                    yield line
            await asyncio.sleep(pause)
