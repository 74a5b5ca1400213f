"""One job: its schedules, its history, pausing and cancelling it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

from starlette.datastructures import FormData
from starlette.responses import Response

from host.errors import JobNotFoundError
from host.model.jobs import JobInfo
from host.model.masking import job_without_secrets, without_secrets
from host.model.runs import FINAL_STATES, JobRun, RunFilter, RunState
from host_panel.desk import Desk
from host_panel.flash import attempt, back_to
from host_panel.job_charts import heat_map, outcome_bar, trend
from host_panel.job_history import history_of
from host_panel.job_list import package_of
from host_panel.job_parts import Parts
from host_panel.job_schedules import shown_schedules
from host_panel.job_words import parameters_of, policies_of
from host_panel.pages import READ, START, Screens
from host_panel.pauses import scope_of
from host_panel.redirects import back_from, go_to
from host_panel.requests import PanelRequest, text_of
from host_panel.usual import usual_of

screens = Screens()
ROWS = 20
MOST_COUNTED = 100
OUTLIER = 4
"""Times the median, from which on bars are cut off."""
LONGEST_REASON = 1000
UNFINISHED = frozenset(RunState) - FINAL_STATES


@screens.get("/jobs/{job}", READ)
async def show_job(desk: Desk, request: PanelRequest) -> Response:
    """Show a registered job; one that is only offered with its history and the way to register it."""
    try:
        job = await desk.jobs.get_job(request.value("job"))
    except JobNotFoundError:
        return await _show_offered(desk, request)
    if request.value("job") != str(job.id):
        return moved(request, f"/jobs/{job.id}")
    parts, shown = Parts(), job_without_secrets(job)
    pauses = await parts.get(desk.pauses(), {})
    entry = await parts.get(desk.jobs.get_job_schedules(str(job.id)), None)
    schedules = await parts.get(shown_schedules(desk, job, entry, pauses), None) if entry else None
    runs = await parts.get(_runs_of(desk, job), None)
    return desk.renderer.page(
        request,
        "job.html",
        job=shown,
        parameters=parameters_of(shown),
        pause=pauses.get(f"job:{job.job_type}"),
        pause_of_all=pauses.get("all"),
        entry=entry,
        schedules=schedules,
        runs=runs,
        scale=_scale(runs),
        usual=usual_of([run for run, *_ in runs or ()]),
        failing=(await parts.get(desk.runs.failing([job.id]), {})).get(job.id, 0),
        unfinished=await parts.get(_count_unfinished(desk, job), None),
        policies=policies_of(job, (await desk.status()).executors),
        plugin=await parts.get(_plugin_of(desk, job), package_of(job)),
        problems=parts.problems,
    )


@screens.get("/jobs/{job}/statistics", READ)
async def show_statistics(desk: Desk, request: PanelRequest) -> Response:
    """Show what became of the job's runs in a month; the job's page fetches this after the rest."""
    job = await desk.jobs.get_job(request.value("job"))
    parts = Parts()
    asked = history_of(desk.runs, job.id, now=desk.now(), timezone=await desk.timezone())
    history = await parts.get(asked, None)
    return desk.renderer.page(
        request,
        "job_statistics.html",
        job=job,
        history=history,
        draw_bar=outcome_bar,
        trend=trend(history.days) if history else None,
        heat=heat_map(history) if history else None,
        problems=parts.problems,
    )


@screens.post("/jobs/{job}/pause", START)
async def pause_job(desk: Desk, request: PanelRequest) -> Response:
    """Start no run of the job, or of one of its schedules, until it is resumed."""
    form = await request.form()
    job = await desk.jobs.get_job(request.value("job"))
    reason, schedule = text_of(form, "reason", longest=LONGEST_REASON), text_of(form, "schedule", longest=100)
    scope, what = await scope_of(desk, job, schedule)

    async def pause(back: str) -> Response:
        if not reason:
            return back_to(request, back, "Nothing was paused: say why, for those who find it paused.", is_error=True)
        changed = await desk.control.pause(scope, reason=reason, by=request.by)
        text = f"{what} is paused." if changed else f"{what} was paused already; the first reason stays."
        undo = f"/jobs/{job.id}/resume" if changed else None
        return back_to(request, back, text, undo=undo, undo_fields={"schedule": schedule, "back": back})

    return await _done(request, form, job, pause)


@screens.post("/jobs/{job}/resume", START)
async def resume_job(desk: Desk, request: PanelRequest) -> Response:
    """End the pause of the job, or of one of its schedules."""
    form = await request.form()
    job = await desk.jobs.get_job(request.value("job"))
    schedule = text_of(form, "schedule", longest=100)
    scope, what = await scope_of(desk, job, schedule)

    async def resume(back: str) -> Response:
        before = (await desk.pauses()).get(scope)
        if not await desk.control.resume(scope, by=request.by):
            return back_to(request, back, f"{what} was not paused.")
        undo = f"/jobs/{job.id}/pause" if before else None
        kept = {"schedule": schedule, "back": back, "reason": before.reason[:LONGEST_REASON] if before else ""}
        return back_to(request, back, f"{what} is resumed.", undo=undo, undo_fields=kept)

    return await _done(request, form, job, resume)


@screens.post("/jobs/{job}/cancel", START)
async def cancel_runs(desk: Desk, request: PanelRequest) -> Response:
    """Cancel every unfinished run of the job, or ask it to stop."""
    form = await request.form()
    job = await desk.jobs.get_job(request.value("job"))

    async def cancel(back: str) -> Response:
        results = await desk.jobs.cancel_job(str(job.id), by=request.by)
        ended = sum(result.state is RunState.CANCELLED for result in results)
        told = [f"{ended} cancelled"] if ended else []
        told += [f"{len(results) - ended} asked to stop"] if len(results) > ended else []
        text = f"Runs of {job.name[:200]}: {', '.join(told)}." if told else "There was no unfinished run to cancel."
        return back_to(request, back, text)

    return await _done(request, form, job, cancel)


def moved(request: PanelRequest, path: str) -> Response:
    """Send the browser to the address that a job has for good."""
    query = request.target.partition("?")[2]
    return go_to(request, f"{path}?{query}" if query else path)


async def _done(
    request: PanelRequest, form: FormData, job: JobInfo, act: Callable[[str], Awaitable[Response]]
) -> Response:
    """Do what a form asks for; what does not work as things are is told on the page it came from."""
    request.call.audit["job"] = job.job_type
    back = back_from(text_of(form, "back"), f"/jobs/{job.id}")
    return await attempt(request, back, act(back))


async def _show_offered(desk: Desk, request: PanelRequest) -> Response:
    """Show a job that nobody has registered, or not any more; raises JobNotFoundError for one that nobody offers."""
    try:
        job = await desk.job_of(UUID(request.value("job")))
    except ValueError:
        job = None
    if job is None:
        raise JobNotFoundError(
            f"no job is called {request.value('job')[:200]!r}", hint="look for it in the list of jobs"
        )
    parts = Parts()
    runs = await parts.get(_runs_of(desk, job), None)
    shown = job_without_secrets(job)
    return desk.renderer.page(
        request, "job_offered.html", job=shown, runs=runs, scale=_scale(runs), problems=parts.problems
    )


async def _runs_of(desk: Desk, job: JobInfo) -> list[tuple[JobRun, timedelta | None, timedelta]]:
    """Give the latest runs, how long each waited, and how long waiting and running took together."""
    page = await desk.runs.runs(RunFilter(job_id=job.id), limit=ROWS)
    return [_timed(run, desk) for run in without_secrets(page.runs, [job])]


def _timed(run: JobRun, desk: Desk) -> tuple[JobRun, timedelta | None, timedelta]:
    nothing = timedelta(0)
    if run.started_at is None:
        return run, None, nothing
    wait = max(nothing, run.started_at - max(run.created_at, run.not_before or run.created_at))
    took = run.duration or (nothing if run.state.is_final else desk.now() - run.started_at)
    return run, wait, wait + took


def _scale(runs: Sequence[tuple[JobRun, timedelta | None, timedelta]] | None) -> timedelta | None:
    """Give what the whole bar of a run stands for; one that took far longer than most does not flatten the others."""
    lengths = sorted(whole for _, _, whole in runs or () if whole)
    return min(lengths[-1], OUTLIER * lengths[len(lengths) // 2]) if lengths else None


async def _count_unfinished(desk: Desk, job: JobInfo) -> str | None:
    page = await desk.runs.runs(RunFilter(job_id=job.id, states=UNFINISHED), limit=MOST_COUNTED)
    number = len(page.runs)
    if not number:
        return None
    return f"{number} or more runs" if page.next_cursor else "1 run" if number == 1 else f"{number} runs"


async def _plugin_of(desk: Desk, job: JobInfo) -> str:
    plugins = await desk.host.plugins()
    return next((each.name for each in plugins if job.job_type in each.jobs), package_of(job))
