"""Statistics of any number of jobs, page by page, exactly as the run store counts them; for hosts before this one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Annotated
from uuid import UUID

from fastapi import Response
from pydantic import Field

from host.model.security import Policy
from host.model.statistics import JobStatistics
from host_rest.api.answers import answer
from host_rest.api.demands import demand
from host_rest.api.inputs import Body, Duration, Instant
from host_rest.api.services import Host, Services
from host_rest.api.strict import new_router

router = new_router("replicas")
MOST_JOBS = 10_000
"""Named by a request."""
MOST_ENTRIES = 5_000
"""On a page, about: one is 0.7 kB, and a page holds all entries of its jobs."""
JOBS_AT_ONCE = 20
"""Read at a time where there are steps, of which one job may have thousands."""
SECONDS_A_PAGE = 1.0
"""After this long a page is full."""

JobIds = Annotated[list[UUID], Field(max_length=MOST_JOBS, description="Ids of jobs, registered or not; empty: all.")]


class StatisticsOf(Body):
    """What runs are counted, and how."""

    jobs: JobIds = Field([])
    since: Instant = Field(description="Inclusive.")
    until: Instant | None = Field(None, description="Exclusive; left out: up to now.")
    step: Duration | None = Field(None, description="Whole minutes; an entry a job and step, else one a job.")
    after: UUID | None = Field(None, description="next_after of the page before.")


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsPage:
    """What became of runs, of each job in turn, oldest first."""

    entries: tuple[JobStatistics, ...]
    next_after: UUID | None
    """Pass it as ``after`` for the jobs that follow; null at the end."""


@router.post(
    "/job-statistics", response_model=StatisticsPage, openapi_extra=demand(Policy.READ_SYSTEM_JOBS, is_audited=False)
)
async def job_statistics(host: Host, body: StatisticsOf) -> Response:
    """Give what became of the runs that finished in a span, by job and step; changes nothing.

    Instants are taken to the full minute, older ones than two days to the full hour. A page may be empty and go on.
    """
    page = await (_totals(host, body) if body.step is None else _steps(host, body, body.step))
    return answer(page)


async def _totals(host: Services, body: StatisticsOf) -> StatisticsPage:
    jobs, following = _chosen(sorted(set(body.jobs)), body.after, MOST_ENTRIES)
    if body.jobs and not jobs:
        return StatisticsPage(entries=(), next_after=None)
    found = await host.runs.statistics(jobs, since=body.since, until=body.until)
    entries = sorted(found, key=lambda entry: entry.job_id)
    if not body.jobs:
        entries = [entry for entry in entries if body.after is None or entry.job_id > body.after]
        following = entries[MOST_ENTRIES - 1].job_id if len(entries) > MOST_ENTRIES else None
    return StatisticsPage(entries=tuple(entries[:MOST_ENTRIES]), next_after=following)


async def _steps(host: Services, body: StatisticsOf, step: timedelta) -> StatisticsPage:
    jobs = body.jobs or [entry.job_id for entry in await host.runs.statistics(since=body.since, until=body.until)]
    if not jobs:  # the store alone says whether the step can be had
        found = await host.runs.statistics(since=body.since, until=body.until, step=step)
        return StatisticsPage(entries=tuple(found), next_after=None)
    remaining, last = sorted(set(jobs)), body.after
    at_once = _at_once(body.since, body.until or host.now(), step)
    entries: list[JobStatistics] = []
    began = time.monotonic()
    while True:
        some, following = _chosen(remaining, last, at_once)
        if some:
            found = await host.runs.statistics(some, since=body.since, until=body.until, step=step)
            entries += sorted(found, key=lambda entry: (entry.job_id, entry.since))
        last = following
        if last is None or len(entries) >= MOST_ENTRIES or time.monotonic() - began > SECONDS_A_PAGE:
            return StatisticsPage(entries=tuple(entries), next_after=last)


def _chosen(jobs: Sequence[UUID], after: UUID | None, number: int) -> tuple[Sequence[UUID], UUID | None]:
    """Give the first of the sorted jobs after one, and after which to go on."""
    rest = jobs if after is None else [job for job in jobs if job > after]
    return rest[:number], rest[number - 1] if len(rest) > number else None


def _at_once(since: datetime, until: datetime, step: timedelta) -> int:
    steps = ceil((until - since) / step) if step > timedelta(0) else 1
    return max(1, min(JOBS_AT_ONCE, MOST_ENTRIES // max(1, steps)))
