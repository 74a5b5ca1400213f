"""Who did what."""

from __future__ import annotations

from starlette.responses import Response

from host.model.security import AuditOutcome
from host_panel.audit_filter import read_audit_filter, with_links
from host_panel.desk import Desk
from host_panel.pages import ADMINISTER, Screens
from host_panel.requests import PanelRequest

screens = Screens()
ROWS = 50
FACES = ("panel", "rest", "ami", "auth", "cli")
"""Suggested; a plugin may bring others."""


@screens.get("/audit", ADMINISTER)
async def show_audit(desk: Desk, request: PanelRequest) -> Response:
    """List events, newest first."""
    shown = read_audit_filter(request, await desk.timezone())
    cursor = request.query("cursor")
    page = None
    if desk.audit is not None:
        page = await desk.audit.events(shown.where, cursor=cursor or None, limit=ROWS)
    return desk.renderer.page(
        request,
        "audit.html",
        status=422 if shown.problems else 200,
        filter=shown,
        page=page,
        linked=lambda text: with_links(text, url=lambda path: f"{request.base}{path}"),
        next_url=request.link(cursor=page.next_cursor) if page and page.next_cursor else None,
        first_url=request.link(cursor=None) if cursor else None,
        outcomes=AuditOutcome,
        faces=FACES,
    )
