"""Claims due runs for the free slots, performs them, and writes their outcomes in batches."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import structlog

from host.contracts.bus import MessageBus
from host.contracts.clock import Clock
from host.contracts.contract import Finding, Service, Settings
from host.contracts.engine import Dispatcher, JobDirectory
from host.contracts.executors import JobExecutor
from host.contracts.host import DataDirectory, ExecutorInfo
from host.contracts.jobs import JobCatalogue
from host.contracts.logs import RunLog
from host.contracts.metrics import TraceExport
from host.contracts.notices import Notifier
from host.contracts.registry import JobRegistry
from host.contracts.runs import JobRunClaimer, JobRunReader
from host.contracts.secrets import SecretProvider
from host.engine.alarm import Alarm
from host.engine.context import ActiveRun
from host.engine.joblog import RunLogHandler
from host.engine.notices import NoticeDesk, NoticeSettings
from host.engine.outcomes import OutcomeWriter
from host.engine.progress import ProgressWriter
from host.engine.quarantine import Quarantine
from host.engine.quarantine_notes import QuarantineNotes
from host.engine.runner import Runner
from host.engine.slots import Slots
from host.engine.stuck import StuckRuns, finding_of
from host.engine.suspects import SuspectRoom
from host.engine.tracing import RunSpans
from host.engine.watchdog import LoopWatchdog
from host.engine.workspace import FOLDER, remove, set_aside, sweep
from host.errors import StoreUnavailableError
from host.model.counts import counted
from host.model.jobs import RecoveryPolicy
from host.model.messages import RunsChanged
from host.model.runs import Claim, ClaimedRun, JobRun, RunOutcome, RunReason, RunSignal, RunState, RunUpdate, SignalKind

logger = structlog.get_logger(__name__)

IDLE_SECONDS = 5.0
"""The store is looked at this often even when nobody says that something is due."""
RETRY_SECONDS = 1.0
PAUSE_SECONDS = 1.0
"""How long a start waits for the pauses of jobs that a crash took out of service."""
LATE = timedelta(seconds=1)
"""A run that starts this much after it was due may be worth a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatcherSettings(Settings):
    """How runs are performed here."""

    section: ClassVar[str] = "DispatcherConfigurationSection"
    claim_batch: int = 250
    """At most this many runs a claim."""
    cancel_grace: timedelta = timedelta(seconds=10)
    """A run that goes on this long after it was asked to stop is shown as stuck and frees its slot."""
    blocked_after: timedelta = timedelta(seconds=2)
    """A job that blocks the event loop this long is named with its stack."""
    suspect_alone: timedelta = timedelta(seconds=10)
    """A run that was active when its host died has the next one to itself this long, at most."""


class HostedDispatcher(Dispatcher, Service):
    """Performs runs in this process, at most as many as the executors have slots."""

    is_default = True

    def __init__(
        self,
        settings: DispatcherSettings,
        data: DataDirectory,
        claimer: JobRunClaimer,
        reader: JobRunReader,
        registry: JobRegistry,
        catalogue: JobCatalogue,
        directory: JobDirectory,
        executors: Sequence[JobExecutor],
        notifiers: Sequence[Notifier],
        notices: NoticeSettings,
        secrets: SecretProvider | None,
        log: RunLog,
        bus: MessageBus,
        clock: Clock,
        traces: TraceExport
        | None = None,  # asked for only so that it starts before the first run and stops after the last
    ) -> None:
        self._settings = settings
        self._claimer = claimer
        self._catalogue = catalogue
        self._slots = Slots(executors)
        self._clock = clock
        self._bus = bus
        self._secrets = secrets
        self._notices = NoticeDesk(notices, notifiers, reader, clock, data.node)
        notes = QuarantineNotes(data.path(), reader)
        self._quarantine = Quarantine(registry, clock, bus, notes, on_admitted=self._notices.quarantined)
        self._active: dict[UUID, ActiveRun] = {}
        self._offered: frozenset[str] = frozenset()
        self._quarantining: set[str] = set()
        """Job types whose pause is on its way to the registry."""
        # Invariant: nothing is claimed before the scheduler has said what is paused.
        self._held = True
        self._draining = False
        self._full = False
        self._is_waiting = False
        self._again = False
        self._claiming: tuple[dict[str, int], Awaitable[Claim]] | None = None
        self._after_tenant: str | None = None
        self._next_due: datetime | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._chores: set[asyncio.Future[None]] = set()
        """Things to be done that nobody waits for: removing folders, pausing jobs."""
        self._records = RunLogHandler()
        self._data = data
        self._log, self._directory = log, directory

    async def start(self) -> None:
        """Rescue runs of nodes that are gone, then begin to claim."""
        if self._tasks:
            return
        workspaces = self._data.path() / FOLDER
        self._assemble(workspaces)
        await asyncio.to_thread(sweep, workspaces)
        for run in await self._quarantine.rescued(partial(self._claimer.rescue, isolating=self._slots.isolating)):
            self._do(self._pause_job(run))
        self._tasks = [
            self._loop.create_task(self._claim_forever(), name="claim"),
            self._loop.create_task(self._outcomes.run(), name="outcomes"),
            self._loop.create_task(self._progress.run(), name="progress"),
            self._loop.create_task(self._beat(), name="beat"),
            self._loop.create_task(self._notices.run(), name="notices"),
        ]
        if logging.getLogger().handlers:
            # Else logging is not configured: a handler of ours would keep it from saying anything at all.
            logging.getLogger().addHandler(self._records)
        self._watchdog.start(self._loop)
        if self._chores:
            # As a rule the pauses are written at once. A registry that cannot be written must not keep the host down.
            await asyncio.wait(self._chores, timeout=PAUSE_SECONDS)

    def _assemble(self, workspaces: Path) -> None:
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
            on_ended=self._notices.ended,
            on_written=self._alarm.ring,  # an exclusive key may be free now, or a retry due sooner
        )
        self._progress = ProgressWriter(self._claimer, self._clock, self._signal)
        self._runner = Runner(
            node=self._data.node(),
            catalogue=self._catalogue,
            directory=self._directory,
            executors=self._slots.executors,
            log=self._log,
            clock=self._clock,
            on_progress=self._progress.report,
            workspaces=workspaces,
            secrets=self._secrets,
            spans=RunSpans.if_recorded(),
        )
        self._room = SuspectRoom(
            self._settings.suspect_alone.total_seconds(), begin=self._begin, on_open=self._alarm.ring
        )
        self._stuck = StuckRuns(
            self._settings.cancel_grace.total_seconds(),
            slots=self._slots,
            clock=self._clock,
            progress=self._progress,
            notices=self._notices,
            on_slot=self._alarm.ring,
        )
        self._watchdog = LoopWatchdog(self._settings.blocked_after.total_seconds())
        self._offered = frozenset(self._catalogue.available())

    def background(self) -> Sequence[asyncio.Task[None]]:
        """Give the tasks whose end stops the host."""
        return self._tasks

    async def stop(self) -> None:
        """Stop claiming, give back what still runs, write what has ended."""
        if not self._tasks:
            return
        await self.drain(0)
        logging.getLogger().removeHandler(self._records)
        if self._chores:
            await asyncio.wait(self._chores, timeout=self.stop_seconds / 6)
        await self._outcomes.flush(self.stop_seconds / 3)
        for task in (*self._tasks, *self._chores):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._chores, return_exceptions=True)
        self._tasks = []
        self._watchdog.stop()

    def check(self) -> Sequence[Finding]:
        """Name stuck runs and outcomes that cannot be written."""
        findings = [finding_of(active) for active in self._active.values() if active.is_stuck]
        if self._tasks and self._outcomes.is_holding:
            waiting = counted(len(self._outcomes), "outcome", ("waits", "wait"))
            message = f"{waiting}: the run store cannot be written"
            findings.append(Finding(message=message, is_failure=True))
        return [*findings, *self._notices.findings()]

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

    async def wait_quiet(self) -> datetime | None:
        """Look now, and return when nothing due is left and nothing runs; gives when something will be due.

        For who moves the clock by hand. What is paused is not due.
        """
        while True:
            self.wake()
            await self._alarm.wait_quiet()
            if not self._active and not len(self._outcomes):
                return self._next_due
            await self._idle.wait()
            await self._outcomes.flush(self.stop_seconds)

    def cancel(self, run_id: UUID) -> bool:
        """Ask a run performed here to stop."""
        active = self._active.get(run_id)
        if active is not None:
            active.stop(RunReason.REQUESTED, self._clock.monotonic())
        elif self._room.awaits(run_id):
            self._give_back(self._room.withdraw())  # its row says what was asked, so it ends as CANCELLED
            self._alarm.ring()
            return True
        return active is not None

    def executors(self) -> Sequence[ExecutorInfo]:
        """Give the executors with their load."""
        return self._slots.infos()

    def stack(self, run_id: UUID) -> str | None:
        """Give where the code of a run is now."""
        active = self._active.get(run_id)
        return None if active is None else self._slots.stack(active)

    def hold(self, *, everything: bool, job_types: frozenset[str]) -> None:
        """Leave everything, or some job types, unclaimed; everything is held until the first call."""
        self._held = everything
        self._notices.held(is_held=everything or bool(job_types))
        self._offered = frozenset(self._catalogue.available()) - job_types - self._quarantining
        self.wake()

    async def drain(self, seconds: float) -> int:
        """Let active runs end; give back what has not after ``seconds``."""
        self._draining = True
        await self._wait_for(self._settled, self.stop_seconds / 3)
        self._give_back(self._room.withdraw())
        await self._wait_idle(seconds)
        left = [active for active in self._active.values() if active.cancelled_at is None]
        for active in left:
            active.stop(RunReason.DRAINED, self._clock.monotonic())
        await self._wait_idle(self.stop_seconds / 3)
        for active in self._active.values():
            logger.error("run does not stop", run_id=str(active.run.id), job_type=active.run.job_type)
        return len(left)

    def resume(self) -> None:
        """Claim again."""
        self._draining = False
        self.wake()

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
            claim = self._claimer.claim(
                free, self._offered, after_tenant=self._after_tenant, alone_from=self._room.alone_from
            )
            return free, claim
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
        self._after_tenant, self._next_due = claim.last_tenant, claim.next_due
        if claim.changed:
            self._bus.publish(RunsChanged())
        for run in claim.runs:
            is_suspect = run.crashes >= self._room.alone_from and self._isolation_of(run) is None
            if is_suspect and not (self._held or self._draining):
                self._room.admit(run, is_idle=not self._active)
            else:
                self._begin(run)
        taken = Counter(run.executor for run in claim.runs)
        # A suspect is claimed alone: others may be due, for whom there is room unless it took that.
        self._full = any(run.crashes for run in claim.runs) or any(taken[name] >= count for name, count in free.items())

    def _free(self) -> dict[str, int]:
        if self._held or self._draining or self._room.is_taken or self._outcomes.is_behind:
            return {}
        return self._slots.free(self._settings.claim_batch)

    def _until(self, claim: Claim) -> float:
        if claim.next_due is None:
            return IDLE_SECONDS
        return min(IDLE_SECONDS, max(0.001, (claim.next_due - self._clock.now()).total_seconds()))

    def _give_back(self, run: ClaimedRun | None) -> None:
        if run is not None:
            self._outcomes.add(run, RunOutcome(id=run.id, fencing_token=run.fencing_token, state=RunState.QUEUED))

    def _isolation_of(self, run: ClaimedRun) -> str | None:
        """Give the executor that performs a suspect where it cannot hurt the host, if there is one for it."""
        if run.executor in self._slots.isolating:
            return run.executor
        info = self._runner.info_of(run)
        return self._slots.refuge() if info is not None and info.process_safe else None

    def _begin(self, run: ClaimedRun) -> ActiveRun | None:
        if self._held or self._draining or run.job_type not in self._offered:
            # Claimed just before a pause or a drain, which are in force already.
            self._give_back(run)
            return None
        active = ActiveRun(run)
        if run.crashes:
            active.executor = self._isolation_of(run) or run.executor
        self._active[run.id] = active
        self._slots.take(active)
        self._idle.clear()
        if run.claimed_at - run.due_at > LATE:
            self._notices.started_late(run, (run.claimed_at - run.due_at).total_seconds())
        outcome = self._runner.prepare(active)
        if outcome is not None:
            self._end(active, outcome)
            return None
        if run.recovery is RecoveryPolicy.FAIL:
            work: Coroutine[Any, Any, RunOutcome | None] = self._perform_durably(active)
        else:
            active.started_at, active.began = self._clock.now(), self._clock.monotonic()
            self._progress.started(active)
            self._set_timer(active)
            work = self._runner.perform(active)
        active.task = self._loop.create_task(work, name=run.job_type)
        active.task.add_done_callback(lambda task: self._ended(active, task))
        if run.cancel_requested:
            active.stop(RunReason.REQUESTED, self._clock.monotonic())
        return active

    async def _perform_durably(self, active: ActiveRun) -> RunOutcome | None:
        # Invariant: code of a recovery=fail job starts only after RUNNING is durable.
        started_at = self._clock.now()
        update = RunUpdate(id=active.run.id, fencing_token=active.run.fencing_token, started_at=started_at)
        signals = await self._claimer.update([update])
        if any(signal.kind is SignalKind.LOST for signal in signals):
            return None
        if signals:
            # Asked to cancel after the claim was made and before this was among the active: it is told once.
            active.stop(RunReason.REQUESTED, self._clock.monotonic())
            return self._runner.stopped(active)
        active.started_at, active.began = started_at, self._clock.monotonic()
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
        self._slots.leave(active)
        if outcome is not None and outcome.state is RunState.QUARANTINED:
            self._do(self._quarantine_run(run, outcome))
        elif outcome is not None:
            self._outcomes.add(run, outcome)
        if active.context is not None and (active.context.has_workspace or active.executor in self._slots.isolating):
            # Moved now, for the next attempt may ask for its folder before this one is removed.
            aside = set_aside(active.context.folder, run.fencing_token)
            if aside is not None:
                self._do(asyncio.to_thread(remove, aside))
        active.close()
        self._room.left(active)
        if self._full:
            self._alarm.ring()
        if not self._active:
            self._room.enter()
        if not self._active:
            self._idle.set()

    async def _quarantine_run(self, run: ClaimedRun, outcome: RunOutcome) -> None:
        # Invariant: the pause is durable before the outcome is. A host that dies in between finds a suspect again.
        await self._pause_job(run)
        self._outcomes.add(run, outcome)

    async def _pause_job(self, run: ClaimedRun | JobRun) -> None:
        """Pause a job because of this run; none of its runs is claimed meanwhile, however long it takes."""
        self._quarantining.add(run.job_type)
        self._offered -= {run.job_type}
        await self._quarantine.admit(run)
        self._quarantining.discard(run.job_type)

    def _do(self, chore: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(chore)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

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
            self._stuck.look(self._active.values())
            await asyncio.sleep(min(1.0, self._settings.blocked_after.total_seconds() / 2))

    async def _wait_idle(self, seconds: float) -> None:
        if self._active and seconds > 0:
            await self._wait_for(self._idle, seconds)

    async def _wait_for(self, event: asyncio.Event, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()
