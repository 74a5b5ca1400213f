"""One run: its states, progress, log, result or error, and steering it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar
from uuid import UUID

from starlette.datastructures import FormData
from starlette.responses import Response, StreamingResponse

from host.errors import HostError, InvalidRequestError, RunNotFoundError
from host.model.runs import JobRun
from host.wire import to_json
from host_panel.desk import Desk
from host_panel.flash import attempt, back_to
from host_panel.json_text import pretty
from host_panel.pages import START, Screens
from host_panel.reading import read_instant, read_whole
from host_panel.requests import PanelRequest, text_of
from host_panel.run_log import as_events, as_text, last_lines, shown
from host_panel.run_story import expected_end, stages_of
from host_panel.tracebacks import frames_of

T = TypeVar("T")
screens = Screens()
ATTEMPTS = 10
"""The latest ones, whose errors are shown with their tracebacks."""
_EVENTS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@screens.get("/runs/{run}")
async def show_run(desk: Desk, request: PanelRequest) -> Response:
    """Show a run."""
    run = (await desk.shown([await _existing(desk, request)]))[0]
    job = await desk.job_of(run.job_id)
    executors = {each.name: each for each in (await desk.status()).executors}
    executor = executors.get(run.executor)
    return desk.renderer.page(
        request,
        "run.html",
        run=run,
        job=job,
        name=job.name if job else run.job_type,
        stages=stages_of(run, desk.now()),
        expected_end=expected_end(run, desk.now()),
        errors=[(error, frames_of(error.traceback)) for error in run.errors[: -ATTEMPTS - 1 : -1]],
        earlier_errors=run.errors[:-ATTEMPTS],
        parameters={name: pretty(value) for name, value in run.parameters.items()},
        result=pretty(run.result) if run.result is not None else None,
        cancel_effect=executor.cancel_effect if executor else None,
        log=await _log(desk, run),
    )


@screens.get("/runs/{run}/log")
async def show_earlier_lines(desk: Desk, request: PanelRequest) -> Response:
    """Give the lines before a number, for the log view."""
    run_id = _run_id(request)
    before = request.query("before")
    if not (before.isascii() and before.isdigit()):
        raise InvalidRequestError("before is the number of a line")
    lines = await last_lines(desk.log, run_id, before=int(before[:18]))
    zone = await desk.timezone()
    return Response(to_json([shown(line, zone) for line in lines]), media_type="application/json")


@screens.get("/runs/{run}/log.txt")
async def download_log(desk: Desk, request: PanelRequest) -> Response:
    """Give the whole log as a text."""
    run = await _existing(desk, request)
    headers = {"Content-Disposition": f'attachment; filename="run-{run.id}.log"'}
    return StreamingResponse(as_text(desk.log, run.id), media_type="text/plain; charset=utf-8", headers=headers)


@screens.get("/runs/{run}/log/live")
async def follow_log(desk: Desk, request: PanelRequest) -> Response:
    """Give new lines as they come."""
    run = await _existing(desk, request)
    after = request.headers.get("last-event-id") or request.query("after") or "0"
    if not (after.isascii() and after.isdigit()):
        raise InvalidRequestError("after is the number of a line")
    lines = as_events(desk.log, run.id, request.call, after=int(after[:18]), zone=await desk.timezone())
    return StreamingResponse(lines, media_type="text/event-stream", headers=_EVENTS)


@screens.post("/runs/{run}/cancel", START)
async def cancel(desk: Desk, request: PanelRequest) -> Response:
    """Cancel it, or ask it to stop."""
    await request.form()
    run_id = _run_id(request)

    async def act() -> Response:
        result = await desk.control.cancel(run_id, by=request.by)
        text = "The run was asked to stop." if result.state.is_active else "The run is cancelled."
        return back_to(request, f"/runs/{run_id}", text)

    return await attempt(request, f"/runs/{run_id}", act())


@screens.post("/runs/{run}/retry", START)
async def retry(desk: Desk, request: PanelRequest) -> Response:
    """Submit it anew."""
    await request.form()
    run_id = _run_id(request)

    async def act() -> Response:
        again = await desk.control.retry(run_id, by=request.by)
        return back_to(request, f"/runs/{again}", "This is the new run, with the same parameters.")

    return await attempt(request, f"/runs/{run_id}", act())


@screens.post("/runs/{run}/release", START)
async def release(desk: Desk, request: PanelRequest) -> Response:
    """Let a held run go, or give a quarantined one another chance."""
    await request.form()
    run_id = _run_id(request)

    async def act() -> Response:
        goes = await desk.control.release(run_id, by=request.by)
        text = "The run is released." if goes.id == run_id else "This is its other chance, a new run."
        return back_to(request, f"/runs/{goes.id}", text)

    return await attempt(request, f"/runs/{run_id}", act())


@screens.post("/runs/{run}/amend", START)
async def amend(desk: Desk, request: PanelRequest) -> Response:
    """Change a waiting run, or keep it for good."""
    form = await request.form()
    run_id, locked = _run_id(request), text_of(form, "is_locked")
    path = f"/runs/{run_id}"

    async def act() -> Response:
        await desk.control.amend(
            run_id,
            priority=_entered(form, "priority", read_whole),
            not_before=_entered(form, "not_before", partial(read_instant, timezone=await desk.timezone())),
            is_locked=locked == "yes" if locked else None,
        )
        if not locked:
            return back_to(request, path, "The run is changed.")
        text = "The run is kept by retention." if locked == "yes" else "Retention may delete the run again."
        opposite = {"is_locked": "no" if locked == "yes" else "yes"}
        return back_to(request, path, text, undo=f"{path}/amend", undo_fields=opposite)

    return await attempt(request, path, act())


def _entered(form: FormData, name: str, read: Callable[[str], T]) -> T | None:
    text = text_of(form, name)
    try:
        return read(text) if text else None
    except ValueError as error:
        raise InvalidRequestError(f"Not changed. {name.replace('_', ' ').capitalize()}: {error}") from None


async def _log(desk: Desk, run: JobRun) -> dict[str, object]:
    """Give what the log view begins with; a log that cannot be read is said there, and the page stands."""
    try:
        lines = await last_lines(desk.log, run.id)
    except HostError as error:
        return {"lines": [], "error": error}
    zone = await desk.timezone()
    return {"lines": [shown(line, zone) for line in lines], "error": None}


def _run_id(request: PanelRequest) -> UUID:
    try:
        return UUID(request.value("run"))
    except ValueError:
        raise RunNotFoundError("no run has this id", hint="the list of runs shows them") from None


async def _existing(desk: Desk, request: PanelRequest) -> JobRun:
    run = await desk.runs.run(_run_id(request))
    if run is None:
        hint = "retention deletes old runs"
        raise RunNotFoundError("no run has this id", hint=hint)
    return run
