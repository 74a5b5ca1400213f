"""What another host needs that stands before this one: runs as they change, the latest of many jobs, plain lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field, StrictInt

from host.model.jobs import JobInfo, JobStartType
from host.model.masking import job_without_secrets
from host.model.runs import JobRun, RunState
from host.model.security import Policy
from host_rest.api.answers import answer
from host_rest.api.demands import demand
from host_rest.api.inputs import LARGEST, LONGEST_TEXT, AnyDuration, Body, Text, Whole
from host_rest.api.jobs import READ, AvailableJobs, Contains, Cursor, JobName, page_of_jobs
from host_rest.api.pages import fitting
from host_rest.api.runs import Limit
from host_rest.api.services import Base, Host
from host_rest.api.shown import shown_runs
from host_rest.api.strict import new_router

router = new_router("replicas")
READ_BY_POST = demand(Policy.READ_SYSTEM_JOBS, is_audited=False)
MOST_JOBS = 200
"""Asked about at once."""

Jobs = Annotated[list[UUID], Field(max_length=MOST_JOBS, description="Ids of jobs, registered or not.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePage:
    """Runs that have changed, each once in its present form, by change number."""

    runs: tuple[JobRun, ...]
    next_after: int
    """Pass it as ``after`` for what changes then; what lies before it is never given again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestRuns:
    """The newest run of each job that has any, in no order."""

    runs: tuple[JobRun, ...]
    is_more: bool
    """Whether runs were left out, for they are large: ask again about the jobs whose runs are missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Streak:
    """Failed runs of a job in a row up to now."""

    job_id: UUID
    failing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaks:
    """One streak a job that was asked about and is known to the store."""

    streaks: tuple[Streak, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """Whether a job is registered."""

    is_registered: bool


class LatestOf(Body):
    """Which runs are meant."""

    jobs: Jobs
    states: list[RunState] = Field([], max_length=len(RunState), description="The newest among these; empty: any.")


class StreaksOf(Body):
    """Whose failures are counted."""

    jobs: Jobs
    at_most: Annotated[StrictInt, Field(ge=1, le=LARGEST)] = Field(100, description="Counting stops here.")


class Adding(Body):
    """A job for as long as the host runs."""

    job: Annotated[Text, Field(min_length=1, description="Its type name, alias or id.")]
    start_type: JobStartType = Field(JobStartType.SCHEDULE, description="Whether it starts by itself.")
    interval: AnyDuration | None = Field(None, description="Of a schedule that is in force while none is stored.")


@router.get("/changes", response_model=ChangePage, openapi_extra=READ)
async def list_changes(
    host: Host,
    after: Annotated[Whole, Query(ge=-1, le=2**62, description="-1: nothing but the newest change.")] = -1,
    limit: Limit = 500,
) -> Response:
    """Give the runs changed since a change number, each once in its present form, in the order of their changes.

    None is skipped: go on with ``next_after``. Deleted runs are no changes.
    """
    runs = await host.runs.changes(after, limit=limit)
    shown = await shown_runs(host, fitting(runs) or runs[:1])
    return answer(ChangePage(runs=tuple(shown), next_after=shown[-1].change if shown else max(after, 0)))


@router.post("/latest-runs", response_model=LatestRuns, openapi_extra=READ_BY_POST)
async def latest_runs(host: Host, body: LatestOf) -> Response:
    """Give the newest run of each of these jobs, among some states if any are named; changes nothing."""
    found = list((await host.runs.latest(body.jobs, body.states)).values())
    held = fitting(found) or found[:1]
    return answer(LatestRuns(runs=tuple(await shown_runs(host, held)), is_more=len(held) < len(found)))


@router.post("/failure-streaks", response_model=Streaks, openapi_extra=READ_BY_POST)
async def failure_streaks(host: Host, body: StreaksOf) -> Response:
    """Count how many runs of each job in a row have failed or were quarantined, newest first; changes nothing."""
    found = await host.runs.failing(body.jobs, at_most=body.at_most)
    return answer(Streaks(streaks=tuple(Streak(job_id=job, failing=number) for job, number in found.items())))


@router.get("/registered-jobs", response_model=AvailableJobs, openapi_extra=READ)
async def list_registered_jobs(
    host: Host, name: Contains = None, cursor: Cursor = None, limit: Limit = 200
) -> Response:
    """List the registered jobs by name as they are declared, without how each stands."""
    jobs, following = page_of_jobs(await host.jobs.jobs(), name, cursor, limit)
    return answer(AvailableJobs(jobs=tuple(map(job_without_secrets, jobs)), next_cursor=following))


@router.get("/registered-job", response_model=JobInfo, openapi_extra=READ)
async def get_registered_job(
    host: Host,
    job: Annotated[str, Query(max_length=LONGEST_TEXT, description="Id, type name, alias or unambiguous name.")],
) -> Response:
    """Give one registered job as it is declared, by any text that may name it."""
    return answer(job_without_secrets(await host.jobs.get_job(job)))


@router.get("/jobs/{job}/registered", response_model=Registered, openapi_extra=READ)
async def is_registered(host: Host, job: JobName) -> Response:
    """Say whether a job is registered; an unknown one is not."""
    return answer(Registered(is_registered=await host.jobs.is_job_registered(job)))


@router.post(
    "/added-jobs",
    status_code=201,
    response_model=JobInfo,
    openapi_extra=demand(Policy.UNRESTRICTED_JOB_MANAGEMENT),
)
async def add_job(host: Host, base: Base, body: Adding) -> Response:
    """Register an offered job until the host stops; one that is registered already stays as it is."""
    info = await host.jobs.add_job(body.job, start_type=body.start_type, interval=body.interval)
    return answer(job_without_secrets(info), status=201, headers={"Location": f"{base}/jobs/{info.id}"})
