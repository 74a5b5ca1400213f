"""When buffered log lines are written: soon after they came, at once when somebody wants to read."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

import structlog

from host.errors import HostError, StoreUnavailableError

FLUSH_SECONDS = 0.2
RETRY_SECONDS = 1.0
_log = structlog.get_logger(__name__)


class Flusher:
    """Calls ``write`` from one task of the running loop, so that order is kept.

    A reader that is cancelled while it waits for a flush leaves the flush as it is. When ``write`` fails, those
    who wait are told and it is tried again, for as long as lines wait.
    """

    def __init__(self, write: Callable[[], Awaitable[None]]) -> None:
        self._write = write
        self._loop = asyncio.get_running_loop()
        self._stirred = asyncio.Event()
        self._hurried = asyncio.Event()
        self._is_stirred = False
        self._is_hurried = False
        self._is_stopping = False
        self._demands: list[asyncio.Future[None]] = []
        self.task = self._loop.create_task(self._work(), name="run log flusher")
        """Ends after ``stop``, or by a defect; then nothing is written any more."""
        self.task.add_done_callback(self._end)
        self.failure: str | None = None
        """What the last write failed with; None while all is well."""

    def stir(self, *, is_urgent: bool) -> None:
        """Say that something waits to be written; from any thread, nearly free when it was said before."""
        # Invariant: both flags are cleared before `write` takes what waits, and set after it was put there.
        if self._is_stirred and (self._is_hurried or not is_urgent):
            return
        self._is_stirred = True
        self._is_hurried = self._is_hurried or is_urgent
        with suppress(RuntimeError):  # the loop has closed: nobody writes any more
            self._loop.call_soon_threadsafe(self._wake, is_urgent)

    async def flush(self) -> None:
        """Return when everything that waits now is written; raises what ``write`` failed with."""
        if self.task.done():
            raise _ended()
        demand: asyncio.Future[None] = self._loop.create_future()
        self._demands.append(demand)
        self._wake(True)
        await demand

    async def stop(self) -> None:
        """Write what waits, once, and end."""
        self._is_stopping = True
        self._wake(True)
        await asyncio.wait([self.task])

    def _wake(self, is_urgent: bool) -> None:
        self._stirred.set()
        if is_urgent:
            self._hurried.set()

    async def _work(self) -> None:
        while True:
            await self._stirred.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_SECONDS):
                    await self._hurried.wait()
            is_last = self._is_stopping
            self._stirred.clear()
            self._hurried.clear()
            self._is_stirred = self._is_hurried = False
            is_written = await self._attempt()
            if is_last:
                return
            if not is_written:
                await asyncio.sleep(RETRY_SECONDS)
                self._stirred.set()

    async def _attempt(self) -> bool:
        demands = tuple(self._demands)
        failure: HostError | sqlite3.Error | None = None
        try:
            await self._write()
        except (HostError, sqlite3.Error) as error:
            failure = error
            if self.failure is None:
                _log.warning("lines of runs cannot be written", error=str(error))
        self.failure = str(failure) if failure else None
        del self._demands[: len(demands)]
        _answer(demands, failure)
        return failure is None

    def _end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failure = f"the writer has ended: {error!r}"
        _answer(self._demands, _ended())


def _answer(demands: Iterable[asyncio.Future[None]], failure: Exception | None) -> None:
    for demand in demands:
        if demand.done():
            continue
        if failure is None:
            demand.set_result(None)
        else:
            demand.set_exception(failure)


def _ended() -> StoreUnavailableError:
    return StoreUnavailableError("the run log is not open", hint="the host is stopping")
