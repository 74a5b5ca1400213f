"""The resource of runs: listing, reading and steering them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query, Response
from pydantic import Field, StrictBool

from host.contracts.http import HttpCall
from host.errors import InvalidRequestError, JobNotFoundError, RunNotFoundError
from host.model.logs import RunLogLine
from host.model.runs import CancelResult, JobRun, RunFilter, RunPage, RunState
from host.model.security import Policy
from host_rest.api.answers import answer
from host_rest.api.demands import demand
from host_rest.api.inputs import LONGEST_SEARCH, LONGEST_TEXT, Body, Instant, Number, Whole
from host_rest.api.pages import page_of_runs
from host_rest.api.services import Base, By, Call, Host, Services
from host_rest.api.shown import shown_run
from host_rest.api.strict import new_router

router = new_router("runs")
READ = demand(Policy.READ_SYSTEM_JOBS)
START = demand(Policy.START_SYSTEM_JOB)

RunId = Annotated[UUID, Path(description="A run's id.")]
Limit = Annotated[Whole, Query(ge=1, le=1000)]
After = Annotated[Whole, Query(ge=0, le=2**62)]
Short = Annotated[str | None, Query(max_length=LONGEST_TEXT)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage:
    """Some lines of a run's log, oldest first."""

    lines: tuple[RunLogLine, ...]
    next_after: int
    """Pass it as ``after`` for the lines that follow, now or later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """The run that repeats another."""

    id: UUID
    origin_run_id: UUID


class Amendment(Body):
    """What to change of a run; what is left out stays."""

    priority: Number | None = Field(None, description="Of a waiting run; higher goes first.")
    not_before: Instant | None = Field(None, description="Of a run that is not due: when it becomes due.")
    is_locked: StrictBool | None = Field(None, description="Whether retention keeps the run.")


async def filter_of(
    host: Host,
    job: Annotated[str | None, Query(max_length=1000, description="Id, type name, alias or name.")] = None,
    state: Annotated[list[RunState] | None, Query(description="May be repeated.")] = None,
    tenant: Short = None,
    schedule_id: UUID | None = None,
    created_from: Annotated[Instant | None, Query(description="Inclusive.")] = None,
    created_until: Annotated[Instant | None, Query(description="Exclusive.")] = None,
    text: Annotated[
        str | None,
        Query(
            max_length=LONGEST_SEARCH,
            min_length=1,
            description="Part of the status text, the last error or the job type.",
        ),
    ] = None,
) -> RunFilter:
    """Read the query of a listing."""
    return RunFilter(
        job_id=None if job is None else await job_id_of(host, job),
        states=frozenset(state or ()),
        tenant=tenant,
        schedule_id=schedule_id,
        created_from=created_from,
        created_until=created_until,
        text=text,
    )


Filter = Annotated[RunFilter, Depends(filter_of)]


async def job_id_of(host: Services, job: str) -> UUID:
    """Give the id of a job by any of its names; an id stands for itself, also of a job that is registered no more."""
    try:
        return (await host.jobs.get_job(job)).id
    except JobNotFoundError:
        try:
            return UUID(job)
        except ValueError:
            pass
        raise


@router.get("/runs", response_model=RunPage, openapi_extra=READ)
async def list_runs(
    host: Host,
    where: Filter,
    cursor: Annotated[str | None, Query(max_length=200, description="next_cursor of the page before.")] = None,
    limit: Limit = 50,
) -> Response:
    """List runs, newest first.

    A page may be short, even empty, and still have a next_cursor: a filter that few runs pass is searched for a
    bounded time, runs with large parameters fill a page sooner, and the cursor goes on where it ended.
    """
    return answer(await page_of_runs(host, where, cursor=cursor, limit=limit))


@router.get("/runs/{run_id}", response_model=JobRun, openapi_extra=READ)
async def get_run(host: Host, run_id: RunId) -> Response:
    """Give one run."""
    return answer(await shown_run(host, await existing(host, run_id)))


@router.get("/runs/{run_id}/log", response_model=LogPage, openapi_extra=READ)
async def read_log(host: Host, run_id: RunId, after: After = 0, limit: Limit = 1000) -> Response:
    """Give the lines of a run's log with a number above ``after``, oldest first."""
    lines = await host.log.read(run_id, after=after, limit=limit)
    if not lines and not host.log.knows_runs:
        await existing(host, run_id)
    return answer(LogPage(lines=tuple(lines), next_after=lines[-1].number if lines else after))


@router.post("/runs/{run_id}/cancel", response_model=CancelResult, openapi_extra=START)
async def cancel_run(host: Host, by: By, call: Call, run_id: RunId) -> Response:
    """Cancel a run that waits, or ask one that runs to stop."""
    await _note_job(host, call, run_id)
    return answer(await host.control.cancel(run_id, by=by))


@router.post("/runs/{run_id}/retry", status_code=201, response_model=Repeat, openapi_extra=START)
async def retry_run(host: Host, by: By, call: Call, base: Base, run_id: RunId) -> Response:
    """Submit a finished run anew, as a new run."""
    await _note_job(host, call, run_id)
    new = await host.control.retry(run_id, by=by)
    return answer(Repeat(id=new, origin_run_id=run_id), status=201, headers={"Location": f"{base}/runs/{new}"})


@router.post("/runs/{run_id}/release", response_model=JobRun, openapi_extra=START)
async def release_run(host: Host, by: By, call: Call, run_id: RunId) -> Response:
    """Let a held run go, or give a quarantined one another chance as a new run; gives the run that goes."""
    await _note_job(host, call, run_id)
    return answer(await shown_run(host, await host.control.release(run_id, by=by)))


@router.patch("/runs/{run_id}", response_model=JobRun, openapi_extra=START)
async def amend_run(host: Host, call: Call, run_id: RunId, body: Amendment) -> Response:
    """Change a waiting run's priority or time, or lock a run against retention."""
    changes = body.model_dump(exclude_none=True)
    if not changes:
        hint = "give priority, not_before or is_locked"
        raise InvalidRequestError("nothing is to be changed", hint=hint)
    await _note_job(host, call, run_id)
    return answer(await shown_run(host, await host.control.amend(run_id, **changes)))


async def existing(host: Services, run_id: UUID) -> JobRun:
    """Give a run; raises RunNotFoundError."""
    run = await host.runs.run(run_id)
    if run is None:
        raise RunNotFoundError("no run has this id", where=f"run {run_id}")
    return run


async def _note_job(host: Services, call: HttpCall, run_id: UUID) -> None:
    call.audit["job"] = (await existing(host, run_id)).job_type
