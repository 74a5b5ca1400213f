"""The list of runs, and one action on all that its filter finds: counted first."""

from __future__ import annotations

from starlette.datastructures import FormData
from starlette.responses import Response

from host.errors import InvalidRequestError
from host.model.runs import BulkAction
from host_panel.desk import Desk
from host_panel.flash import back_to
from host_panel.pages import START, Screens
from host_panel.reading import read_whole
from host_panel.requests import PanelRequest, text_of
from host_panel.run_filter import read_filter

screens = Screens()
ROWS = 50
MOST_RUNS = 100_000
WORDS = {
    BulkAction.CANCEL: ("Cancel", "will be cancelled, or asked to stop where they run already", "cancelled"),
    BulkAction.RETRY: ("Run again", "will be submitted anew, each as a new run", "submitted anew"),
    BulkAction.RELEASE: ("Release", "will be released", "released"),
}
"""``{action: (button, what will happen, what happened)}``."""


@screens.get("/runs")
async def show_runs(desk: Desk, request: PanelRequest) -> Response:
    """List runs, newest first."""
    shown = await read_filter(desk, request)
    cursor = request.query("cursor") or None
    page = await desk.runs.runs(shown.where, cursor=cursor, limit=ROWS)
    runs = await desk.shown(page.runs)
    return desk.renderer.page(
        request,
        "runs.html",
        filter=shown,
        runs=runs,
        names=await desk.names_of(runs),
        next_url=request.link(cursor=page.next_cursor) if page.next_cursor else None,
        first_url=request.link(cursor=None) if cursor else None,
        actions=WORDS,
    )


@screens.get("/runs/bulk", START)
async def count_runs(desk: Desk, request: PanelRequest) -> Response:
    """Count the runs that an action would reach, and ask."""
    action = _action(request.query("action"))
    shown = await read_filter(desk, request)
    report = await desk.control.bulk(action, shown.where, at_most=MOST_RUNS, dry_run=True)
    return desk.renderer.page(
        request, "runs_bulk.html", filter=shown, action=action, words=WORDS[action], report=report, most=MOST_RUNS
    )


@screens.post("/runs/bulk", START)
async def change_runs(desk: Desk, request: PanelRequest) -> Response:
    """Do it to as many runs as were counted; to none where there are more by now."""
    form = await request.form()
    action, count = _action(text_of(form, "action")), _count(form)
    shown = await read_filter(desk, request)
    present = await desk.control.bulk(action, shown.where, at_most=MOST_RUNS, dry_run=True)
    if present.matched > count:
        text = f"Nothing was done: {present.matched} runs match by now, {count} were counted."
        return back_to(request, f"/runs/bulk?action={action}&{shown.query}", text, is_error=True)
    report = await desk.control.bulk(action, shown.where, at_most=count, by=request.by)
    request.call.audit.update(action=str(action), changed=f"{report.changed} of {report.matched}")
    return back_to(request, f"/runs?{shown.query}", f"{report.changed} of {count} runs {WORDS[action][2]}.")


def _action(text: str) -> BulkAction:
    try:
        return BulkAction(text)
    except ValueError:
        raise InvalidRequestError(f"{text[:40]!r} cannot be done to runs") from None


def _count(form: FormData) -> int:
    try:
        return read_whole(text_of(form, "count"), least=1, most=MOST_RUNS)
    except ValueError:
        raise InvalidRequestError("the number of runs is missing", hint="count them first") from None
