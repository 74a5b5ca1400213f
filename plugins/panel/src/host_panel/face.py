"""Who answers what: the panel's pages behind the mount, imported when the first of them is wanted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from host.contracts.bus import MessageBus
from host.contracts.http import HttpRefusal, Receive, Scope, Send, call_of
from host.contracts.security import PolicyService
from host.errors import ErrorKind, HostError
from host.model.security import Access, Decision, Policy
from host_panel.assets import send_asset
from host_panel.cookies import ACCESS
from host_panel.desk import Desk
from host_panel.live import LiveFeed
from host_panel.pages import READ, Screens, by_name
from host_panel.redirects import go_to
from host_panel.rendering import Renderer
from host_panel.requests import PanelRequest
from host_panel.screens import all_pages
from host_panel.sign_in import Renewals, is_due, renewed

TOKEN_LIFETIME = timedelta(hours=1)
"""Of an access token, as far as renewing it in time is concerned."""
_STATUS = {
    ErrorKind.INVALID: 400,
    ErrorKind.MISSING: 404,
    ErrorKind.CONFLICT: 409,
    ErrorKind.DENIED: 403,
    ErrorKind.UNAVAILABLE: 503,
}
_TITLES = {
    400: "This request cannot be read",
    403: "You may not do this",
    404: "There is nothing here",
    409: "This does not work as things are",
    503: "Not available now",
}
_LIVE = "GET /live"
LONGEST_MARK = 16_384
"""Of the mark of an instant: what a request's headers may hold; another one tells of everything."""

frame = Screens()


@frame.get("/assets/{digest}/{name}", Access.PUBLIC)
async def _asset(desk: Desk, request: PanelRequest) -> Response:
    accepts_gzip = "gzip" in request.headers.get("accept-encoding", "")
    return send_asset(request.value("digest"), request.value("name"), accepts_gzip=accepts_gzip)


@frame.get("/live", READ)
async def _live(desk: Desk, request: PanelRequest) -> Response:
    raise AssertionError("answered by the feed")


class PanelFace:
    """Answers the panel's requests."""

    def __init__(self, parts: dict[str, Any], bus: MessageBus, policies: PolicyService) -> None:
        self._clock, self._policies = parts["clock"], policies
        self._renderer = Renderer(self._clock)
        self._desk = Desk(**parts, renderer=self._renderer)
        self._renewals = Renewals(parts["tokens"], self._clock)
        self._bus, self.live = bus, LiveFeed(bus)
        pages = [*frame.pages(), *all_pages()]
        self._answers = by_name(pages)
        self.rules = tuple(page.rule for page in pages)

    def start(self) -> None:
        """Begin to hear what changes."""
        self.live.start()
        self._desk.reckonings.start(self._bus)

    async def stop(self) -> None:
        """Hear no more, and end what goes on beside requests."""
        self.live.stop()
        await self._desk.reckonings.stop()

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that was let in."""
        call = call_of(scope)
        if call.rule.name == _LIVE:
            since = PanelRequest(scope, receive).query("since", longest=LONGEST_MARK)
            await self.live.serve(call, receive, send, since=since)
            return
        request = PanelRequest(scope, receive)
        request.live_mark = self.live.mark()
        response = await self._answered(request)
        await response(scope, receive, send)

    async def refuse(self, scope: Scope, receive: Receive, send: Send, refusal: HttpRefusal) -> None:
        """Answer a request that was not let in."""
        request = PanelRequest(scope, receive)
        is_stale = refusal.status == 401 and refusal.principal is None
        if is_stale:
            cookies = await renewed(self._renewals, request)
            response = self._again(request, cookies) if cookies is not None else self._to_sign_in(request)
        else:
            response = await self._refused(request, refusal)
        await response(scope, receive, send)

    async def _answered(self, request: PanelRequest) -> Response:
        if request.principal is not None:
            await self._look(request)
        try:
            response = await self._answers[request.call.rule.name](self._desk, request)
        except HostError as error:
            if error.kind is ErrorKind.INTERNAL:
                raise  # the server logs it, and has it refused without the details
            response = self._error_page(request, _STATUS[error.kind], error)
        if request.call.rule.methods == frozenset({"POST"}):
            self._desk.forget_status()
        if is_due(request, self._clock, TOKEN_LIFETIME):
            cookies = await renewed(self._renewals, request)
            response.raw_headers.extend(cookies or ())
        return response

    async def _look(self, request: PanelRequest) -> None:
        """Learn what every page needs: the caller's rights, and how the host calls itself."""
        principal = request.principal
        assert principal is not None
        request.rights = frozenset(
            [each for each in Policy if await self._policies.decide(principal, each) is Decision.GRANT]
        )
        try:
            status, zone = await self._desk.status(), await self._desk.timezone()
        except HostError:
            return  # the page itself says what does not work
        self._renderer.told(zone=zone, host_name=status.node.partition("/")[0], host_state=status.state.value)

    async def _refused(self, request: PanelRequest, refusal: HttpRefusal) -> Response:
        if request.principal is not None or refusal.principal is not None:
            await self._look_at(request, refusal)
        response = self._error_page(request, refusal.status, refusal.error)
        response.raw_headers.extend(_raw(refusal.headers.items()))
        return response

    async def _look_at(self, request: PanelRequest, refusal: HttpRefusal) -> None:
        request.call.principal = request.call.principal or refusal.principal
        await self._look(request)

    def _error_page(self, request: PanelRequest, status: int, error: HostError) -> Response:
        title = _TITLES.get(status, "This did not work")
        return self._renderer.page(
            request, "error.html", status=status, title=title, error=error, request_id=request.call.request_id
        )

    def _again(self, request: PanelRequest, cookies: Iterable[tuple[bytes, bytes]]) -> Response:
        """Have the browser repeat the request, method and body and all, with the renewed sign-in."""
        response = go_to(request, request.target, status=307)
        response.raw_headers.extend(cookies)
        return response

    def _to_sign_in(self, request: PanelRequest) -> Response:
        wanted = request.target if request.is_safe else "/"
        path = f"/sign-in?back={quote(wanted, safe='')}"
        if request.is_fragment:
            response = Response(status_code=401, headers={"HX-Redirect": f"{request.base}{path}"})
        else:
            response = go_to(request, path)
        response.raw_headers.append(request.jar.clear(ACCESS))
        return response


def _raw(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
