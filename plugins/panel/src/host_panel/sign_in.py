"""Signing in and out, and keeping a sign-in alive."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from starlette.responses import Response

from host.contracts.clock import Clock
from host.contracts.security import TokenService
from host.errors import AccessDeniedError, AuthenticationError, HostError, TooManyAttemptsError
from host.model.security import Access, IssuedTokens, PasswordCredentials
from host_panel.cookies import ACCESS, REFRESH, THEME
from host_panel.desk import Desk
from host_panel.pages import Screens
from host_panel.redirects import back_from, go_to
from host_panel.rendering import THEMES
from host_panel.requests import PanelRequest, text_of

CLIENT = "panel"
"""The program through which people act here."""
KEPT_SECONDS = 30.0
"""A renewal is given again to whoever asks with the same token so soon: tabs of one browser renew at once."""

screens = Screens()


class Renewals:
    """Renews sign-ins; once a refresh token, however many requests of one browser ask."""

    def __init__(self, tokens: TokenService, clock: Clock) -> None:
        self._tokens, self._clock = tokens, clock
        self._known: dict[str, tuple[float, asyncio.Future[IssuedTokens]]] = {}

    async def renew(self, refresh_token: str) -> IssuedTokens:
        """Give new tokens; raises AuthenticationError."""
        now = self._clock.monotonic()
        self._known = {key: held for key, held in self._known.items() if now - held[0] < KEPT_SECONDS}
        held = self._known.get(refresh_token)
        if held is None or _has_failed(held[1]):
            renewing = asyncio.ensure_future(self._tokens.renew(refresh_token, client=CLIENT))
            held = self._known[refresh_token] = now, renewing
        return await asyncio.shield(held[1])


def _has_failed(renewing: asyncio.Future[IssuedTokens]) -> bool:
    return renewing.done() and (renewing.cancelled() or renewing.exception() is not None)


def is_due(request: PanelRequest, clock: Clock, lifetime: timedelta) -> bool:
    """Say whether a sign-in should be renewed with this answer: less than half of a token's life is left.

    Never with what everybody may ask for: signing in or out decides for itself, and styles and scripts are kept by
    whatever stands between, with their headers.
    """
    principal = request.principal
    if request.call.rule.demand is Access.PUBLIC:
        return False
    if principal is None or principal.expires_at is None or not request.jar.read(request.cookies, REFRESH):
        return False
    return principal.expires_at - clock.now() < lifetime / 2


@screens.get("/sign-in", Access.PUBLIC)
async def show(desk: Desk, request: PanelRequest) -> Response:
    """Show the form."""
    back = back_from(request.query("back", longest=2000), "/")
    return desk.renderer.page(request, "sign_in.html", back=back, name="", error=None)


@screens.post("/sign-in", Access.PUBLIC)
async def sign_in(desk: Desk, request: PanelRequest) -> Response:
    """Begin a session, or say what is wrong."""
    try:
        form = await request.form()
    except AccessDeniedError:
        error = "This page was too old, or the browser refuses cookies. Please try again."
        return desk.renderer.page(request, "sign_in.html", status=403, back="/", name="", error=error)
    name, password = text_of(form, "name", longest=200), form.get("password", "")
    back = back_from(text_of(form, "back"), "/")
    request.call.audit["user"] = name[:100]
    try:
        credentials = PasswordCredentials(name=name, password=str(password), address=request.call.address)
        principal = await desk.authenticator.authenticate(credentials)
    except AuthenticationError as error:
        status, headers = 403, list[tuple[bytes, bytes]]()
        text = "Name or password is wrong."
        if isinstance(error, TooManyAttemptsError):
            status, headers = 429, [(b"retry-after", str(error.retry_after_seconds).encode())]
            text = f"Too many attempts; wait {error.retry_after_seconds} s."
        return desk.renderer.page(
            request, "sign_in.html", status=status, headers=headers, back=back, name=name, error=text
        )
    issued = await desk.tokens.issue(replace(principal, client=CLIENT), is_renewable=True)
    response = go_to(request, back)
    response.raw_headers.extend(request.jar.tokens(issued))
    return response


@screens.post("/sign-out", Access.PUBLIC)
async def sign_out(desk: Desk, request: PanelRequest) -> Response:
    """End the session; safe without one."""
    await request.form()
    for word in (REFRESH, ACCESS):
        token = request.jar.read(request.cookies, word)
        if token:
            await desk.tokens.revoke(token)
            break
    response = go_to(request, "/sign-in")
    response.raw_headers.extend(request.jar.forget())
    return response


@screens.post("/theme", Access.PUBLIC, is_audited=False)
async def set_theme(desk: Desk, request: PanelRequest) -> Response:
    """Show pages light, dark, or as the system is."""
    form = await request.form()
    theme = text_of(form, "theme")
    response = go_to(request, back_from(text_of(form, "back"), "/"))
    if theme in THEMES:
        response.raw_headers.append(request.jar.set(THEME, theme))
    return response


async def renewed(renewals: Renewals, request: PanelRequest) -> Iterator[tuple[bytes, bytes]] | None:
    """Give the cookies of a renewed sign-in; None where it cannot be renewed."""
    token = request.jar.read(request.cookies, REFRESH)
    if token is None:
        return None
    with suppress(HostError):
        return request.jar.tokens(await renewals.renew(token))
    return None
