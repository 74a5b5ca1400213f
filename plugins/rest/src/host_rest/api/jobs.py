"""The resource of jobs: what there is, registering, starting, cancelling and pausing them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Path, Query, Response
from pydantic import Field

from host.model.jobs import JobInfo
from host.model.masking import job_without_secrets
from host.model.runs import CancelResult
from host.model.security import Policy
from host_rest.api.answers import answer
from host_rest.api.cursors import cursor_of, read_cursor
from host_rest.api.demands import demand
from host_rest.api.inputs import Body, Reason, Text, Whole
from host_rest.api.services import Base, By, Host
from host_rest.api.shown import JobView, shown_jobs
from host_rest.api.strict import new_router

router = new_router("jobs")
READ = demand(Policy.READ_SYSTEM_JOBS)
START = demand(Policy.START_SYSTEM_JOB)
MOST_JOBS = 200
"""On a page: each of them is asked about."""

JobName = Annotated[str, Path(max_length=1000, description="A job's id, type name, alias or unambiguous name.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """One page of the registered jobs, by name."""

    jobs: tuple[JobView, ...]
    next_cursor: str | None
    """Pass it to get the page after; null at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailableJobs:
    """One page of the jobs that plugins offer and nobody has registered, by name."""

    jobs: tuple[JobInfo, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """What became of each unfinished run of a job."""

    results: tuple[CancelResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseChange:
    """What a pause or its end did."""

    scope: str
    """``all``, ``job:<job type>`` or ``schedule:<schedule id>``."""
    changed: bool
    """False: it was so already; the reason that was given first stays."""


class Registering(Body):
    """Which job to register."""

    job: Annotated[Text, Field(min_length=1, description="Its type name, alias or id.")]


class Pausing(Body):
    """Why something shall not start."""

    reason: Reason


Contains = Annotated[str | None, Query(max_length=200, description="Part of the name or type, whatever the case.")]
Cursor = Annotated[str | None, Query(max_length=2000, description="next_cursor of the page before.")]
JobLimit = Annotated[Whole, Query(ge=1, le=MOST_JOBS)]


@router.get("/jobs", response_model=JobPage, openapi_extra=READ)
async def list_jobs(host: Host, name: Contains = None, cursor: Cursor = None, limit: JobLimit = 50) -> Response:
    """List the registered jobs by name, each with its latest run, next fire time and pause."""
    jobs, following = page_of_jobs(await host.jobs.jobs(), name, cursor, limit)
    return answer(JobPage(jobs=tuple(await shown_jobs(host, jobs)), next_cursor=following))


@router.get("/available-jobs", response_model=AvailableJobs, openapi_extra=READ)
async def list_available_jobs(
    host: Host, name: Contains = None, cursor: Cursor = None, limit: JobLimit = 50
) -> Response:
    """List the jobs that plugins offer and nobody has registered."""
    jobs, following = page_of_jobs(await host.jobs.get_available_jobs(), name, cursor, limit)
    return answer(AvailableJobs(jobs=tuple(map(job_without_secrets, jobs)), next_cursor=following))


@router.post("/jobs", status_code=201, response_model=JobInfo, openapi_extra=demand(Policy.REGISTER_SYSTEM_JOB))
async def register_job(host: Host, base: Base, body: Registering) -> Response:
    """Register an offered job for good; it runs when started or scheduled."""
    info = await host.jobs.register_job(body.job)
    return answer(job_without_secrets(info), status=201, headers={"Location": f"{base}/jobs/{info.id}"})


@router.get("/jobs/{job}", response_model=JobView, openapi_extra=READ)
async def get_job(host: Host, job: JobName) -> Response:
    """Give one registered job."""
    return answer((await shown_jobs(host, [await host.jobs.get_job(job)]))[0])


@router.post("/jobs/{job}/cancel", response_model=Cancelled, openapi_extra=START)
async def cancel_job(host: Host, by: By, job: JobName) -> Response:
    """Ask every unfinished run of the job to stop."""
    return answer(Cancelled(results=tuple(await host.jobs.cancel_job(job, by=by))))


@router.post("/jobs/{job}/pause", response_model=PauseChange, openapi_extra=START)
async def pause_job(host: Host, by: By, job: JobName, body: Pausing) -> Response:
    """Start no run of the job until it is resumed."""
    scope = f"job:{(await host.jobs.get_job(job)).job_type}"
    return answer(PauseChange(scope=scope, changed=await host.control.pause(scope, reason=body.reason, by=by)))


@router.post("/jobs/{job}/resume", response_model=PauseChange, openapi_extra=START)
async def resume_job(host: Host, by: By, job: JobName) -> Response:
    """End the pause of the job; fire times inside it are not made up for."""
    scope = f"job:{(await host.jobs.get_job(job)).job_type}"
    return answer(PauseChange(scope=scope, changed=await host.control.resume(scope, by=by)))


def page_of_jobs(
    jobs: Sequence[JobInfo], contains: str | None, cursor: str | None, limit: int
) -> tuple[Sequence[JobInfo], str | None]:
    """Give the jobs after a cursor, at most ``limit``, and the cursor of the next page."""
    if contains:
        wanted = contains.casefold()
        jobs = [job for job in jobs if wanted in job.name.casefold() or wanted in job.job_type.casefold()]
    begin = 0 if cursor is None else bisect_right(jobs, read_cursor(cursor, "jobs"), key=_place)
    page = jobs[begin : begin + limit]
    return page, cursor_of("jobs", _place(page[-1])) if begin + limit < len(jobs) else None


def _place(job: JobInfo) -> tuple[str, ...]:
    return job.name.casefold(), job.job_type
