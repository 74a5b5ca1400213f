"""Which jobs a page lists: by name, by how they stand, by plugin; a bounded number of them is asked about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from host.errors import UnsupportedOperationError
from host.faces.in_force import MOST_TOGETHER
from host.model.jobs import JobInfo
from host.model.runs import ACTIVE_STATES, RunFilter, RunState
from host_panel.desk import Desk
from host_panel.job_parts import of_each
from host_panel.requests import PanelRequest

ROWS = 50
MOST_RUNS = 1000
"""Runs among which active and failed ones are looked for."""
MOST_ASKED = 2000
"""Jobs that one page looks through where each must be asked about."""
BATCH = 500
FAILED = frozenset({RunState.FAILED, RunState.QUARANTINED})
_LARGEST_OFFSET = 10_000_000


class Show(StrEnum):
    """How the jobs stand that a list shows."""

    FAILING = "failing"
    PAUSED = "paused"
    RUNNING = "running"
    NEVER = "never"
    UNSCHEDULED = "unscheduled"


WORDS: Mapping[Show, str] = {
    Show.FAILING: "Failing",
    Show.PAUSED: "Paused",
    Show.RUNNING: "Running",
    Show.NEVER: "Never run",
    Show.UNSCHEDULED: "Without schedule",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an address asks for."""

    text: str = ""
    show: Show | None = None
    is_grouped: bool = False
    begin: int = 0
    """How many jobs of the list come before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One page of the list."""

    jobs: Sequence[JobInfo]
    begin: int
    total: int | None
    """None: they were not all looked through."""
    following: int | None
    """Where the page after begins."""
    plugins: Mapping[UUID, str] = field(default_factory=dict)
    """Of each job, if the list is grouped by it."""


def read_wanted(request: PanelRequest) -> Wanted:
    """Read the query of the list; what makes no sense counts as not given."""
    show, begin = request.query("show"), request.query("from")
    number = int(begin) if begin.isascii() and begin.isdigit() and len(begin) <= len(str(_LARGEST_OFFSET)) else 0
    return Wanted(
        text=request.query("q"),
        show=Show(show) if show in set(Show) else None,
        is_grouped=request.query("group") == "plugin",
        begin=number,
    )


async def list_jobs(desk: Desk, wanted: Wanted) -> Listed:
    """Give the page of the list that is wanted."""
    jobs = containing(await desk.jobs.jobs(), wanted.text)
    plugins = await _plugins(desk, jobs) if wanted.is_grouped else {}
    if wanted.is_grouped:
        jobs = sorted(jobs, key=lambda job: plugins[job.id].casefold())  # stable: by name within a plugin
    if wanted.show is Show.NEVER:
        return await _looked_through(jobs, wanted.begin, plugins, lambda some: _never_run(desk, some))
    if wanted.show is Show.UNSCHEDULED:
        return await _looked_through(jobs, wanted.begin, plugins, lambda some: _unscheduled(desk, some))
    if wanted.show is not None:
        found = await _standing(desk, wanted.show)
        jobs = [job for job in jobs if job.id in found or job.job_type in found]
    begin = wanted.begin if wanted.begin < len(jobs) else 0
    following = begin + ROWS if begin + ROWS < len(jobs) else None
    return Listed(jobs=jobs[begin : begin + ROWS], begin=begin, total=len(jobs), following=following, plugins=plugins)


def containing(jobs: Sequence[JobInfo], text: str) -> Sequence[JobInfo]:
    """Give the jobs whose name or type contains a text, whatever the case."""
    part = text.casefold()
    if not part:
        return jobs
    return [
        job for job in jobs if part in job.name.casefold() or part in job.job_type.casefold() or part == str(job.id)
    ]


async def _standing(desk: Desk, show: Show) -> Collection[UUID | str]:
    if show is Show.PAUSED:
        scopes = await desk.pauses()
        return {scope.removeprefix("job:") for scope in scopes if scope.startswith("job:")}
    states = ACTIVE_STATES if show is Show.RUNNING else FAILED
    page = await desk.runs.runs(RunFilter(states=states), limit=MOST_RUNS)
    ids = {run.job_id for run in page.runs}
    if show is Show.RUNNING:
        return ids
    try:
        streaks = await desk.runs.failing(ids, at_most=1)
    except UnsupportedOperationError:  # of each job only the latest run is known, and it failed
        return ids
    return {job_id for job_id, number in streaks.items() if number}


async def _looked_through(
    jobs: Sequence[JobInfo],
    begin: int,
    plugins: Mapping[UUID, str],
    passing: Callable[[Sequence[JobInfo]], Awaitable[Collection[UUID]]],
) -> Listed:
    """Look through the jobs from a place on, until a page is full or enough of them were asked about."""
    found: list[JobInfo] = []
    end = min(begin + MOST_ASKED, len(jobs))
    place = begin
    while place < end:
        some = jobs[place : min(place + BATCH, end)]
        passed = await passing(some)
        for job in some:
            place += 1
            if job.id in passed:
                found.append(job)
            if len(found) == ROWS:
                end = place
                break
    following = place if place < len(jobs) else None
    total = len(found) if begin == 0 and following is None else None
    return Listed(jobs=found, begin=begin, total=total, following=following, plugins=plugins)


async def _never_run(desk: Desk, jobs: Sequence[JobInfo]) -> Collection[UUID]:
    latest = await desk.runs.latest([job.id for job in jobs])
    return {job.id for job in jobs if job.id not in latest}


async def _unscheduled(desk: Desk, jobs: Sequence[JobInfo]) -> Collection[UUID]:
    stored = {entry.job_type: bool(entry.schedules) for entry in await desk.schedules.all()}
    unsure = [job for job in jobs if not any(stored.get(name) for name in (job.job_type, *job.aliases))]
    entries = await of_each(unsure, lambda job: desk.jobs.get_job_schedules(job.job_type), at_once=MOST_TOGETHER)
    return {job.id for job, entry in zip(unsure, entries, strict=True) if not entry.schedules}


async def _plugins(desk: Desk, jobs: Sequence[JobInfo]) -> Mapping[UUID, str]:
    named = {job_type: plugin.name for plugin in await desk.host.plugins() for job_type in plugin.jobs}
    return {job.id: named.get(job.job_type) or package_of(job) for job in jobs}


def package_of(job: JobInfo) -> str:
    """Give the outermost package of a job's class, for jobs that no plugin here offers."""
    return job.job_type.partition(":")[0].partition(".")[0]
