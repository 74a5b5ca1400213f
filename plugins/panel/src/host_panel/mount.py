"""The panel as a mount of the HTTP server: at the root, for whatever no other mount answers."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

from host.contracts.bus import MessageBus
from host.contracts.clock import Clock
from host.contracts.contract import Service
from host.contracts.host import HostControl
from host.contracts.http import HttpMount, HttpRefusal, HttpRule, Receive, Scope, Send
from host.contracts.jobs import JobManagerService, RunControl
from host.contracts.logs import RunLog
from host.contracts.runs import JobRunReader
from host.contracts.schedules import JobScheduleManager
from host.contracts.security import AuditTrail, Authenticator, PolicyService, TokenService
from host.model.security import BearerToken, Credentials
from host_panel.cookies import ACCESS, CookieJar, read_cookies

if TYPE_CHECKING:  # the template library takes long to import, and few commands answer requests
    from host_panel.face import PanelFace


class PanelMount(HttpMount, Service):
    """Shows and steers the host in a browser; at ``/``.

    People sign in with their name and password; their rights are those of their roles.
    """

    path = ""
    face = "panel"

    def __init__(
        self,
        jobs: JobManagerService,
        control: RunControl,
        schedules: JobScheduleManager,
        runs: JobRunReader,
        log: RunLog,
        host: HostControl,
        clock: Clock,
        bus: MessageBus,
        authenticator: Authenticator,
        tokens: TokenService,
        policies: PolicyService,
        audit: AuditTrail | None,
    ) -> None:
        self._parts: dict[str, Any] = {
            "jobs": jobs,
            "control": control,
            "schedules": schedules,
            "runs": runs,
            "log": log,
            "host": host,
            "clock": clock,
            "authenticator": authenticator,
            "tokens": tokens,
            "audit": audit,
        }
        self._bus, self._policies = bus, policies
        self._made: PanelFace | None = None

    async def start(self) -> None:
        """Begin to hear what changes."""
        self._panel.start()

    async def stop(self) -> None:
        """Hear no more."""
        if self._made is not None:
            await self._made.stop()

    def rules(self) -> Sequence[HttpRule]:
        """Give a rule a page."""
        return self._panel.rules

    def credentials(self, headers: Mapping[bytes, bytes]) -> Credentials | None:
        """Give the token of the panel's cookie."""
        cookies = read_cookies(headers.get(b"cookie", b""))
        host = headers.get(b"host", b"").decode("latin-1")
        for scheme in ("https", "http"):
            token = CookieJar.of(host, scheme=scheme).read(cookies, ACCESS)
            if token:
                return BearerToken(token=token)
        return None

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that a rule let in."""
        await self._panel.handle(scope, receive, _without_body(send) if scope["method"] == "HEAD" else send)

    async def refuse(self, scope: Scope, receive: Receive, send: Send, refusal: HttpRefusal) -> None:
        """Answer a request that was not let in: with a page, or the way to the sign-in."""
        await self._panel.refuse(scope, receive, _without_body(send) if scope["method"] == "HEAD" else send, refusal)

    @property
    def _panel(self) -> PanelFace:
        if self._made is None:
            from host_panel.face import PanelFace

            self._made = PanelFace(self._parts, self._bus, self._policies)
        return self._made


def _without_body(send: Send) -> Send:
    async def head(message: MutableMapping[str, Any]) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return head
