"""Our REST API as a mount of the HTTP server; FastAPI is imported only where it is configured."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any

from host.contracts.clock import Clock
from host.contracts.host import HostControl
from host.contracts.http import HttpMount, HttpRefusal, HttpRule, Receive, Scope, Send
from host.contracts.jobs import JobManagerService, RunControl
from host.contracts.logs import RunLog
from host.contracts.runs import JobRunReader
from host.contracts.schedules import JobScheduleManager
from host.contracts.security import AuditTrail

PATH = "/rest/v1"


class RestMount(HttpMount):
    """Jobs, schedules, runs and the host as JSON at ``/rest/v1``."""

    def __init__(
        self,
        jobs: JobManagerService,
        control: RunControl,
        schedules: JobScheduleManager,
        runs: JobRunReader,
        log: RunLog,
        host: HostControl,
        clock: Clock,
        audit: AuditTrail | None,
    ) -> None:
        from host_rest.api.app import build_app
        from host_rest.api.demands import rules_of
        from host_rest.api.services import Services

        self._app = build_app(
            Services(
                jobs=jobs,
                control=control,
                schedules=schedules,
                runs=runs,
                log=log,
                host=host,
                clock=clock,
                audit=audit,
            )
        )
        self._rules = tuple(rules_of(self._app))

    @property
    def path(self) -> str:
        """Give where it is mounted."""
        return PATH

    def rules(self) -> Sequence[HttpRule]:
        """Give a rule a route, as the routes declare their demands."""
        return self._rules

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; HEAD as GET without the body. What a route raised unforeseen is answered, and raised."""
        if scope["method"] == "HEAD":
            scope, send = {**scope, "method": "GET"}, _without_body(send)
        await self._app(scope, receive, send)

    async def refuse(self, scope: Scope, receive: Receive, send: Send, refusal: HttpRefusal) -> None:
        """Answer a request that was not let in with a problem document."""
        from host_rest.api.answers import refusal_answer

        if scope["method"] == "HEAD":
            send = _without_body(send)
        response = refusal_answer(scope, refusal)
        await response(scope, receive, send)


def _without_body(send: Send) -> Send:
    async def head(message: MutableMapping[str, Any]) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return head
