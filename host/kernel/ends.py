"""Waiting for the ends of runs: one reader of the run store's changes for all who wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from host.contracts.bus import MessageBus
from host.contracts.runs import JobRunReader
from host.engine.alarm import Alarm
from host.errors import RunNotFoundError
from host.model.messages import RunsChanged
from host.model.runs import JobRun

LOOK_SECONDS = 1.0
"""The store is looked at this often even when the bus says nothing."""


class RunEnds:
    """Tells each who waits for a run how it ended; reads nothing while nobody waits."""

    def __init__(self, reader: JobRunReader, bus: MessageBus, wait_failed: Callable[[], Awaitable[None]]) -> None:
        self._reader = reader
        self._bus = bus
        self._wait_failed = wait_failed
        self._alarm = Alarm()
        self._waiting: dict[UUID, set[asyncio.Future[JobRun]]] = {}
        self._task: asyncio.Task[None] | None = None

    async def wait(self, run_id: UUID) -> JobRun:
        """Give the run once it has ended; raises RunNotFoundError, or why the host cannot tell any more."""
        future: asyncio.Future[JobRun] = asyncio.get_running_loop().create_future()
        # Invariant: who waits is known before the run is read, so that no end falls in between.
        self._waiting.setdefault(run_id, set()).add(future)
        try:
            run = await self._reader.run(run_id)
            if run is None:
                raise RunNotFoundError(f"no run has the id {run_id}")
            if run.state.is_final:
                return run
            if self._task is None or self._task.done():
                self._task = asyncio.get_running_loop().create_task(self._follow(run.change), name="run ends")
            return await future
        finally:
            self._forget(run_id, future)

    def _forget(self, run_id: UUID, future: asyncio.Future[JobRun]) -> None:
        if future.done() and not future.cancelled():
            future.exception()  # seen, also where the wait has ended by something else
        waiting = self._waiting[run_id]
        waiting.discard(future)
        if not waiting:
            del self._waiting[run_id]
        if not self._waiting:
            self._alarm.ring()

    async def _follow(self, after: int) -> None:
        failing = asyncio.ensure_future(self._wait_failed())
        failing.add_done_callback(self._failed)
        unsubscribe = self._bus.subscribe(RunsChanged, lambda _: self._alarm.ring())
        try:
            while self._waiting:
                if failing.done():
                    failing.result()
                after = await self._look(after)
        except Exception as error:  # whatever it is, those who wait are told
            self._give_up(error)
        finally:
            unsubscribe()
            failing.cancel()

    async def _look(self, after: int) -> int:
        changed = await self._reader.changes(after)
        for run in changed:
            if run.state.is_final:
                for future in self._waiting.get(run.id, ()):
                    if not future.done():
                        future.set_result(run)
        if changed:
            return changed[-1].change
        await self._alarm.wait(LOOK_SECONDS)
        return after

    def _failed(self, failing: asyncio.Future[None]) -> None:
        if not failing.cancelled():
            failing.exception()  # seen; the next turn raises it
        self._alarm.ring()

    def _give_up(self, error: Exception) -> None:
        for waiting in self._waiting.values():
            for future in waiting:
                if not future.done():
                    future.set_exception(error)
