"""SanteDB's job manager over the engine of this host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from host.contracts.bus import MessageBus
from host.contracts.clock import Clock
from host.contracts.engine import Dispatcher, JobDirectory, Scheduler, StartOptions
from host.contracts.jobs import JobCatalogue, JobManagerService, RunControl
from host.contracts.registry import JobRegistry, Registration
from host.contracts.runs import JobRunReader, JobRunWriter
from host.contracts.schedules import JobScheduleManager
from host.errors import JobNotFoundError, JobRegisteredError, ScheduleVersionError
from host.model.jobs import JobInfo, JobStartType
from host.model.json import JsonObject, JsonValue
from host.model.messages import JobsChanged, ScheduleChanged
from host.model.parameters import check_parameters
from host.model.runs import FINAL_STATES, CancelResult, JobRun, RunFilter, RunState
from host.model.schedules import JobSchedule, ScheduleEntry
from host.model.submissions import RunSubmission
from host.triggers import check_schedule

UNFINISHED = frozenset(RunState) - FINAL_STATES


class HostedJobManager(JobManagerService):
    """Runs jobs in this host."""

    is_default = True
    aliases = (
        "SanteDB.Core.Jobs.DefaultJobManagerService, SanteDB.Core.Api",
        "SanteDB.Core.Services.DefaultJobManagerService, SanteDB.Core",
    )

    def __init__(
        self,
        catalogue: JobCatalogue,
        directory: JobDirectory,
        registry: JobRegistry,
        stored: JobScheduleManager,
        control: RunControl,
        reader: JobRunReader,
        writer: JobRunWriter,
        bus: MessageBus,
        clock: Clock,
        scheduler: Scheduler,
        dispatcher: Dispatcher,
        options: StartOptions,
    ) -> None:
        self._catalogue = catalogue
        self._directory = directory
        self._registry = registry
        self._stored = stored
        self._control = control
        self._reader = reader
        self._writer = writer
        self._bus = bus
        self._clock = clock
        self._scheduler = scheduler
        self._dispatcher = dispatcher
        self._options = options
        self._listed: Mapping[str, JobInfo] | None = None
        """What the two lists were made of."""
        self._registered: tuple[JobInfo, ...] = ()
        self._unregistered: tuple[JobInfo, ...] = ()

    async def jobs(self) -> Sequence[JobInfo]:
        """Give the registered jobs, by name; the same object until something changes."""
        self._list()
        return self._registered

    async def get_available_jobs(self) -> Sequence[JobInfo]:
        """Give the jobs that are offered but not registered, by name; the same object until something changes."""
        self._list()
        return self._unregistered

    def _list(self) -> None:
        known = self._directory.jobs()
        if known is self._listed:
            return
        offered = self._catalogue.available()
        self._listed = known
        self._registered = tuple(sorted(known.values(), key=_by_name))
        self._unregistered = tuple(
            sorted((info for job_type, info in offered.items() if job_type not in known), key=_by_name)
        )

    async def get_job(self, job: str) -> JobInfo:
        """Give one registered job."""
        return self._directory.find(job)

    async def is_job_registered(self, job: str) -> bool:
        """Say whether the job is registered."""
        try:
            self._directory.find(job)
        except JobNotFoundError:
            return False
        return True

    async def add_job(
        self, job_type: str, *, start_type: JobStartType = JobStartType.SCHEDULE, interval: timedelta | None = None
    ) -> JobInfo:
        """Register a job for as long as this host runs."""
        info = replace(self._offered(job_type), start_type=start_type, source="code")
        known = self._directory.jobs().get(info.job_type)
        if known is not None:
            return known
        fallback = [] if interval is None else [JobSchedule.every(interval)]
        self._check(info, fallback)
        added = await self._directory.add(info, fallback)
        self._bus.publish(JobsChanged())
        self._bus.publish(ScheduleChanged(job_type=info.job_type))
        if start_type in (JobStartType.IMMEDIATE, JobStartType.DELAY) and not self._options.has_started(info):
            if not await self._reader.latest([info.id], UNFINISHED):
                await self._control.submit([RunSubmission(job=info.job_type, owner="start")])
            self._options.note_started([info])
        return added

    async def register_job(self, job_type: str) -> JobInfo:
        """Register an offered job for good."""
        info = replace(self._offered(job_type), start_type=JobStartType.NEVER, source="operator")
        if info.job_type in self._directory.jobs():
            raise JobRegisteredError(f"job {info.name!r} is registered already", where=info.job_type)
        await self._registry.register(
            Registration(job_type=info.job_type, start_type=info.start_type, registered_at=self._clock.now())
        )
        added = await self._directory.add(info)
        self._bus.publish(JobsChanged())
        self._bus.publish(ScheduleChanged(job_type=info.job_type))
        return added

    async def start_job(
        self, job: str, parameters: JsonObject | Sequence[JsonValue] = (), *, by: str | None = None
    ) -> JobRun | None:
        """Submit a run at once."""
        ids = await self._control.submit([RunSubmission(job=job, parameters=parameters, owner=by)])
        return await self._reader.run(ids[0])

    async def cancel_job(self, job: str, *, by: str | None = None) -> Sequence[CancelResult]:
        """Ask every unfinished run of the job to stop."""
        info = self._directory.find(job)
        where = RunFilter(job_id=info.id, states=UNFINISHED)
        results: list[CancelResult] = []
        cursor: str | None = None
        while True:
            page = await self._reader.runs(where, cursor=cursor, limit=500)
            cancelled = await self._writer.request_cancel([run.id for run in page.runs], by=by)
            for result in cancelled:
                self._dispatcher.cancel(result.run_id)
            results.extend(cancelled)
            cursor = page.next_cursor
            if cursor is None:
                self._dispatcher.wake()
                return results

    async def get_job_schedules(self, job: str) -> ScheduleEntry:
        """Give the schedules in force, and where they come from."""
        return await self._directory.schedules(self._directory.find(job))

    async def set_job_schedule(
        self, job: str, schedules: Sequence[JobSchedule], *, expected_version: str | None = None
    ) -> ScheduleEntry:
        """Replace the job's schedules for good."""
        info = self._directory.find(job)
        self._check(info, schedules)
        await self._directory.schedules(info)
        name = self._directory.entry_name(info)
        entry = await self._stored.replace(name, schedules, expected_version=expected_version)
        return replace(entry, job_type=info.job_type)

    async def clear_job_schedule(self, job: str, *, expected_version: str | None = None) -> ScheduleEntry:
        """Leave the job without any schedule, for good."""
        info = self._directory.find(job)
        current = await self._directory.schedules(info)
        if expected_version is not None and expected_version != current.version:
            raise ScheduleVersionError(f"the schedules of {info.name!r} were changed meanwhile", hint="read them again")
        entry = await self._stored.clear(self._directory.entry_name(info), expected_version=expected_version)
        return replace(entry, job_type=info.job_type)

    def _check(self, info: JobInfo, schedules: Sequence[JobSchedule]) -> None:
        for schedule in schedules:
            check_schedule(schedule, default_timezone=self._scheduler.timezone())
            check_parameters(info, schedule.parameters or {})

    def _offered(self, name: str) -> JobInfo:
        job_type = self._catalogue.resolve(name)
        if job_type is None:
            raise JobNotFoundError(f"no plugin offers a job {name!r}", hint="jobhost jobs available lists them")
        return self._catalogue.available()[job_type]


def _by_name(info: JobInfo) -> tuple[str, str]:
    return info.name.casefold(), info.job_type
