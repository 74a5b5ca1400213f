"""Plugins and providers with their health, the host's own state, and steering the host as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from host.contracts.contract import Finding
from host.contracts.host import HostStatus, PluginInfo, ProviderInfo
from host.errors import HostError
from host.model.counts import counted
from host.model.runs import ACTIVE_STATES
from host_panel.desk import Desk
from host_panel.flash import back_to
from host_panel.pages import ADMINISTER, START, Screens
from host_panel.pauses import EVERYTHING, named_pauses
from host_panel.redirects import back_from, go_to
from host_panel.requests import PanelRequest, text_of

screens = Screens()
LONGEST_REASON = 500
MOST_CHANGES = 500
"""Differences of a configuration that a page lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundBy:
    """A finding, and whose it is."""

    provider: ProviderInfo
    finding: Finding


@screens.get("/providers")
async def show_providers(desk: Desk, request: PanelRequest) -> Response:
    """Show what this host is made of, and how it is."""
    return await _page(desk, request)


@screens.get("/providers/reload", ADMINISTER)
async def ask_reload(desk: Desk, request: PanelRequest) -> Response:
    """Show what a reload would change; changes nothing."""
    try:
        report = await desk.host.reload(dry_run=True, by=request.by)
    except HostError as error:
        return desk.renderer.page(request, "reload.html", report=None, error=error, most=MOST_CHANGES)
    return desk.renderer.page(request, "reload.html", report=report, error=None, most=MOST_CHANGES)


@screens.post("/providers/reload", ADMINISTER)
async def reload(desk: Desk, request: PanelRequest) -> Response:
    """Have the host start afresh with its configuration as it is now."""
    await request.form()
    try:
        report = await desk.host.reload(by=request.by)
    except HostError as error:
        return desk.renderer.page(request, "reload.html", status=422, report=None, error=error, most=MOST_CHANGES)
    changes = counted(len(report.changes), "difference")
    text = f"The host reloads ({changes}): active runs end first, then it starts anew. This page tells how it ended."
    return back_to(request, "/providers", text)


@screens.post("/providers/drain", ADMINISTER)
async def drain(desk: Desk, request: PanelRequest) -> Response:
    """Let active runs end, then stop the host."""
    await request.form()
    await desk.host.drain(by=request.by)
    text = "The host starts no run any more, and stops when the active ones have ended."
    return back_to(request, "/providers", text)


@screens.get("/pauses")
async def show_pauses(desk: Desk, request: PanelRequest) -> Response:
    """Lead to where pauses are shown: an answer to the form below may be loaded again."""
    return go_to(request, "/providers")


@screens.post("/pauses", START)
async def pause(desk: Desk, request: PanelRequest) -> Response:
    """Start nothing more of everything, a job or a schedule."""
    form = await request.form()
    scope, reason = text_of(form, "scope") or EVERYTHING, text_of(form, "reason", longest=LONGEST_REASON)
    if not reason:
        return await _page(desk, request, reason_error="Say why, for those who find it paused.")
    changed = await desk.control.pause(scope, reason=reason, by=request.by)
    request.call.audit["scope"] = scope
    what = "Everything is" if scope == EVERYTHING else "It is"
    text = f"{what} paused: no further run starts." if changed else f"{what} paused already; the earlier reason stays."
    path = back_from(text_of(form, "back"), "/providers")
    return back_to(request, path, text, undo="/pauses/end" if changed else None, undo_fields={"scope": scope})


@screens.post("/pauses/end", START)
async def resume(desk: Desk, request: PanelRequest) -> Response:
    """End a pause."""
    form = await request.form()
    scope = text_of(form, "scope")
    ended = next((each for each in (await desk.status()).pauses if each.scope == scope), None)
    changed = await desk.control.resume(scope, by=request.by)
    request.call.audit["scope"] = scope
    path = back_from(text_of(form, "back"), "/providers")
    if not changed:
        return back_to(request, path, "Nothing was paused there any more.")
    if ended is None:
        return back_to(request, path, "The pause is over.")
    fields = {"scope": scope, "reason": ended.reason[:LONGEST_REASON]}
    return back_to(request, path, "The pause is over: runs start again.", undo="/pauses", undo_fields=fields)


async def _page(desk: Desk, request: PanelRequest, *, reason_error: str | None = None) -> Response:
    status = await desk.status()
    plugins = await desk.known.ask("the installed plugins", desk.host.plugins())
    return desk.renderer.page(
        request,
        "providers.html",
        status=422 if reason_error else 200,
        host=status,
        plugins=plugins,
        broken=[plugin for plugin in plugins.value or () if plugin.error],
        sorted_plugins=_worst_first(plugins.value or ()),
        findings=_findings(status),
        pauses=await named_pauses(desk, status.pauses),
        is_all_paused=any(each.scope == EVERYTHING for each in status.pauses),
        active=sum(status.unfinished.get(state, 0) for state in ACTIVE_STATES),
        reason_error=reason_error,
    )


def _worst_first(plugins: Sequence[PluginInfo]) -> Sequence[PluginInfo]:
    return sorted(plugins, key=lambda plugin: plugin.error is None)


def _findings(status: HostStatus) -> Sequence[FoundBy]:
    """Give what providers remark, failures first; pauses have a list of their own."""
    paused = tuple(f"{pause.scope} is paused" for pause in status.pauses)
    found = [
        FoundBy(provider=provider, finding=finding)
        for provider in status.providers
        for finding in provider.findings
        if not finding.message.startswith(paused)
    ]
    return sorted(found, key=lambda each: not each.finding.is_failure)
