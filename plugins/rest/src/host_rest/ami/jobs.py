"""What AMI does with jobs, in its own values, over the contracts that every host offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from host.contracts.clock import Clock
from host.contracts.jobs import JobManagerService
from host.contracts.runs import JobRunReader
from host.errors import InvalidRequestError
from host.faces.in_force import Untold, schedules_in_force
from host.model.jobs import JobInfo
from host.model.runs import JobRun
from host.model.schedules import JobSchedule, ScheduleEntry
from host.santedb.ami.parameters import values_for
from host.santedb.ami.schedules import merge_schedules
from host.santedb.ami.values import AmiCollection, AmiJob, AmiParameter, AmiSchedule, TypeReference
from host.santedb.types import normalise_type
from host_rest.ami.jobview import show_job, type_shown
from host_rest.ami.latest import LatestRuns
from host_rest.ami.query import ListQuery

_ORDERS: Mapping[str, Callable[[JobInfo], str]] = {
    "id": lambda job: str(job.id),
    "jobType": type_shown,
    "description": lambda job: job.description.casefold(),
}
"""By name jobs come anyway."""


class JobDesk:
    """Lists, registers, schedules, starts and cancels jobs."""

    def __init__(self, manager: JobManagerService, runs: JobRunReader, clock: Clock) -> None:
        self._manager = manager
        self._latest = LatestRuns(runs, clock)
        self._known_since = clock.now()
        self._shown: dict[UUID, _Shown] = {}

    async def page(self, query: ListQuery) -> AmiCollection:
        """Give the jobs asked for; three reads of runs at most, however many there are."""
        jobs = [job for job in await self._manager.jobs() if query.matches(job.name)]
        chosen = _choose(jobs, query)
        shown = await self._show(chosen)
        return AmiCollection(resource=tuple(shown), offset=query.offset, size=len(jobs) if query.is_counted else 0)

    async def candidates(self, query: ListQuery) -> AmiCollection:
        """Give the types that may be registered."""
        jobs = await self._manager.get_available_jobs()
        types = tuple(TypeReference(type=type_shown(job)) for job in _choose(jobs, query))
        return AmiCollection(resource=types, offset=query.offset, size=len(jobs) if query.is_counted else 0)

    async def job(self, job_id: str) -> AmiJob:
        """Give one job; raises JobNotFoundError."""
        return await self._show_one(await self.find(job_id))

    async def find(self, job_id: str) -> JobInfo:
        """Give what the host knows of a job; raises InvalidRequestError for what is no id, JobNotFoundError."""
        return await self._manager.get_job(str(_uuid(job_id)))

    async def register(self, job_type: str | None) -> AmiJob:
        """Register a type for good; raises JobRegisteredError, JobNotFoundError."""
        if not job_type or not job_type.strip():
            raise InvalidRequestError("the body names no type to register", hint='say which in "jobType"')
        return await self._show_one(await self._manager.register_job(normalise_type(job_type)))

    async def schedule(self, job: JobInfo, given: Sequence[AmiSchedule] | None) -> AmiJob:
        """Replace what AMI shows of a job's schedules, as ``merge_schedules`` says; gives the job as it now is."""
        name = str(job.id)
        entry = await self._manager.get_job_schedules(name)
        merged = merge_schedules(given, entry.schedules)
        if merged:
            await self._manager.set_job_schedule(name, merged, expected_version=entry.version)
        elif merged is not None:
            await self._manager.clear_job_schedule(name, expected_version=entry.version)
        return await self._show_one(job)

    async def start(self, job: JobInfo, given: Sequence[AmiParameter], *, by: str | None) -> None:
        """Submit a run; raises InvalidParameterError."""
        await self._manager.start_job(str(job.id), values_for(given, job.parameters), by=by)

    async def cancel(self, job: JobInfo, *, by: str | None) -> None:
        """Ask every unfinished run of a job to stop."""
        await self._manager.cancel_job(str(job.id), by=by)

    async def _show_one(self, job: JobInfo) -> AmiJob:
        (shown,) = await self._show([job])
        return shown

    async def _show(self, jobs: Sequence[JobInfo]) -> list[AmiJob]:
        runs = await self._latest.of([job.id for job in jobs]) if jobs else {}
        entries = await schedules_in_force(self._manager, [job.job_type for job in jobs])
        return [
            self._picture(job, runs[job.id], _told(entry).schedules) for job, entry in zip(jobs, entries, strict=True)
        ]

    def _picture(self, job: JobInfo, run: JobRun | None, schedules: tuple[JobSchedule, ...]) -> AmiJob:
        """Give what is shown of a job; the same as last time if it is made of the same."""
        last = self._shown.get(job.id)
        if last is not None and last.job is job and last.run is run and last.schedules == schedules:
            return last.picture
        picture = show_job(job, run, schedules, known_since=self._known_since)
        self._shown[job.id] = _Shown(job, run, schedules, picture)
        return picture


class _Shown(NamedTuple):
    job: JobInfo
    run: JobRun | None
    schedules: tuple[JobSchedule, ...]
    picture: AmiJob


def _told(entry: ScheduleEntry | Untold) -> ScheduleEntry:
    if isinstance(entry, ScheduleEntry):
        return entry
    raise entry


def _choose(jobs: Sequence[JobInfo], query: ListQuery) -> Sequence[JobInfo]:
    key: Any = _ORDERS.get(query.order)
    ordered = jobs if key is None else sorted(jobs, key=key)
    if query.is_descending:
        ordered = list(reversed(ordered))
    return ordered[query.offset : query.offset + query.count]


def is_id_of(job: JobInfo, text: str) -> bool:
    """Say whether a text is the job's id, in any of the forms that .NET reads a Guid in."""
    try:
        return UUID(text.strip(" ()")) == job.id
    except ValueError:
        return False


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidRequestError(
            f"{text[:80]!r} is no id of a job", hint="ids are UUIDs; the listing has them"
        ) from None
