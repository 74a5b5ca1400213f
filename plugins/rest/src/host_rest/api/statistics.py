"""What became of runs: per job over a span, the streaks of failures, and what is unfinished now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from host.errors import InvalidRequestError, JobNotFoundError, UnsupportedOperationError
from host.model.jobs import JobInfo
from host.model.runs import RunCounters
from host.model.security import Policy
from host.model.statistics import JobStatistics
from host_rest.api.answers import answer
from host_rest.api.demands import demand
from host_rest.api.inputs import Duration, Instant, Whole
from host_rest.api.runs import job_id_of
from host_rest.api.services import Host, Services
from host_rest.api.strict import new_router
from host_rest.api.totals import badness

router = new_router("statistics")
READ = demand(Policy.READ_SYSTEM_JOBS)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
LONGEST_SPAN = timedelta(days=3660)
MOST_ENTRIES = 20_000
"""Steps of all jobs of an answer together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLine:
    """How one job did; the shape of ``jobhost stats --json``."""

    job_id: UUID
    name: str
    job_type: str | None
    """Null of a job that is registered no more."""
    failing: int
    """Failed runs in a row up to now."""
    total: JobStatistics
    steps: tuple[JobStatistics, ...]
    """Oldest first, only those that had any; empty where no step was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """How jobs did, the most failures first."""

    jobs: tuple[JobLine, ...]
    is_more: bool
    """Whether more jobs ran than ``limit``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """A job whose latest runs failed."""

    job_id: UUID
    name: str
    job_type: str | None
    failing: int
    """Failed runs in a row up to now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingJobs:
    """Jobs with failures in the span whose streak goes on, the longest first."""

    jobs: tuple[Failing, ...]
    is_more: bool


Jobs = Annotated[list[str] | None, Query(max_length=100, description="Id, type name, alias or name; may be repeated.")]
Limit = Annotated[Whole, Query(ge=1, le=1000)]
Since = Annotated[Instant | None, Query(description="Inclusive; 24 hours ago if left out.")]
Until = Annotated[Instant | None, Query(description="Exclusive; now if left out.")]


@router.get("/statistics", response_model=Statistics, openapi_extra=READ)
async def statistics(
    host: Host,
    job: Jobs = None,
    since: Since = None,
    until: Until = None,
    step: Annotated[Duration | None, Query(description="Whole minutes that steps have.")] = None,
    limit: Limit = 100,
) -> Response:
    """Give what became of the runs that finished in a span, by job.

    Instants are taken to the full minute, older ones than two days to the full hour. Of all jobs together the numbers
    may be five seconds old.
    """
    now = host.now()
    begin, end = _span(since, until, now)
    wanted = [await job_id_of(host, each) for each in job or ()]
    if wanted:
        totals = sorted(await host.runs.statistics(wanted, since=begin, until=until), key=badness)
    else:
        totals = list(await host.totals.of_all(begin, until))
    shown = totals[:limit]
    steps = await _steps(host, shown, begin, end, until, step) if step is not None else {}
    failing = await _failing(host, [entry.job_id for entry in shown])
    lines = [_line(entry, await _registered(host, entry.job_id), failing, steps) for entry in shown]
    return answer(Statistics(jobs=tuple(lines), is_more=len(totals) > limit))


@router.get("/failing", response_model=FailingJobs, openapi_extra=READ)
async def failing_jobs(host: Host, since: Since = None, limit: Limit = 100) -> Response:
    """Give the jobs that had failures in a span and have not recovered, the longest streak first.

    Of many, those with the most failures are looked at.
    """
    return answer(await failing_since(host, since or host.now() - DAY, limit=limit))


@router.get("/counters", response_model=RunCounters, openapi_extra=READ)
async def counters(host: Host) -> Response:
    """Count unfinished runs by state, up to a limit the store sets."""
    return answer(await host.runs.counters())


async def failing_since(host: Services, since: datetime, *, limit: int) -> FailingJobs:
    """Give the jobs whose failures since an instant have not ended."""
    totals = [entry for entry in await host.totals.of_all(since) if entry.failures]
    streaks = await _failing(host, [entry.job_id for entry in totals[:limit]])
    found = []
    for job_id, number in sorted(streaks.items(), key=lambda item: -item[1]):
        if number:
            info = await _registered(host, job_id)
            found.append(Failing(job_id=job_id, name=_name(info, job_id), job_type=_type(info), failing=number))
    return FailingJobs(jobs=tuple(found), is_more=len(totals) > limit)


def _span(since: datetime | None, until: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    begin, end = since or (until or now) - DAY, until or now
    if not begin <= end <= begin + min(LONGEST_SPAN, datetime.max.replace(tzinfo=begin.tzinfo) - begin):
        raise InvalidRequestError("until is before since, or more than ten years later")
    return begin, end


async def _steps(
    host: Services,
    totals: Sequence[JobStatistics],
    begin: datetime,
    end: datetime,
    until: datetime | None,
    step: timedelta,
) -> Mapping[UUID, tuple[JobStatistics, ...]]:
    if step < MINUTE or step % MINUTE:
        raise InvalidRequestError("step is not a number of whole minutes", hint="e.g. PT15M")
    number = ceil((end - begin) / step) * len(totals)
    if number > MOST_ENTRIES:
        hint = "ask for fewer jobs, a shorter span or longer steps"
        raise InvalidRequestError(f"that may be {number:,} steps; at most {MOST_ENTRIES:,} are given", hint=hint)
    found: dict[UUID, list[JobStatistics]] = {}
    jobs = [entry.job_id for entry in totals]
    for entry in await host.runs.statistics(jobs, since=begin, until=until, step=step) if jobs else ():
        found.setdefault(entry.job_id, []).append(entry)
    return {job: tuple(entries) for job, entries in found.items()}


async def _failing(host: Services, jobs: Sequence[UUID]) -> Mapping[UUID, int]:
    try:
        return await host.runs.failing(jobs)
    except UnsupportedOperationError:  # an upstream may not tell
        return {}


def _line(
    entry: JobStatistics,
    info: JobInfo | None,
    failing: Mapping[UUID, int],
    steps: Mapping[UUID, tuple[JobStatistics, ...]],
) -> JobLine:
    return JobLine(
        job_id=entry.job_id,
        name=_name(info, entry.job_id),
        job_type=_type(info),
        failing=failing.get(entry.job_id, 0),
        total=entry,
        steps=steps.get(entry.job_id, ()),
    )


async def _registered(host: Services, job_id: UUID) -> JobInfo | None:
    try:
        return await host.jobs.get_job(str(job_id))
    except JobNotFoundError:
        return None


def _name(info: JobInfo | None, job_id: UUID) -> str:
    return info.name if info else str(job_id)


def _type(info: JobInfo | None) -> str | None:
    return info.job_type if info else None
