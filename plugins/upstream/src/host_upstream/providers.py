"""What a configuration names: the face contracts, performed by the upstream in whatever it speaks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from host.contracts.host import RemoteEngine
from host.contracts.jobs import JobManagerService, RunControl
from host.contracts.logs import RunLog
from host.contracts.registry import Pause
from host.contracts.runs import JobRunReader
from host.contracts.schedules import JobScheduleManager
from host.errors import UnsupportedOperationError, UpstreamUnavailableError
from host.model.jobs import JobInfo, JobStartType
from host.model.json import JsonObject, JsonValue
from host.model.logs import RunLogLine
from host.model.runs import BulkAction, BulkReport, CancelResult, JobRun, RunCounters, RunFilter, RunPage, RunState
from host.model.schedules import JobSchedule, ScheduleEntry
from host.model.statistics import JobStatistics
from host.model.submissions import RunSubmission
from host_upstream.faces import Upstream
from host_upstream.jobhost.waiting import Patience

ALIASES = ("SanteDB.Client.Upstream.Management.UpstreamJobManager, SanteDB.Client",)
"""SanteDB's one class does what these do together."""
FACES = (JobManagerService, RunControl, JobScheduleManager, JobRunReader, RunLog)
"""Only together: half of them would be an engine's here, the other half another one's."""


class UpstreamJobManager(JobManagerService, RemoteEngine):
    """The jobs of the upstream. What SanteDB's AMI cannot do, ``AmiJobManager`` lacks."""

    aliases = ALIASES
    companions = FACES

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def jobs(self) -> Sequence[JobInfo]:
        """Give the registered jobs, by name."""
        return await (await self._upstream.faces()).jobs.jobs()

    async def get_available_jobs(self) -> Sequence[JobInfo]:
        """Give the jobs that are offered but not registered, by name."""
        return await (await self._upstream.faces()).jobs.get_available_jobs()

    async def get_job(self, job: str) -> JobInfo:
        """Give one registered job."""
        return await (await self._upstream.faces()).jobs.get_job(job)

    async def is_job_registered(self, job: str) -> bool:
        """Say whether the job is registered."""
        return await (await self._upstream.faces()).jobs.is_job_registered(job)

    async def add_job(
        self, job_type: str, *, start_type: JobStartType = JobStartType.SCHEDULE, interval: timedelta | None = None
    ) -> JobInfo:
        """Register a job for as long as the upstream runs."""
        return await (await self._upstream.faces()).jobs.add_job(job_type, start_type=start_type, interval=interval)

    async def register_job(self, job_type: str) -> JobInfo:
        """Register an offered job for good."""
        return await (await self._upstream.faces()).jobs.register_job(job_type)

    async def start_job(
        self, job: str, parameters: JsonObject | Sequence[JsonValue] = (), *, by: str | None = None
    ) -> JobRun | None:
        """Submit a run at once; None of a SanteDB server, which tells no run."""
        return await (await self._upstream.faces()).jobs.start_job(job, parameters, by=by)

    async def cancel_job(self, job: str, *, by: str | None = None) -> Sequence[CancelResult]:
        """Ask every unfinished run of the job to stop."""
        return await (await self._upstream.faces()).jobs.cancel_job(job, by=by)

    async def get_job_schedules(self, job: str) -> ScheduleEntry:
        """Give the schedules in force."""
        return await (await self._upstream.faces()).jobs.get_job_schedules(job)

    async def set_job_schedule(
        self, job: str, schedules: Sequence[JobSchedule], *, expected_version: str | None = None
    ) -> ScheduleEntry:
        """Replace the job's schedules for good."""
        jobs = (await self._upstream.faces()).jobs
        return await jobs.set_job_schedule(job, schedules, expected_version=expected_version)

    async def clear_job_schedule(self, job: str, *, expected_version: str | None = None) -> ScheduleEntry:
        """Leave the job without any schedule, for good."""
        return await (await self._upstream.faces()).jobs.clear_job_schedule(job, expected_version=expected_version)

    async def timezone(self) -> str:
        """Give the zone in which the upstream reads schedules that name none."""
        return await (await self._upstream.faces()).timezone()

    async def pauses(self) -> Sequence[Pause]:
        """Give what must not start there, oldest first."""
        return await (await self._upstream.faces()).pauses()


class UpstreamRunControl(RunControl):
    """Submits runs to the upstream and steers them there. What AMI cannot do, ``AmiRunControl`` lacks."""

    aliases = ALIASES
    companions = FACES

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def submit(self, submissions: Sequence[RunSubmission]) -> Sequence[UUID]:
        """Accept runs of registered jobs, all or none; at most 10 000 at once."""
        return await (await self._upstream.faces()).control.submit(submissions)

    async def cancel(self, run_id: UUID, *, by: str | None = None) -> CancelResult:
        """Cancel a run, or ask it to stop."""
        return await (await self._upstream.faces()).control.cancel(run_id, by=by)

    async def retry(self, run_id: UUID, *, by: str | None = None) -> UUID:
        """Submit a finished run anew."""
        return await (await self._upstream.faces()).control.retry(run_id, by=by)

    async def amend(
        self,
        run_id: UUID,
        *,
        priority: int | None = None,
        not_before: datetime | None = None,
        is_locked: bool | None = None,
    ) -> JobRun:
        """Change a waiting run, or lock a run against retention."""
        control = (await self._upstream.faces()).control
        return await control.amend(run_id, priority=priority, not_before=not_before, is_locked=is_locked)

    async def release(self, run_id: UUID, *, by: str | None = None) -> JobRun:
        """Let a PENDING run go, or give a QUARANTINED one another chance."""
        return await (await self._upstream.faces()).control.release(run_id, by=by)

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
        control = (await self._upstream.faces()).control
        return await control.bulk(action, where, at_most=at_most, dry_run=dry_run, by=by)

    async def pause(self, scope: str, *, reason: str, by: str | None = None) -> bool:
        """Start nothing more of ``all``, a job or a schedule there."""
        return await (await self._upstream.faces()).control.pause(scope, reason=reason, by=by)

    async def resume(self, scope: str, *, by: str | None = None) -> bool:
        """End a pause there."""
        return await (await self._upstream.faces()).control.resume(scope, by=by)


class UpstreamJobScheduleManager(JobScheduleManager):
    """The upstream's stored schedules. What AMI cannot do, ``AmiScheduleManager`` lacks."""

    aliases = ALIASES
    companions = FACES

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def all(self) -> Sequence[ScheduleEntry]:
        """Give every entry, in stored order."""
        return await (await self._upstream.faces()).schedules.all()

    async def get(self, job_type: str) -> ScheduleEntry | None:
        """Give the entry of a job type, or None if it has none."""
        return await (await self._upstream.faces()).schedules.get(job_type)

    async def replace(
        self, job_type: str, schedules: Sequence[JobSchedule], *, expected_version: str | None = None
    ) -> ScheduleEntry:
        """Store these schedules as the job's entry, all or nothing."""
        stored = (await self._upstream.faces()).schedules
        return await stored.replace(job_type, schedules, expected_version=expected_version)

    async def clear(self, job_type: str, *, expected_version: str | None = None) -> ScheduleEntry:
        """Store an empty entry."""
        return await (await self._upstream.faces()).schedules.clear(job_type, expected_version=expected_version)

    async def remove(self, job_type: str, *, expected_version: str | None = None) -> bool:
        """Forget the entry; False if there was none."""
        return await (await self._upstream.faces()).schedules.remove(job_type, expected_version=expected_version)


class UpstreamJobRunReader(JobRunReader):
    """The upstream's runs. What AMI cannot tell, ``AmiRunReader`` lacks."""

    aliases = ALIASES
    companions = FACES

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def run(self, run_id: UUID) -> JobRun | None:
        """Give one run, or None."""
        return await (await self._upstream.faces()).runs.run(run_id)

    async def runs(self, where: RunFilter | None = None, *, cursor: str | None = None, limit: int = 50) -> RunPage:
        """List runs, newest first."""
        return await (await self._upstream.faces()).runs.runs(where, cursor=cursor, limit=limit)

    async def latest(self, job_ids: Collection[UUID], states: Collection[RunState] = ()) -> Mapping[UUID, JobRun]:
        """Give the newest run of each of these jobs."""
        return await (await self._upstream.faces()).runs.latest(job_ids, states)

    async def counters(self) -> RunCounters:
        """Count unfinished runs by state."""
        return await (await self._upstream.faces()).runs.counters()

    async def changes(self, after: int, *, limit: int = 500) -> Sequence[JobRun]:
        """Give the runs changed since a change number."""
        return await (await self._upstream.faces()).runs.changes(after, limit=limit)

    async def statistics(
        self,
        job_ids: Collection[UUID] = (),
        *,
        since: datetime,
        until: datetime | None = None,
        step: timedelta | None = None,
    ) -> Sequence[JobStatistics]:
        """Give what became of the runs that finished in ``[since, until)``, by job."""
        return await (await self._upstream.faces()).runs.statistics(job_ids, since=since, until=until, step=step)

    async def failing(self, job_ids: Collection[UUID], *, at_most: int = 100) -> Mapping[UUID, int]:
        """Give how many runs of each job in a row have failed."""
        return await (await self._upstream.faces()).runs.failing(job_ids, at_most=at_most)


class UpstreamRunLog(RunLog):
    """What runs wrote at the upstream; only there it is written. Of AMI, ``AmiRunLog`` lacks all."""

    aliases = ALIASES
    companions = FACES
    lacks: ClassVar[frozenset[str]] = frozenset({"append", "prune"})
    knows_runs: ClassVar[bool] = True

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    def append(self, run_id: UUID, lines: Sequence[RunLogLine]) -> None:
        """Refuse."""
        raise _refusal("written")

    async def read(self, run_id: UUID, *, after: int = 0, limit: int = 1000) -> Sequence[RunLogLine]:
        """Give lines with a number above ``after``, oldest first; raises RunNotFoundError."""
        return await (await self._upstream.faces()).log.read(run_id, after=after, limit=limit)

    async def follow(self, run_id: UUID, *, after: int = 0) -> AsyncIterator[RunLogLine]:
        """Give lines above ``after`` and then each new one as it comes, also across restarts of the upstream."""
        log = await self._awaited()
        async with aclosing(log.follow(run_id, after=after)) as lines:  # type: ignore[type-var]  # a generator
            async for line in lines:
                yield line

    async def prune(self, run_ids: Collection[UUID]) -> int:
        """Refuse."""
        raise _refusal("deleted")

    async def _awaited(self) -> RunLog:
        """Give the log once the upstream says what it speaks: a follower waits."""
        patience = Patience()
        while True:
            try:
                return (await self._upstream.faces()).log
            except UpstreamUnavailableError:
                await patience.wait()


def _refusal(what: str) -> UnsupportedOperationError:
    return UnsupportedOperationError(
        f"lines of runs are {what} where the runs are performed", hint="this host only shows what its upstream does"
    )
