"""What answers HTTP requests: mounts under a path, each request let in by a rule or not at all."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from host.contracts.contract import Contract
from host.errors import HostError
from host.model.security import Access, BearerToken, Credentials, Policy, Principal
from host.model.traces import TraceParent

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
"""ASGI 3."""

CALL_KEY = "jobhost"
"""Where ``scope["state"]`` holds the HttpCall."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRule:
    """Who may make a kind of request. What no rule of a mount matches never reaches it."""

    methods: frozenset[str]
    """Upper case. HEAD is not implied by GET."""
    path: str
    """Below the mount's own, ``/JobInfo/{id}/$start``; ``{name}`` is one segment, ``{name:path}`` the whole rest."""
    demand: Policy | Access
    name: str = ""
    """What the audit and the access log call it; else method and path."""
    is_audited: bool | None = None
    """None: unless the method is GET, HEAD, OPTIONS or PING."""
    max_body_bytes: int | None = None
    """None: as the server's settings say."""


@dataclass(slots=True, kw_only=True)
class HttpCall:
    """What the server knows of a request that it lets in."""

    rule: HttpRule
    principal: Principal | None
    """None only where a rule is public and nobody presented credentials."""
    caller: str | None = None
    """Name of whom it is made for, as ``by`` and ``owner`` want it: the principal, unless a program names another."""
    request_id: str
    trace_id: str
    """W3C, 32 hexadecimal digits: the caller's, else a new one."""
    trace_parent: TraceParent | None = None
    """The caller's span, if the request names one."""
    address: str
    """Of the caller; behind a declared proxy, the one it names."""
    scheme: str
    """``http`` or ``https``, as the caller sees it."""
    path_values: Mapping[str, str] = field(default_factory=dict)
    """What the path's ``{names}`` stand for, decoded."""
    audit: dict[str, str] = field(default_factory=dict)
    """A mount may add short texts for the audit: a job's name, a schedule in words. Never a secret."""
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server is about to stop, or the caller may not do this any more: signed out, disabled, of another
    role. A stream ends then by itself, or is cut off a few seconds later."""

    @property
    def trace(self) -> str:
        """Give the ``trace_id`` of runs that this request submits: the caller's span, so that they belong below it."""
        return self.trace_id if self.trace_parent is None else str(self.trace_parent)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRefusal:
    """Why a request is answered by the server itself."""

    status: int
    """400, 401, 403, 404, 405, 408, 413, 421, 429 or 503; of what a mount itself raised, any the error has, or 500."""
    error: HostError
    headers: Mapping[str, str] = field(default_factory=dict)
    """To be sent with the answer, e.g. ``WWW-Authenticate``, ``Allow``, ``Retry-After``."""
    policy: Policy | None = None
    """What was demanded and not granted."""
    principal: Principal | None = None


class HttpMount(Contract):
    """An ASGI application under a path. The server checks each request against ``rules`` before it is called."""

    many = True

    @property
    @abstractmethod
    def path(self) -> str:
        """Where it is mounted: ``/ami``, or the empty text for the root; the longest that fits answers."""

    @property
    def face(self) -> str:
        """Give what audit and metrics call it; its path without slashes."""
        return self.path.strip("/").partition("/")[0] or "root"

    @abstractmethod
    def rules(self) -> Sequence[HttpRule]:
        """Give every kind of request it answers; asked once, when the server starts."""

    @abstractmethod
    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that a rule let in; ``call_of(scope)`` says by whom.

        ``scope["root_path"]`` ends with the mount's path, as Starlette's Mount has it.
        """

    @abstractmethod
    async def refuse(self, scope: Scope, receive: Receive, send: Send, refusal: HttpRefusal) -> None:
        """Answer a request that was not let in, in the mount's own words and media types.

        ``call_of(scope)`` gives its id and address; without a rule of the mount, and mostly without a principal.
        """

    def credentials(self, headers: Mapping[bytes, bytes]) -> Credentials | None:
        """Give what a request presents; None for nothing. Lower-case names; of a repeated header the last one."""
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        return BearerToken(token=token.strip()) if scheme.lower() == "bearer" else None


def call_of(scope: Scope) -> HttpCall:
    """Give what the server knows of a request; for mounts."""
    call: HttpCall = scope["state"][CALL_KEY]
    return call
