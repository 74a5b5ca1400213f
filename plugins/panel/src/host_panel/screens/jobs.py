"""The list of jobs, and registering more."""

from __future__ import annotations

from starlette.responses import Response

from host_panel.desk import Desk
from host_panel.flash import back_to
from host_panel.job_list import ROWS, WORDS, containing, list_jobs, package_of, read_wanted
from host_panel.job_rows import rows_of
from host_panel.pages import READ, REGISTER, Screens
from host_panel.requests import PanelRequest, text_of

screens = Screens()


@screens.get("/jobs", READ)
async def show_jobs(desk: Desk, request: PanelRequest) -> Response:
    """List registered jobs by name, each with its schedules, its latest runs and what can be done with it.

    The charts of the rows take longer than all the rest: the page fetches itself again with them (``charts=yes``).
    """
    wanted, with_charts = read_wanted(request), request.query("charts") == "yes"
    listed = await list_jobs(desk, wanted)
    rows = await rows_of(desk, listed.jobs, with_charts=with_charts)
    return desk.renderer.page(
        request,
        "jobs.html",
        wanted=wanted,
        listed=listed,
        shown=rows,
        words=WORDS,
        with_charts=with_charts,
        page=ROWS,
        back=request.link(charts=None)[len(request.base) :],
    )


@screens.get("/jobs/add", READ)
async def show_available(desk: Desk, request: PanelRequest) -> Response:
    """List the jobs that plugins offer and nobody has registered."""
    wanted = read_wanted(request)
    jobs = containing(await desk.jobs.get_available_jobs(), wanted.text)
    begin = wanted.begin if wanted.begin < len(jobs) else 0
    page = [(job, package_of(job)) for job in jobs[begin : begin + ROWS]]
    return desk.renderer.page(
        request, "jobs_add.html", wanted=wanted, jobs=page, begin=begin, total=len(jobs), page=ROWS
    )


@screens.post("/jobs", REGISTER)
async def register_job(desk: Desk, request: PanelRequest) -> Response:
    """Register an offered job for good; it runs when it is started or scheduled."""
    form = await request.form()
    info = await desk.jobs.register_job(text_of(form, "job"))
    request.call.audit["job"] = info.job_type
    text = f"Job {info.name[:200]} was registered. It has no schedule yet."
    return back_to(request, "/jobs/add", text, link=f"/jobs/{info.id}", link_text="Show the job")
