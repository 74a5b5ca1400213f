"""Submitting and steering runs of this host."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from host.contracts.bus import MessageBus
from host.contracts.clock import Clock
from host.contracts.engine import Dispatcher, JobDirectory, Scheduler
from host.contracts.jobs import RunControl
from host.contracts.registry import JobRegistry, Pause
from host.contracts.runs import JobRunReader, JobRunWriter
from host.engine.bulk import BulkDesk
from host.engine.quarantine import QUARANTINE
from host.engine.requests import repeat_request, request_of
from host.errors import (
    InvalidRequestError,
    JobNotFoundError,
    RunNotFoundError,
    RunStateError,
    ScheduleNotFoundError,
)
from host.model.messages import JobsChanged, RunsChanged
from host.model.runs import BulkAction, BulkReport, CancelResult, JobRun, RunFilter, RunState
from host.model.schedules import schedule_ids
from host.model.submissions import RunSubmission


class HostedRunControl(RunControl):
    """Run control over the run store; wakes the dispatcher at once."""

    is_default = True

    def __init__(
        self,
        directory: JobDirectory,
        reader: JobRunReader,
        writer: JobRunWriter,
        registry: JobRegistry,
        dispatcher: Dispatcher,
        scheduler: Scheduler,
        bus: MessageBus,
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._reader = reader
        self._writer = writer
        self._registry = registry
        self._dispatcher = dispatcher
        self._scheduler = scheduler
        self._bus = bus
        self._clock = clock

    async def submit(self, submissions: Sequence[RunSubmission]) -> Sequence[UUID]:
        """Accept runs of registered jobs, all or none."""
        find = self._directory.find
        requests = [request_of(find(submission.job), submission) for submission in submissions]
        accepted = self._writer.submit(requests)
        self._dispatcher.wake()  # its claim shares the submission's commit
        ids = await accepted
        self._bus.publish(RunsChanged())
        return ids

    async def cancel(self, run_id: UUID, *, by: str | None = None) -> CancelResult:
        """Cancel a run, or ask it to stop."""
        results = await self._writer.request_cancel([run_id], by=by)
        if not results:
            run = await self._existing(run_id)
            raise RunStateError(f"run {run_id} is {run.state} already", hint="a finished run never changes")
        self._dispatcher.cancel(run_id)
        self._look()
        return results[0]

    async def retry(self, run_id: UUID, *, by: str | None = None) -> UUID:
        """Submit a finished run anew."""
        run = await self._existing(run_id)
        if not run.state.is_final:
            raise RunStateError(f"run {run_id} is {run.state}", hint="only a finished run can be run again")
        job = self._directory.find(run.job_type)
        ids = await self._writer.submit([repeat_request(job, run, by)])
        self._look()
        return ids[0]

    async def amend(
        self,
        run_id: UUID,
        *,
        priority: int | None = None,
        not_before: datetime | None = None,
        is_locked: bool | None = None,
    ) -> JobRun:
        """Change a waiting run, or lock a run against retention."""
        if not_before is not None and not_before.tzinfo is None:
            raise InvalidRequestError(f"{not_before.isoformat()} says no offset", hint="append Z for UTC")
        run = await self._writer.amend(run_id, priority=priority, not_before=not_before, is_locked=is_locked)
        self._look()
        return run

    async def release(self, run_id: UUID, *, by: str | None = None) -> JobRun:
        """Let a PENDING run go, or give a QUARANTINED one another chance."""
        run = await self._existing(run_id)
        if run.state is RunState.QUARANTINED:
            return await self._give_another_chance(run, by)
        if run.state is not RunState.PENDING:
            hint = "only a held or quarantined run can be released"
            raise RunStateError(f"run {run_id} is {run.state}", hint=hint)
        released = await self._writer.amend(run_id, release=True)
        self._look()
        return released

    async def _give_another_chance(self, run: JobRun, by: str | None) -> JobRun:
        again = await self.retry(run.id, by=by)
        scope = f"job:{run.job_type}"
        if any(pause.scope == scope and pause.by == QUARANTINE for pause in await self._registry.pauses()):
            await self._registry.resume(scope)
            await self._pauses_changed()
        return await self._existing(again)

    async def bulk(
        self,
        action: BulkAction,
        where: RunFilter,
        *,
        at_most: int = 100_000,
        dry_run: bool = False,
        by: str | None = None,
    ) -> BulkReport:
        """Do something to every run that a filter finds."""
        desk = BulkDesk(
            directory=self._directory,
            reader=self._reader,
            writer=self._writer,
            dispatcher=self._dispatcher,
            bus=self._bus,
            clock=self._clock,
        )
        return await desk.perform(action, where, at_most=at_most, dry_run=dry_run, by=by)

    async def pause(self, scope: str, *, reason: str, by: str | None = None) -> bool:
        """Start nothing more of everything, a job or a schedule."""
        stored = self._scope(scope)
        if stored.startswith("schedule:"):
            await self._require_schedule(stored.removeprefix("schedule:"))
        pause = Pause(scope=stored, reason=reason, by=by, at=self._clock.now())
        changed = await self._registry.pause(pause)
        await self._pauses_changed()
        return changed

    async def resume(self, scope: str, *, by: str | None = None) -> bool:  # kept for the audit trail
        """End a pause."""
        try:
            stored = self._scope(scope)
        except JobNotFoundError:
            stored = scope  # the pause of a job may outlast the job
            if all(pause.scope != scope for pause in await self._registry.pauses()):
                raise
        changed = await self._registry.resume(stored)
        await self._pauses_changed()
        return changed

    async def _pauses_changed(self) -> None:
        await self._scheduler.pauses_changed()
        self._bus.publish(JobsChanged())
        self._look()

    def _scope(self, scope: str) -> str:
        kind, _, name = scope.partition(":")
        if scope == "all":
            return scope
        if kind == "job" and name:
            return f"job:{self._directory.find(name).job_type}"
        if kind == "schedule" and name:
            return f"schedule:{_uuid(name)}"
        raise InvalidRequestError(f"{scope!r} is no scope", hint="use all, job:<job> or schedule:<schedule id>")

    async def _require_schedule(self, name: str) -> None:
        for job, entry in await self._directory.all_schedules():
            if UUID(name) in schedule_ids(job.job_type, entry.schedules):
                return
        raise ScheduleNotFoundError(f"no schedule has the id {name}", hint="jobhost schedule list shows them")

    async def _existing(self, run_id: UUID) -> JobRun:
        run = await self._reader.run(run_id)
        if run is None:
            raise RunNotFoundError(f"no run has the id {run_id}", hint="jobhost runs list shows the latest")
        return run

    def _look(self) -> None:
        self._dispatcher.wake()
        self._bus.publish(RunsChanged())


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidRequestError(f"{text!r} is no schedule id", hint="jobhost schedule list shows them") from None
