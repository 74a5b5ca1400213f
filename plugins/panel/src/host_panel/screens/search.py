"""Finding jobs and runs by a text."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from starlette.responses import Response

from host.errors import JobNotFoundError
from host.model.runs import JobRun, RunFilter
from host_panel.desk import Desk
from host_panel.finding import FoundJobs
from host_panel.pages import Screens
from host_panel.reckonings import PATIENCE_SECONDS
from host_panel.redirects import go_to
from host_panel.requests import PanelRequest

screens = Screens()
JOBS = RUNS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _FoundRuns:
    runs: Sequence[JobRun]
    names: Mapping[UUID, str]
    is_more: bool
    """Whether there are more, or the search stopped after a while."""


@screens.get("/search")
async def search(desk: Desk, request: PanelRequest) -> Response:
    """Show what holds the text; a whole id leads to what has it."""
    text = request.query("q")
    path = await _place_of(desk, text)
    if path is not None:
        return go_to(request, path)
    look = desk.reckonings.outlook.find(text, at_most=JOBS, patience_seconds=PATIENCE_SECONDS)
    jobs, schedules, available, runs = await asyncio.gather(
        desk.known.ask("jobs found", _jobs(desk, text), is_kept=False),
        desk.known.ask("schedules found", look, is_kept=False),
        desk.known.ask("offered jobs found", _available(desk, text), is_kept=False),
        desk.known.ask("runs found", _runs(desk, text), is_kept=False),
    )
    return desk.renderer.page(
        request, "search.html", text=text, jobs=jobs, schedules=schedules, available=available, runs=runs, most=JOBS
    )


async def _place_of(desk: Desk, text: str) -> str | None:
    """Give the page of the run or job whose whole id, or whole type name, a text is."""
    if not text or text.split() != [text]:
        return None
    try:
        wanted = UUID(text)
    except ValueError:
        return await _place_of_type(desk, text) if ":" in text else None
    if await desk.runs.run(wanted) is not None:
        return f"/runs/{wanted}"
    return f"/jobs/{wanted}" if await desk.job_of(wanted) is not None else None


async def _place_of_type(desk: Desk, name: str) -> str | None:
    try:
        return f"/jobs/{(await desk.jobs.get_job(name)).id}"
    except JobNotFoundError:
        return None


async def _jobs(desk: Desk, text: str) -> FoundJobs:
    return desk.finder.find(await desk.jobs.jobs(), text, at_most=JOBS)


async def _available(desk: Desk, text: str) -> FoundJobs:
    return desk.finder.find(await desk.jobs.get_available_jobs(), text, at_most=JOBS)


async def _runs(desk: Desk, text: str) -> _FoundRuns:
    if not text:
        return _FoundRuns(runs=(), names={}, is_more=False)
    page = await desk.runs.runs(RunFilter(text=text), limit=RUNS)
    return _FoundRuns(runs=page.runs, names=await desk.names_of(page.runs), is_more=page.next_cursor is not None)
