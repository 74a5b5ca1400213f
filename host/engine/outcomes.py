"""Writing how runs ended: in batches, held while the store cannot take them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from host.contracts.bus import MessageBus
from host.contracts.runs import JobRunClaimer
from host.engine.alarm import Alarm
from host.engine.context import ActiveRun
from host.errors import StoreUnavailableError
from host.model.messages import RunsChanged
from host.model.runs import RunOutcome, RunSignal, RunState, SignalKind

logger = structlog.get_logger(__name__)

BATCH = 500
BEHIND = 5000
"""Nothing more is claimed while this many outcomes wait."""
RETRY_SECONDS = 0.5
TOLD_SINGLY = 20
"""Batches up to this size are logged run by run, larger ones as a sum."""


class OutcomeWriter:
    """A queue of outcomes with one writer; order is kept, nothing is dropped."""

    def __init__(
        self,
        claimer: JobRunClaimer,
        bus: MessageBus,
        *,
        on_signal: Callable[[RunSignal], None],
        on_written: Callable[[], None],
    ) -> None:
        self._claimer = claimer
        self._bus = bus
        self._on_signal = on_signal
        self._on_written = on_written
        self._waiting: list[tuple[ActiveRun, RunOutcome]] = []
        self._writing = 0
        self._alarm = Alarm()
        self._empty = asyncio.Event()
        self._empty.set()
        self.is_holding = False
        """Whether the store refuses them at present."""

    def __len__(self) -> int:
        """Give how many outcomes are not durable yet."""
        return len(self._waiting) + self._writing

    @property
    def is_behind(self) -> bool:
        """Whether so many wait that nothing more should be claimed."""
        return len(self._waiting) >= BEHIND

    def add(self, active: ActiveRun, outcome: RunOutcome) -> None:
        """Take an outcome."""
        self._waiting.append((active, outcome))
        self._empty.clear()
        self._alarm.ring()

    async def flush(self, seconds: float) -> None:
        """Wait until all outcomes are durable, at most this long."""
        try:
            await asyncio.wait_for(self._empty.wait(), seconds)
        except TimeoutError:
            logger.error("outcomes not written", count=len(self))

    async def run(self) -> None:
        """Write for as long as the host runs."""
        while True:
            if not self._waiting:
                self._empty.set()
                await self._alarm.wait(60)
                continue
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            self._writing = len(batch)
            await self._write(batch)
            self._writing = 0

    async def _write(self, batch: list[tuple[ActiveRun, RunOutcome]]) -> None:
        outcomes = [outcome for _, outcome in batch]
        while True:
            try:
                signals = await self._claimer.finish(outcomes)
                break
            except StoreUnavailableError as error:
                if not self.is_holding:
                    self.is_holding = True
                    logger.error("outcomes held", count=len(self), error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
        if self.is_holding:
            self.is_holding = False
            logger.info("outcomes written again")
        for signal in signals:
            if signal.kind is SignalKind.LOST:
                logger.warning("outcome refused: the claim was lost", run_id=str(signal.id))
            self._on_signal(signal)
        self._bus.publish(RunsChanged())
        self._on_written()
        _tell(batch)


def _tell(batch: list[tuple[ActiveRun, RunOutcome]]) -> None:
    if len(batch) > TOLD_SINGLY:
        counts: dict[str, int] = {}
        for _, outcome in batch:
            counts[outcome.state] = counts.get(outcome.state, 0) + 1
        logger.info("runs ended", **counts)
        return
    for active, outcome in batch:
        say = logger.warning if outcome.state in (RunState.FAILED, RunState.SCHEDULED) else logger.info
        fields = {"error": outcome.error.error} if outcome.error else {}
        say(
            f"run {outcome.state}",
            job_type=active.run.job_type,
            run_id=str(outcome.id),
            trace_id=active.run.trace_id,
            **({"reason": outcome.reason} if outcome.reason else {}),
            **fields,
        )
