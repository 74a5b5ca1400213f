"""Writing that runs started and how far they are: soon for the start, at most once a second for progress."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from host.contracts.clock import Clock
from host.contracts.runs import JobRunClaimer
from host.engine.alarm import Alarm
from host.engine.context import ActiveRun
from host.errors import StoreUnavailableError
from host.model.runs import RunSignal, RunUpdate

logger = structlog.get_logger(__name__)

START_DELAY_SECONDS = 0.02
"""Runs that end sooner need no write of their own for RUNNING: the outcome carries it."""
PROGRESS_SECONDS = 1.0
BATCH = 500


class ProgressWriter:
    """Collects what active runs have to report; a run that has ended is forgotten."""

    def __init__(self, claimer: JobRunClaimer, clock: Clock, on_signal: Callable[[RunSignal], None]) -> None:
        self._claimer = claimer
        self._clock = clock
        self._on_signal = on_signal
        self._dirty: dict[int, ActiveRun] = {}
        self._alarm = Alarm()
        self._loop = asyncio.get_running_loop()

    def started(self, active: ActiveRun) -> None:
        """Note that a run's code starts."""
        self._dirty[id(active)] = active
        if len(self._dirty) == 1:
            self._alarm.ring()

    def report(self, active: ActiveRun) -> None:
        """Note that a run has progress to tell; from any thread."""
        if active.is_dirty:
            return
        active.is_dirty = True
        self._loop.call_soon_threadsafe(self.started, active)

    def forget(self, active: ActiveRun) -> None:
        """Drop what a run had to report; its outcome says it all."""
        self._dirty.pop(id(active), None)

    async def run(self) -> None:
        """Write for as long as the host runs."""
        while True:
            if not self._dirty:
                await self._alarm.wait(60)
                await asyncio.sleep(START_DELAY_SECONDS)
                continue
            await self._write_due()  # by itself, so that nothing of a run is held while there is nothing to write
            await asyncio.sleep(START_DELAY_SECONDS if not self._dirty else PROGRESS_SECONDS / 4)

    async def _write_due(self) -> None:
        # What another thread told while the run ended is dropped: its answer would be taken for the next attempt's.
        self._dirty = {key: active for key, active in self._dirty.items() if active.task is not None}
        now = self._clock.monotonic()
        due = [active for active in self._dirty.values() if self._is_due(active, now)][:BATCH]
        if due:
            await self._write(due, now)

    def _is_due(self, active: ActiveRun, now: float) -> bool:
        return not active.is_recorded or now - active.written_at >= PROGRESS_SECONDS

    async def _write(self, due: list[ActiveRun], now: float) -> None:
        updates = [_update(active) for active in due]
        for active in due:
            active.is_dirty = False
        try:
            signals = await self._claimer.update(updates)
        except StoreUnavailableError as error:
            logger.warning("progress not written", count=len(due), error=str(error))
            return
        for active in due:
            active.is_recorded = True
            active.written_at = now
            if not active.is_dirty:
                self._dirty.pop(id(active), None)
        for signal in signals:
            self._on_signal(signal)


def _update(active: ActiveRun) -> RunUpdate:
    context = active.context
    return RunUpdate(
        id=active.run.id,
        fencing_token=active.run.fencing_token,
        started_at=None if active.is_recorded else active.started_at,
        progress=context.progress_value if context else None,
        status_text=context.status_text if context else None,
        is_stuck=True if active.is_stuck else None,
    )
