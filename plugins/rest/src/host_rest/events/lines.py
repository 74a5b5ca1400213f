"""The lines of one run, handed on as they come, until the run has ended and all of them are told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from uuid import UUID

from host.contracts.logs import RunLog
from host.contracts.runs import JobRunReader
from host.model.logs import RunLogLine

PAGE = 500
LOOK_SECONDS = 15.0
"""How often a run that does not change is looked for, which may have been deleted."""

Tell = Callable[[RunLogLine], Awaitable[None]]
"""Hands on one line; the next one waits for it."""


class RunLines:
    """Tells of each line above a number once, oldest first."""

    def __init__(self, run_id: UUID, tell: Tell, *, after: int, reader: JobRunReader, log: RunLog) -> None:
        self._run_id, self._tell, self._last = run_id, tell, after
        self._reader, self._log = reader, log
        self._is_final = asyncio.Event()

    def end(self) -> None:
        """Say that the run is final: lines that are there already are the last ones."""
        self._is_final.set()

    async def bring(self) -> None:
        """Tell of lines as they come until the run is final or deleted, then of the rest."""
        telling = asyncio.create_task(self._tell_coming(), name="run log")
        ending = asyncio.create_task(self._ended(), name="run end")
        try:
            await asyncio.wait((telling, ending), return_when=asyncio.FIRST_COMPLETED)
            for task in (telling, ending):
                if task.done():
                    task.result()
        finally:
            telling.cancel()
            ending.cancel()
            await asyncio.gather(telling, ending, return_exceptions=True)
        while lines := await self._log.read(self._run_id, after=self._last, limit=PAGE):
            for line in lines:
                await self._hand_on(line)

    async def _tell_coming(self) -> None:
        async with aclosing(self._log.follow(self._run_id, after=self._last)) as lines:  # type: ignore[type-var]  # a generator
            async for line in lines:
                await self._hand_on(line)

    async def _hand_on(self, line: RunLogLine) -> None:
        # Invariant: a line whose telling was interrupted is told again, and by the same teller.
        await self._tell(line)
        self._last = line.number

    async def _ended(self) -> None:
        """Wait until the run is final, or deleted: what is deleted before anybody looked does not change any more."""
        while not self._is_final.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_final.wait(), LOOK_SECONDS)
            if not self._is_final.is_set() and await self._reader.run(self._run_id) is None:
                return
