"""A mount that shows what reaches it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from host.contracts.clock import Clock
from host.contracts.http import HttpRule, Receive, Scope, Send, call_of
from host.contracts.security import AuditTrail
from host.errors import JobNotFoundError, StoreUnavailableError
from host.model.security import Access, AuditEvent, AuditFilter, AuditPage, Policy
from host.wire import to_json
from host_rest.server.answers import ProblemRefusals, send_answer


def rule(methods: str, path: str, demand: Policy | Access, **options: object) -> HttpRule:
    return HttpRule(methods=frozenset(methods.split(",")), path=path, demand=demand, **options)  # type: ignore[arg-type]


class ProbeMount(ProblemRefusals):
    """Answers with what it was told; some of its paths fail, stream or hang."""

    reached: ClassVar[list[str]] = []
    LARGE = 8 * 1024 * 1024
    """Bytes of one of its answers."""

    @property
    def path(self) -> str:
        return "/probe"

    def rules(self) -> Sequence[HttpRule]:
        return [
            rule("GET,HEAD,POST,PING", "/open", Access.PUBLIC),
            rule("GET", "/known", Access.AUTHENTICATED),
            rule("GET", "/jobs/{name}", Policy.READ_SYSTEM_JOBS),
            rule("POST,PUT", "/jobs/{name}/start", Policy.START_SYSTEM_JOB, name="start a job"),
            rule("GET", "/files/{rest:path}", Access.PUBLIC),
            rule("POST", "/small", Access.PUBLIC, max_body_bytes=2000),
            rule("GET", "/watched", Policy.READ_SYSTEM_JOBS, is_audited=True),
            rule("POST", "/fails/{how}", Policy.START_SYSTEM_JOB),
            rule("POST", "/break", Access.PUBLIC),
            rule("POST", "/full", Access.PUBLIC),
            rule("GET", "/stream", Access.PUBLIC),
            rule("GET", "/deaf", Access.PUBLIC),
            rule("GET", "/large", Access.PUBLIC),
            rule("GET", "/private-stream", Policy.READ_SYSTEM_JOBS),
            rule("GET", "/private-deaf", Policy.READ_SYSTEM_JOBS),
        ]

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = call_of(scope)
        self.reached.append(f"{scope['method']} {scope['path']}")
        if call.rule.path.endswith(("stream", "deaf")):
            await self._stream(send, closing=asyncio.Event() if call.rule.path.endswith("deaf") else call.closing)
            return
        if call.rule.path == "/large":
            await send_answer(send, 200, b"x" * self.LARGE, media_type="text/plain")
            return
        await _fail({"/break": "known", "/full": "store"}.get(call.rule.path, call.path_values.get("how")), send)
        call.audit["job"] = call.path_values.get("name", "")
        message = await receive()
        told = {
            "path": scope["path"],
            "root_path": scope["root_path"],
            "scheme": scope["scheme"],
            "client": scope["client"][0],
            "headers": {name.decode(): value.decode("latin-1") for name, value in scope["headers"]},
            "values": dict(call.path_values),
            "by": call.principal.name if call.principal else None,
            "address": call.address,
            "call_scheme": call.scheme,
            "trace_id": call.trace_id,
            "request_id": call.request_id,
            "method": scope["method"],
            "body": message["body"].decode("latin-1")[:100],
            "body_bytes": len(message["body"]),
        }
        await send_answer(send, 200, to_json(told), media_type="application/json")

    async def _stream(self, send: Send, *, closing: asyncio.Event) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b"data: hello\n\n", "more_body": True})
        await closing.wait()
        await send({"type": "http.response.body", "body": b"event: bye\n\n", "more_body": False})


async def _fail(how: str | None, send: Send) -> None:
    if how == "known":
        raise JobNotFoundError("no such job", where="nothing")
    if how == "store":
        raise StoreUnavailableError("the disk is full", where="/somewhere/accounts.json")
    if how == "unforeseen":
        raise RuntimeError("a secret that nobody should read")
    if how == "silent":
        return
    if how == "half":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]})
        raise RuntimeError("half an answer")


class MemoryTrail(AuditTrail):
    """Events in memory; refuses them while ``is_broken``."""

    events_: ClassVar[list[AuditEvent]] = []
    is_broken: ClassVar[bool] = False

    def __init__(self, clock: Clock) -> None:
        type(self).events_, type(self).is_broken = [], False

    async def record(self, events: Sequence[AuditEvent]) -> None:
        if self.is_broken:
            raise StoreUnavailableError("the disk is full")
        self.events_.extend(events)

    async def events(
        self, where: AuditFilter | None = None, *, cursor: str | None = None, limit: int = 50
    ) -> AuditPage:
        return AuditPage(events=tuple(reversed(self.events_)), next_cursor=None)

    async def prune(self, **_: object) -> int:
        return 0
