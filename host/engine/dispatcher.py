"""Claims due runs for the free slots, performs them, and writes their outcomes in batches."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

import structlog

from host.contracts.bus import MessageBus
from host.contracts.clock import Clock
from host.contracts.contract import Finding, Service, Settings
from host.contracts.engine import Dispatcher, JobDirectory
from host.contracts.executors import JobExecutor
from host.contracts.host import DataDirectory
from host.contracts.jobs import JobCatalogue
from host.contracts.logs import RunLog
from host.contracts.runs import JobRunClaimer
from host.engine.alarm import Alarm
from host.engine.context import ActiveRun
from host.engine.outcomes import OutcomeWriter
from host.engine.progress import ProgressWriter
from host.engine.runner import Runner
from host.engine.watchdog import LoopWatchdog
from host.errors import StoreUnavailableError
from host.model.jobs import RecoveryPolicy
from host.model.messages import RunsChanged
from host.model.runs import Claim, ClaimedRun, RunOutcome, RunReason, RunSignal, RunState, RunUpdate, SignalKind

logger = structlog.get_logger(__name__)

IDLE_SECONDS = 5.0
"""The store is looked at this often even when nobody says that something is due."""
RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatcherSettings(Settings):
    """How runs are performed here."""

    section: ClassVar[str] = "DispatcherConfigurationSection"
    claim_batch: int = 250
    """At most this many runs a claim."""
    cancel_grace: timedelta = timedelta(seconds=10)
    """A run that ignores its cancellation this long is shown as stuck and frees its slot."""
    blocked_after: timedelta = timedelta(seconds=2)
    """A job that blocks the event loop this long is named with its stack."""


class HostedDispatcher(Dispatcher, Service):
    """Performs runs in this process, at most as many as the executors have slots."""

    is_default = True

    def __init__(
        self,
        settings: DispatcherSettings,
        data: DataDirectory,
        claimer: JobRunClaimer,
        catalogue: JobCatalogue,
        directory: JobDirectory,
        executors: Sequence[JobExecutor],
        log: RunLog,
        bus: MessageBus,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._claimer = claimer
        self._catalogue = catalogue
        self._executors = {executor.name: executor for executor in executors}
        self._clock = clock
        self._bus = bus
        self._busy = dict.fromkeys(self._executors, 0)
        self._active: dict[UUID, ActiveRun] = {}
        self._offered: frozenset[str] = frozenset()
        # Invariant: nothing is claimed before the scheduler has said what is paused.
        self._held = True
        self._draining = False
        self._full = False
        self._is_waiting = False
        self._again = False
        self._claiming: tuple[dict[str, int], Awaitable[Claim]] | None = None
        self._after_tenant: str | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._node = data.node
        self._log, self._directory = log, directory

    async def start(self) -> None:
        """Rescue runs of nodes that are gone, then begin to claim."""
        if self._tasks:
            return
        self._draining, self._claiming = False, None
        self._alarm = Alarm()
        self._settled = asyncio.Event()
        self._settled.set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._loop = asyncio.get_running_loop()
        self._outcomes = OutcomeWriter(
            self._claimer,
            self._bus,
            on_signal=self._signal,
            on_written=self._alarm.ring,  # an exclusive key may be free now, or a retry due sooner
        )
        self._progress = ProgressWriter(self._claimer, self._clock, self._signal)
        self._runner = Runner(
            node=self._node(),
            catalogue=self._catalogue,
            directory=self._directory,
            executors=self._executors,
            log=self._log,
            clock=self._clock,
            on_progress=self._progress.report,
        )
        self._watchdog = LoopWatchdog(self._settings.blocked_after.total_seconds())
        self._offered = frozenset(self._catalogue.available())
        for run in await self._claimer.rescue():
            logger.warning(
                "run rescued", run_id=str(run.id), job_type=run.job_type, state=run.state, crashes=run.crashes
            )
        self._tasks = [
            self._loop.create_task(self._claim_forever(), name="claim"),
            self._loop.create_task(self._outcomes.run(), name="outcomes"),
            self._loop.create_task(self._progress.run(), name="progress"),
            self._loop.create_task(self._beat(), name="beat"),
        ]
        self._watchdog.start(self._loop)

    def background(self) -> Sequence[asyncio.Task[None]]:
        """Give the tasks whose end stops the host."""
        return self._tasks

    async def stop(self) -> None:
        """Stop claiming, give back what still runs, write what has ended."""
        if not self._tasks:
            return
        await self.drain(0)
        await self._outcomes.flush(self.stop_seconds / 3)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        self._watchdog.stop()

    def check(self) -> Sequence[Finding]:
        """Name stuck runs and outcomes that cannot be written."""
        findings = [
            Finding(message=f"run {active.run.id} of {active.run.job_type} ignores its cancellation")
            for active in self._active.values()
            if active.is_stuck
        ]
        if self._tasks and self._outcomes.is_holding:
            message = f"{len(self._outcomes)} outcomes wait: the run store cannot be written"
            findings.append(Finding(message=message, is_failure=True))
        return findings

    def wake(self) -> None:
        """Look for due runs now."""
        if not self._tasks:
            return
        if self._is_waiting and self._claiming is None:
            # Begun here and not in the loop's next turn, the claim shares a commit with what the caller wrote.
            self._claiming = self._begin_claim()
        else:
            self._again = True
        self._alarm.ring()

    def cancel(self, run_id: UUID) -> bool:
        """Ask a run performed here to stop."""
        active = self._active.get(run_id)
        if active is not None:
            active.stop(RunReason.REQUESTED, self._clock.monotonic())
        return active is not None

    def load(self) -> Mapping[str, tuple[int, int]]:
        """Give the calls now and the slots of each executor."""
        return {name: (self._busy[name], executor.slots) for name, executor in self._executors.items()}

    def hold(self, *, everything: bool, job_types: frozenset[str]) -> None:
        """Leave everything, or some job types, unclaimed; everything is held until the first call."""
        self._held = everything
        self._offered = frozenset(self._catalogue.available()) - job_types
        self.wake()

    async def drain(self, seconds: float) -> int:
        """Let active runs end; give back what has not after ``seconds``."""
        self._draining = True
        await self._wait_for(self._settled, self.stop_seconds / 3)
        await self._wait_idle(seconds)
        left = [active for active in self._active.values() if active.cancelled_at is None]
        for active in left:
            active.stop(RunReason.DRAINED, self._clock.monotonic())
        await self._wait_idle(self.stop_seconds / 3)
        for active in self._active.values():
            logger.error("run does not stop", run_id=str(active.run.id), job_type=active.run.job_type)
        return len(left)

    async def _claim_forever(self) -> None:
        while True:
            claiming, self._claiming = self._claiming or self._begin_claim(), None
            if claiming is None:
                await self._wait(IDLE_SECONDS)
                continue
            free, answer = claiming
            try:
                claim = await answer
            except StoreUnavailableError as error:
                logger.error("cannot claim runs", error=str(error))
                self._settled.set()
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self._take(claim, free)
            self._settled.set()
            if not self._full and not self._again:
                await self._wait(self._until(claim))

    def _begin_claim(self) -> tuple[dict[str, int], Awaitable[Claim]] | None:
        free = self._free()
        if not free:
            return None
        self._settled.clear()
        self._again = False  # what is asked from now on may come too late for this claim
        try:
            return free, self._claimer.claim(free, self._offered, after_tenant=self._after_tenant)
        except StoreUnavailableError as error:
            logger.error("cannot claim runs", error=str(error))
            self._settled.set()
            return None

    async def _wait(self, seconds: float) -> None:
        self._is_waiting = True
        try:
            await self._alarm.wait(seconds)
        finally:
            self._is_waiting = False

    def _take(self, claim: Claim, free: Mapping[str, int]) -> None:
        self._after_tenant = claim.last_tenant
        if claim.changed:
            self._bus.publish(RunsChanged())
        for run in claim.runs:
            if self._held or self._draining or run.job_type not in self._offered:
                # Claimed just before a pause or a drain, which are in force already.
                self._outcomes.add(run, RunOutcome(id=run.id, fencing_token=run.fencing_token, state=RunState.QUEUED))
            else:
                self._begin(run)
        taken = Counter(run.executor for run in claim.runs)
        self._full = any(taken[name] >= count for name, count in free.items())

    def _free(self) -> dict[str, int]:
        if self._held or self._draining or self._outcomes.is_behind:
            return {}
        batch = self._settings.claim_batch
        free = {name: min(batch, executor.slots - self._busy[name]) for name, executor in self._executors.items()}
        return {name: count for name, count in free.items() if count > 0}

    def _until(self, claim: Claim) -> float:
        if claim.next_due is None:
            return IDLE_SECONDS
        return min(IDLE_SECONDS, max(0.001, (claim.next_due - self._clock.now()).total_seconds()))

    def _begin(self, run: ClaimedRun) -> None:
        active = ActiveRun(run)
        self._active[run.id] = active
        self._busy[run.executor] += 1
        self._idle.clear()
        outcome = self._runner.prepare(active)
        if outcome is not None:
            self._end(active, outcome)
            return
        if run.recovery is RecoveryPolicy.FAIL:
            work: Coroutine[Any, Any, RunOutcome | None] = self._perform_durably(active)
        else:
            active.started_at = self._clock.now()
            self._progress.started(active)
            self._set_timer(active)
            work = self._runner.perform(active)
        active.task = self._loop.create_task(work, name=run.job_type)
        active.task.add_done_callback(lambda task: self._ended(active, task))
        if run.cancel_requested:
            active.stop(RunReason.REQUESTED, self._clock.monotonic())

    async def _perform_durably(self, active: ActiveRun) -> RunOutcome | None:
        # Invariant: code of a recovery=fail job starts only after RUNNING is durable.
        started_at = self._clock.now()
        update = RunUpdate(id=active.run.id, fencing_token=active.run.fencing_token, started_at=started_at)
        signals = await self._claimer.update([update])
        if any(signal.kind is SignalKind.LOST for signal in signals):
            return None
        active.started_at = started_at
        active.is_recorded = True
        self._set_timer(active)
        return await self._runner.perform(active)

    def _set_timer(self, active: ActiveRun) -> None:
        if active.run.timeout is not None:
            active.timer = self._loop.call_later(active.run.timeout.total_seconds(), self._time_out, active)

    def _ended(self, active: ActiveRun, task: asyncio.Task[RunOutcome | None]) -> None:
        if task.cancelled():
            self._end(active, self._runner.stopped(active))
            return
        error = task.exception()
        if error is not None:
            self._end(active, self._runner.not_started(active, error))
            return
        self._end(active, task.result())

    def _end(self, active: ActiveRun, outcome: RunOutcome | None) -> None:
        run = active.run
        if active.timer is not None:
            active.timer.cancel()
        self._active.pop(run.id, None)
        self._progress.forget(active)
        if active.has_slot:
            self._busy[run.executor] -= 1
        if outcome is not None:
            self._outcomes.add(run, outcome)
        active.close()
        if self._full:
            self._alarm.ring()
        if not self._active:
            self._idle.set()

    def _time_out(self, active: ActiveRun) -> None:
        active.stop(RunReason.TIMEOUT, self._clock.monotonic())

    def _signal(self, signal: RunSignal) -> None:
        active = self._active.get(signal.id)
        if active is None:
            return
        reason = RunReason.REQUESTED if signal.kind is SignalKind.CANCEL else RunReason.LOST
        active.stop(reason, self._clock.monotonic())

    async def _beat(self) -> None:
        while True:
            self._watchdog.tick()
            self._find_stuck()
            await asyncio.sleep(min(1.0, self._settings.blocked_after.total_seconds() / 2))

    def _find_stuck(self) -> None:
        limit = self._clock.monotonic() - self._settings.cancel_grace.total_seconds()
        for active in self._active.values():
            if active.cancelled_at is not None and active.cancelled_at < limit and not active.is_stuck:
                active.is_stuck = True
                active.has_slot = False
                self._busy[active.run.executor] -= 1
                self._progress.report(active)
                logger.error("run is stuck", run_id=str(active.run.id), job_type=active.run.job_type)
                self._alarm.ring()

    async def _wait_idle(self, seconds: float) -> None:
        if self._active and seconds > 0:
            await self._wait_for(self._idle, seconds)

    async def _wait_for(self, event: asyncio.Event, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()
