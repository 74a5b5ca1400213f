"""The registered jobs of this host and the schedules in force for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from uuid import UUID

import structlog

from host.contracts.contract import Finding, Service
from host.contracts.engine import JobDirectory
from host.contracts.jobs import JobCatalogue
from host.contracts.registry import JobRegistry
from host.contracts.schedules import JobScheduleManager
from host.errors import JobNotFoundError
from host.model.jobs import JobInfo
from host.model.schedules import JobSchedule, ScheduleEntry
from host.santedb.jobs import ConfiguredJob, JobConfiguration

logger = structlog.get_logger(__name__)


class HostedJobDirectory(JobDirectory, Service):
    """Jobs from the configuration, from the registry, and added by code, in that order of precedence."""

    is_default = True

    def __init__(
        self,
        catalogue: JobCatalogue,
        registry: JobRegistry,
        stored: JobScheduleManager,
        configuration: JobConfiguration,
    ) -> None:
        self._catalogue = catalogue
        self._registry = registry
        self._stored = stored
        self._configuration = configuration
        self._jobs: Mapping[str, JobInfo] = {}
        self._fallbacks: dict[str, ScheduleEntry] = {}
        self._by_id: dict[UUID, str] = {}
        self._entry_names: dict[str, str] = {}
        self._parked: list[str] = []

    async def start(self) -> None:
        """Register the configured jobs and those an operator registered."""
        if self._jobs:
            return
        jobs: dict[str, JobInfo] = {}
        for configured in self._configuration.jobs:
            self._add_configured(configured, jobs)
        for registration in await self._registry.registrations():
            info = self._catalogue.available().get(registration.job_type)
            if info is None:
                self._parked.append(registration.job_type)
            elif info.job_type not in jobs:
                jobs[info.job_type] = replace(info, start_type=registration.start_type, source="operator")
        self._publish(jobs)

    def check(self) -> Sequence[Finding]:
        """Name registered jobs whose class no installed plugin offers."""
        return [Finding(message=f"registered job {name} is not offered by any plugin") for name in self._parked]

    def jobs(self) -> Mapping[str, JobInfo]:
        """Give every registered job."""
        return self._jobs

    def find(self, job: str) -> JobInfo:
        """Give a registered job by id, type name or alias."""
        info = self._jobs.get(job)
        if info is None:
            resolved = self._catalogue.resolve(job) or self._by_id.get(_as_uuid(job))
            info = self._jobs.get(resolved) if resolved else None
        if info is None:
            info = self._by_name(job)
        if info is None:
            raise JobNotFoundError(f"no registered job is called {job!r}", hint=self._hint(job))
        return info

    async def add(self, info: JobInfo, fallback: Sequence[JobSchedule] = ()) -> JobInfo:
        """Register a job for as long as the host runs."""
        known = self._jobs.get(info.job_type)
        if known is not None:
            return known
        if fallback:
            self._fallbacks[info.job_type] = _fallback(info.job_type, fallback, info.source or "code")
        self._publish({**self._jobs, info.job_type: info})
        return info

    async def schedules(self, job: JobInfo) -> ScheduleEntry:
        """Give the schedules in force."""
        for name in (job.job_type, *job.aliases):
            entry = await self._stored.get(name)
            if entry is not None:
                self._entry_names[job.job_type] = name
                return entry
        return self._fallback_of(job)

    async def all_schedules(self) -> Sequence[tuple[JobInfo, ScheduleEntry]]:
        """Give the schedules in force of every registered job."""
        stored = {entry.job_type: entry for entry in await self._stored.all()}
        result = []
        for job in self._jobs.values():
            entry = stored.get(job.job_type)
            for name in job.aliases if entry is None else ():
                if name in stored:
                    entry = stored[name]
                    self._entry_names[job.job_type] = name
                    break
            result.append((job, entry or self._fallback_of(job)))
        return result

    def entry_name(self, job: JobInfo) -> str:
        """Give the name of the job's entry in the schedule store."""
        return self._entry_names.get(job.job_type, job.job_type)

    def _add_configured(self, configured: ConfiguredJob, jobs: dict[str, JobInfo]) -> None:
        job_type = self._catalogue.resolve(configured.job_type)
        if job_type is None or job_type in jobs:
            logger.warning("configured job left out", job_type=configured.job_type, where=configured.where)
            return
        info = self._catalogue.available()[job_type]
        names = [parameter.name for parameter in info.parameters]
        jobs[job_type] = replace(
            info,
            start_type=configured.start_type,
            configured_parameters=dict(zip(names, configured.parameters, strict=False)),
            source=configured.where,
        )
        if configured.schedules:
            self._fallbacks[job_type] = _fallback(job_type, configured.schedules, configured.where)

    def _publish(self, jobs: Mapping[str, JobInfo]) -> None:
        self._jobs = jobs
        self._by_id = {info.id: job_type for job_type, info in jobs.items()}

    def _fallback_of(self, job: JobInfo) -> ScheduleEntry:
        return self._fallbacks.get(job.job_type) or ScheduleEntry(job_type=job.job_type, schedules=(), version="")

    def _by_name(self, name: str) -> JobInfo | None:
        wanted = name.casefold()
        short = [
            info
            for info in self._jobs.values()
            if wanted in (info.name.casefold(), info.job_type.rpartition(":")[2].casefold())
        ]
        if len(short) > 1:
            types = ", ".join(info.job_type for info in short)
            raise JobNotFoundError(f"{len(short)} registered jobs are called {name!r}", hint=f"say which: {types}")
        return short[0] if short else None

    def _hint(self, job: str) -> str:
        if self._catalogue.resolve(job):
            return f"it is available: jobhost jobs register {job}"
        close = get_close_matches(job, _names(self._jobs.values()), n=1)
        return f"did you mean {close[0]!r}?" if close else "jobhost jobs list shows the registered ones"


def _names(jobs: Iterable[JobInfo]) -> list[str]:
    return [name for info in jobs for name in (info.job_type, info.name)]


def _as_uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)


def _fallback(job_type: str, schedules: Sequence[JobSchedule], source: str) -> ScheduleEntry:
    return ScheduleEntry(job_type=job_type, schedules=tuple(schedules), version="", source=source)
