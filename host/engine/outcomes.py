"""Writing how runs ended: in batches, held while the store cannot take them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import structlog

from host.contracts.bus import MessageBus
from host.contracts.runs import JobRunClaimer
from host.engine.alarm import Alarm
from host.errors import InvalidRequestError, StoreUnavailableError
from host.model.messages import RunsChanged
from host.model.runs import ClaimedRun, RunOutcome, RunReason, RunSignal, RunState, SignalKind
from host.model.traces import trace_id_of

logger = structlog.get_logger(__name__)

BATCH = 500
BEHIND = 5000
"""Nothing more is claimed while this many outcomes wait."""
RETRY_SECONDS = 0.5
GATHER_SECONDS = 0.002
GATHER_BELOW = 50
"""Fewer outcomes than this wait a moment for company if others were written just before: a commit is dear."""
TOLD_SINGLY = 50
"""Ended runs are logged one by one, but at most this many a second; the others as a sum."""


class OutcomeWriter:
    """A queue of outcomes with one writer; order is kept, nothing is dropped."""

    def __init__(
        self,
        claimer: JobRunClaimer,
        bus: MessageBus,
        *,
        on_signal: Callable[[RunSignal], None],
        on_ended: Callable[[ClaimedRun, RunOutcome], None],
        on_written: Callable[[], None],
    ) -> None:
        self._claimer = claimer
        self._bus = bus
        self._on_signal = on_signal
        self._on_ended = on_ended
        self._on_written = on_written
        self._waiting: list[tuple[ClaimedRun, RunOutcome]] = []
        self._writing = 0
        self._alarm = Alarm()
        self._loop = asyncio.get_running_loop()
        self._written_at = 0.0
        self._teller = _Teller()
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

    def add(self, run: ClaimedRun, outcome: RunOutcome) -> None:
        """Take an outcome."""
        self._waiting.append((run, outcome))
        self._empty.clear()
        self._alarm.ring()

    async def flush(self, seconds: float) -> None:
        """Wait until all outcomes are durable, at most this long."""
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            logger.error("outcomes not written", count=len(self))

    async def run(self) -> None:
        """Write for as long as the host runs."""
        while True:
            if not self._waiting:
                self._empty.set()
                await self._alarm.wait(60)
                continue
            if len(self._waiting) < GATHER_BELOW and self._loop.time() - self._written_at < GATHER_SECONDS:
                await asyncio.sleep(GATHER_SECONDS)
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            self._writing = len(batch)
            await self._write(batch)
            self._writing = 0

    async def _write(self, batch: list[tuple[ClaimedRun, RunOutcome]]) -> None:
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
            except InvalidRequestError as error:
                if len(batch) == 1 and outcomes[0].reason is RunReason.INVALID_RESULT:
                    raise
                # Nothing was written. One outcome that cannot be kept must not hold up the others.
                singly = batch if len(batch) > 1 else [(batch[0][0], _without_result(outcomes[0], error))]
                for each in singly:
                    await self._write([each])
                return
        if self.is_holding:
            self.is_holding = False
            logger.info("outcomes written again")
        refused = {signal.id for signal in signals if signal.kind is SignalKind.LOST}
        for signal in signals:
            if signal.kind is SignalKind.LOST:
                # About the claim that has ended here: by now the run may be claimed anew, and is not to be disturbed.
                logger.warning("outcome refused: the claim was lost", run_id=str(signal.id))
            else:
                self._on_signal(signal)
        self._bus.publish(RunsChanged())
        self._on_written()
        self._written_at = self._loop.time()
        self._teller.tell(batch)
        for run, outcome in batch:
            if run.id not in refused:
                self._on_ended(run, outcome)


def _without_result(outcome: RunOutcome, error: InvalidRequestError) -> RunOutcome:
    return RunOutcome(
        id=outcome.id,
        fencing_token=outcome.fencing_token,
        state=RunState.FAILED,
        reason=RunReason.INVALID_RESULT,
        started_at=outcome.started_at,
        status_text=str(error)[:1000],
    )


class _Teller:
    """Logs ended runs: each by itself while they are few, as a sum while they are many."""

    def __init__(self) -> None:
        self._second = 0
        self._told = 0
        self._untold: Counter[str] = Counter()

    def tell(self, batch: list[tuple[ClaimedRun, RunOutcome]]) -> None:
        second = int(asyncio.get_running_loop().time())
        if second != self._second:
            self._second, self._told = second, 0
            if self._untold:
                logger.info("more runs ended", **self._untold)
                self._untold.clear()
        for run, outcome in batch:
            self._told += 1
            if self._told <= TOLD_SINGLY:
                _tell(run, outcome)
            else:
                self._untold[outcome.state.value] += 1


def _tell(run: ClaimedRun, outcome: RunOutcome) -> None:
    say = logger.warning if outcome.state in (RunState.FAILED, RunState.SCHEDULED) else logger.info
    say(
        f"run {outcome.state}",
        job_type=run.job_type,
        run_id=str(outcome.id),
        trace_id=trace_id_of(run.trace_id),
        **({"reason": outcome.reason.value} if outcome.reason else {}),
        **({"error": outcome.error.error} if outcome.error else {}),
    )
