"""The upstream's jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeVar

from host.contracts.jobs import JobManagerService
from host.errors import JobNotFoundError, UnsupportedOperationError, UpstreamUnavailableError
from host.faces.in_force import MOST_TOGETHER
from host.model.jobs import JobInfo, JobStartType
from host.model.json import JsonObject, JsonValue
from host.model.runs import CancelResult, JobRun
from host.model.schedules import JobSchedule, ScheduleEntry
from host_upstream.jobhost.client import JobhostClient, Query, is_segment, segment
from host_upstream.jobhost.gathering import Gathering
from host_upstream.jobhost.keys import new_key
from host_upstream.jobhost.memory import Memory
from host_upstream.jobhost.names import check_name, find_job
from host_upstream.jobhost.schedules import check_values

JOBS = "jobs"
AVAILABLE = "available jobs"
PAGE, AVAILABLE_PAGE = "1000", "200"
AVAILABLE_HINT = "jobhost jobs available lists those that are offered"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Listed:
    jobs: tuple[JobInfo, ...]
    by_name: Mapping[str, JobInfo]
    """By job type, and by id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    jobs: tuple[JobInfo, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Registered:
    is_registered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cancelled:
    results: tuple[CancelResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _InForce:
    entries: tuple[ScheduleEntry | None, ...]


class RestJobManager(JobManagerService):
    """Jobs of a jobhost. Lists of jobs, a job, and its schedules may be as old as the settings allow.

    Values of secret parameters are never known here: they are shown as ``***``, as the upstream shows them. Schedules
    of several jobs that are asked for at the same time take one request.
    """

    def __init__(self, client: JobhostClient, memory: Memory) -> None:
        self._client, self._memory = client, memory
        self._in_force = Gathering(self._ask_in_force, most=MOST_TOGETHER, name="schedules in force")

    async def jobs(self) -> Sequence[JobInfo]:
        """Give the registered jobs, by name."""
        return (await self._memory.get(JOBS, self._list)).jobs

    async def get_available_jobs(self) -> Sequence[JobInfo]:
        """Give the jobs that are offered there and not registered, by name."""
        return await self._memory.get(AVAILABLE, lambda: self._all("/available-jobs", AVAILABLE_PAGE))

    async def get_job(self, job: str) -> JobInfo:
        """Give one registered job."""
        listed = self._memory.known(JOBS)
        if isinstance(listed, _Listed) and job in listed.by_name:
            return listed.by_name[job]
        return await self._memory.get(("job", job), partial(find_job, self._client, job))

    async def is_job_registered(self, job: str) -> bool:
        """Say whether the job is registered."""
        try:
            path = await self._path(job)
        except JobNotFoundError:
            return False
        return (await self._client.get(f"{path}/registered", _Registered)).is_registered

    async def add_job(
        self, job_type: str, *, start_type: JobStartType = JobStartType.SCHEDULE, interval: timedelta | None = None
    ) -> JobInfo:
        """Register a job for as long as the upstream runs."""
        check_name(job_type, hint=AVAILABLE_HINT)
        body = {"job": job_type, "start_type": start_type, "interval": interval}
        # May be repeated: a job that is registered already is given as it is, and started no second time.
        return await self._changed("POST", "/added-jobs", JobInfo, body, may_repeat=True)

    async def register_job(self, job_type: str) -> JobInfo:
        """Register an offered job for good."""
        check_name(job_type, hint=AVAILABLE_HINT)
        # Once only: the second time would say that the job is registered, and not by whom.
        return await self._changed("POST", "/jobs", JobInfo, {"job": job_type})

    async def start_job(
        self, job: str, parameters: JsonObject | Sequence[JsonValue] = (), *, by: str | None = None
    ) -> JobRun | None:
        """Submit a run at once; asked again after a fault, it is the same run.

        None where the upstream itself stands before one that tells no run: that takes no key, and is asked once.
        """
        check_name(job)
        body = {"job": job, "parameters": parameters, "owner": by, "trace_id": None}
        try:
            return await self._client.send(
                "POST", "/runs", JobRun, {**body, "idempotency_key": new_key()}, may_repeat=True, by=by
            )
        except UnsupportedOperationError:
            return await self._client.start("/runs", body, by=by)

    async def cancel_job(self, job: str, *, by: str | None = None) -> Sequence[CancelResult]:
        """Ask every unfinished run of the job to stop."""
        # Once only: the second answer would leave out the runs that the first request has ended.
        path = f"{await self._path(job)}/cancel"
        return (await self._client.send("POST", path, _Cancelled, by=by)).results

    async def get_job_schedules(self, job: str) -> ScheduleEntry:
        """Give the schedules in force, and where they come from."""
        check_name(job)
        return await self._memory.get(("schedules", job), partial(self._schedules, job))

    async def set_job_schedule(
        self, job: str, schedules: Sequence[JobSchedule], *, expected_version: str | None = None
    ) -> ScheduleEntry:
        """Replace the job's schedules for good; a hidden value that is sent back keeps the one that is stored."""
        check_values(schedules)
        body = {"schedules": schedules, "expected_version": expected_version}
        return await self._changed("PUT", f"{await self._path(job)}/schedules", ScheduleEntry, body)

    async def clear_job_schedule(self, job: str, *, expected_version: str | None = None) -> ScheduleEntry:
        """Leave the job without any schedule, for good."""
        query = () if expected_version is None else (("expected_version", expected_version),)
        return await self._changed("DELETE", f"{await self._path(job)}/schedules", ScheduleEntry, query=query)

    async def _schedules(self, job: str) -> ScheduleEntry:
        entry = await self._in_force.get(job)
        if entry is None:  # asked for alone, the upstream says why
            return await self._client.get(f"{await self._path(job)}/schedules", ScheduleEntry)
        return entry

    async def _ask_in_force(self, jobs: Sequence[str]) -> Sequence[ScheduleEntry | None]:
        found = await self._client.ask("/schedules-in-force", _InForce, {"jobs": jobs})
        if len(found.entries) != len(jobs):
            raise UpstreamUnavailableError(f"the upstream told schedules of {len(found.entries)} jobs, not {len(jobs)}")
        return found.entries

    async def _list(self) -> _Listed:
        jobs = await self._all("/registered-jobs", PAGE)
        return _Listed(jobs, {name: job for job in jobs for name in (str(job.id), job.job_type)})

    async def _all(self, path: str, limit: str) -> tuple[JobInfo, ...]:
        found: list[JobInfo] = []
        query: Query = (("limit", limit),)
        while True:
            page = await self._client.get(path, _Page, query)
            found += page.jobs
            if page.next_cursor is None:
                return tuple(found)
            query = (("limit", limit), ("cursor", page.next_cursor))

    async def _changed(
        self, method: str, path: str, kind: type[T], body: object = None, *, query: Query = (), may_repeat: bool = False
    ) -> T:
        try:
            return await self._client.send(method, path, kind, body, query=query, may_repeat=may_repeat)
        finally:
            self._memory.forget()  # also after a failure: perhaps only its answer was lost

    async def _path(self, job: str) -> str:
        """Give where a job is; raises JobNotFoundError for a name that cannot stand in a path and that no job has."""
        check_name(job)
        return f"/jobs/{segment(job if is_segment(job) else str((await self.get_job(job)).id))}"
