"""Running a job by hand: the form of its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from starlette.datastructures import FormData
from starlette.responses import Response

from host.errors import ErrorKind, HostError, UnsupportedOperationError
from host.model.jobs import JobInfo
from host.model.runs import JobRun
from host.model.submissions import RunSubmission
from host_panel.desk import Desk
from host_panel.flash import back_to
from host_panel.pages import START, Screens
from host_panel.redirects import back_from
from host_panel.requests import PanelRequest, text_of
from host_panel.run_entry import EntryError, errors_of, is_plain, read_submission
from host_panel.run_form import RunForm, form_again, new_form
from host_panel.screens.job import moved

screens = Screens()
_STATUS: Mapping[ErrorKind, int] = {ErrorKind.INVALID: 422, ErrorKind.CONFLICT: 409, ErrorKind.UNAVAILABLE: 503}


@screens.get("/jobs/{job}/run", START)
async def show_form(desk: Desk, request: PanelRequest) -> Response:
    """Ask for the parameters of a run; ``from`` names a run whose values are taken over, secrets apart."""
    job = await desk.jobs.get_job(request.value("job"))
    if request.value("job") != str(job.id):
        return moved(request, f"/jobs/{job.id}/run")
    origin = await _origin(desk, job, request.query("from"))
    form = new_form(job, timezone=await desk.timezone(), origin=origin)
    return await _page(desk, request, job, form, back=f"/jobs/{job.id}", origin=origin)


@screens.post("/jobs/{job}/run", START)
async def run_job(desk: Desk, request: PanelRequest) -> Response:
    """Submit a run, or show what is wrong beside each field."""
    form = await request.form()
    job = await desk.jobs.get_job(request.value("job"))
    request.call.audit["job"] = job.job_type
    back = back_from(text_of(form, "back"), f"/jobs/{job.id}")
    timezone = await desk.timezone()
    try:
        submission = read_submission(
            job, form, timezone=timezone, now=desk.now(), owner=request.call.caller, trace=request.call.trace
        )
    except EntryError as error:
        return await _again(desk, request, job, form, error.errors, status=422, back=back)
    try:
        run_id = await _submit(desk, submission, by=request.call.caller)
    except HostError as error:
        if error.kind not in _STATUS:
            raise
        return await _again(desk, request, job, form, errors_of(job, error), status=_STATUS[error.kind], back=back)
    link = None if run_id is None else f"/runs/{run_id}"
    request.call.audit.update({} if run_id is None else {"run": str(run_id)})
    return back_to(request, back, f"A run of {job.name[:200]} was submitted.", link=link, link_text="Show the run")


async def _submit(desk: Desk, submission: RunSubmission, *, by: str | None) -> UUID | None:
    """Submit a run; where nobody tells which run became of it, only start the job."""
    try:
        return (await desk.control.submit([submission]))[0]
    except UnsupportedOperationError:
        if not is_plain(submission):
            raise
    run = await desk.jobs.start_job(submission.job, submission.parameters, by=by)
    return run.id if run else None


async def _again(
    desk: Desk,
    request: PanelRequest,
    job: JobInfo,
    given: FormData,
    errors: Mapping[str, str],
    *,
    status: int,
    back: str,
) -> Response:
    form = form_again(job, given, errors, timezone=await desk.timezone())
    return await _page(desk, request, job, form, back=back, status=status)


async def _page(
    desk: Desk,
    request: PanelRequest,
    job: JobInfo,
    form: RunForm,
    *,
    back: str,
    origin: JobRun | None = None,
    status: int = 200,
) -> Response:
    pauses = await desk.pauses()
    pause = pauses.get(f"job:{job.job_type}") or pauses.get("all")
    return desk.renderer.page(
        request, "job_run.html", status=status, job=job, form=form, back=back, origin=origin, pause=pause
    )


async def _origin(desk: Desk, job: JobInfo, text: str) -> JobRun | None:
    """Give the run that is to be repeated with other values; None for what is none of this job's."""
    try:
        run = await desk.runs.run(UUID(text)) if text else None
    except ValueError:
        return None
    return run if run is not None and run.job_id == job.id else None
