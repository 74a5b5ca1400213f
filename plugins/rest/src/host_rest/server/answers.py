"""Whole answers, and refusals as problem documents: for mounts that need no framework."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from host.contracts.http import HttpMount, HttpRefusal, Receive, Scope, Send, call_of
from host_rest.problems import MEDIA_TYPE, problem_body

_NONE: Mapping[str, str] = MappingProxyType({})


async def send_answer(
    send: Send, status: int, body: bytes, *, media_type: str, headers: Mapping[str, str] = _NONE
) -> None:
    """Send a whole answer; to HEAD the server sends its headers alone."""
    fields = {"Content-Type": media_type, "Content-Length": str(len(body)), **headers}
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


async def send_problem(send: Send, refusal: HttpRefusal, request_id: str) -> None:
    """Send a refusal with its status, its headers and a problem document (RFC 9457)."""
    body = problem_body(refusal.error, status=refusal.status, request_id=request_id)
    await send_answer(send, refusal.status, body, media_type=MEDIA_TYPE, headers=refusal.headers)


class ProblemRefusals(HttpMount):
    """A mount whose words for refusals are problem documents."""

    async def refuse(self, scope: Scope, receive: Receive, send: Send, refusal: HttpRefusal) -> None:
        """Answer with the problem document."""
        await send_problem(send, refusal, call_of(scope).request_id)
