"""One request under way: what is known of it so far, and the way its answer takes."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from host.contracts.http import HttpCall, HttpMount, HttpRule, Scope, Send
from host.model.security import Credentials, Principal
from host_rest.server.ids import new_trace_id, request_id_of, trace_of
from host_rest.server.proxies import Origin

Header = tuple[bytes, bytes]

ALWAYS: tuple[Header, ...] = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
NO_STORE: Header = (b"cache-control", b"no-store")
MAX_SHOWN = 500
"""Bytes of a path that are shown."""
STRICT_TRANSPORT: Header = (b"strict-transport-security", b"max-age=31536000")


class Exchange:
    """One request and its answer. ``send`` adds what every answer has, and lets it be told before it goes out."""

    __slots__ = (
        "_before",
        "_send",
        "began",
        "call",
        "caller",
        "credentials",
        "headers",
        "method",
        "mount",
        "origin",
        "principal",
        "request_id",
        "rule",
        "scope",
        "sent",
        "status",
        "trace_id",
        "trace_parent",
    )

    def __init__(
        self, scope: Scope, send: Send, origin: Origin, before: Callable[[Exchange, int], Awaitable[None]]
    ) -> None:
        """``before`` is awaited once, with the status, before anything of the answer is sent."""
        self.scope, self._send, self.origin, self._before = scope, send, origin, before
        self.began = time.perf_counter()
        self.method: str = scope["method"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.request_id = request_id_of(self.headers.get(b"x-request-id"))
        self.trace_parent = trace_of(self.headers.get(b"traceparent"))
        self.trace_id = self.trace_parent.trace_id if self.trace_parent else new_trace_id()
        self.mount: HttpMount | None = None
        self.rule: HttpRule | None = None
        self.principal: Principal | None = None
        self.caller: str | None = None
        """Name of whom the request is made for, once it is let in."""
        self.call: HttpCall | None = None
        """Once the request is let in."""
        self.credentials: Credentials | None = None
        """What the request presents, right or wrong."""
        self.status = 0
        """Of the answer; 0 until it begins."""
        self.sent = 0
        """Bytes of the answer's body."""

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            self.status = status = message["status"]
            await self._before(self, status)
            message["headers"] = self._completed(message.get("headers", ()))
        else:
            self.sent += len(message.get("body", b""))
        await self._send(message)

    @property
    def path(self) -> str:
        """The path as it was sent, without its query: printable ASCII, for the log and the audit."""
        raw: bytes = self.scope["raw_path"]
        return raw[:MAX_SHOWN].decode("ascii", "backslashreplace")

    @property
    def is_for_another(self) -> bool:
        """Whether who sends it says that it is made for somebody else."""
        return self.principal is not None and self.caller not in (None, self.principal.name)

    @property
    def action(self) -> str:
        """What is asked for, in the words of the rule."""
        if self.rule is None:
            return self.method
        return self.rule.name or f"{self.method} {self.rule.path}"

    @property
    def face(self) -> str:
        """Of the mount that answers; ``http`` where none does."""
        return self.mount.face if self.mount else "http"

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.perf_counter() - self.began

    def _completed(self, given: Iterable[Header]) -> list[Header]:
        headers = list(given)
        names = {name.lower() for name, _ in headers}
        headers.append((b"x-request-id", self.request_id.encode("ascii")))
        headers.extend(header for header in ALWAYS if header[0] not in names)
        if NO_STORE[0] not in names:
            headers.append(NO_STORE)
        if self.origin.scheme == "https":
            headers.append(STRICT_TRANSPORT)
        return headers
