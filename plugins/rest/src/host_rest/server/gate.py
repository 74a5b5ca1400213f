"""The one place where requests are let in, or not; what no rule matches never reaches a mount."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import structlog

from host.contracts.host import HostState
from host.contracts.http import CALL_KEY, HttpCall, HttpMount, HttpRefusal, HttpRule, Receive, Scope, Send
from host.contracts.security import CALLER
from host.errors import ErrorKind, HostError, HostUnavailableError
from host.model.security import Policy
from host_rest.problems import status_of
from host_rest.server.answers import send_problem
from host_rest.server.audit import RequestAudit
from host_rest.server.bodies import Disconnected, check_declared, has_body, read_body, replay
from host_rest.server.callers import HEADER as CALLER_HEADER
from host_rest.server.callers import caller_of
from host_rest.server.errors import Refused, UnexpectedError, malformed
from host_rest.server.exchange import Exchange
from host_rest.server.guard import Guard
from host_rest.server.hosts import AllowedHosts, check_same_site
from host_rest.server.measures import HttpMeasures
from host_rest.server.proxies import FORWARDED, TrustedProxies
from host_rest.server.routes import Route, Routes, not_found
from host_rest.server.settings import HttpServerSettings
from host_rest.server.targets import segments_of
from host_rest.server.watch import Watch

logger = structlog.get_logger(__name__)

SINGLE = (
    b"host",
    b"authorization",
    b"cookie",
    b"content-length",
    b"transfer-encoding",
    b"content-type",
    b"origin",
    b"sec-fetch-site",
    CALLER_HEADER,
)
"""Headers that two readers could read differently where they are repeated."""
RETRY_SECONDS = 5
_NO_RULE = HttpRule(methods=frozenset(), path="", demand=Policy.UNRESTRICTED_ADMINISTRATION)


class Gate:
    """The ASGI application in front of all mounts.

    It checks, in this order: the target, whether the host is ready, the headers, the host name, the site it comes
    from, the route, the size, who sends it and for whom, whether they may, the body itself. The first that fails
    answers, in the mount's words where there is one. Then the mount is called.
    """

    def __init__(
        self,
        routes: Routes,
        guard: Guard,
        audit: RequestAudit,
        measures: HttpMeasures,
        settings: HttpServerSettings,
        *,
        state: Callable[[], HostState],
        quiet: Collection[HttpMount] = (),
        always: Collection[HttpMount] = (),
    ) -> None:
        """``quiet`` mounts are logged at DEBUG; ``always`` ones also answer while the host is not ready."""
        self._routes, self._guard, self._audit, self._measures = routes, guard, audit, measures
        self._settings, self._state, self._quiet, self._always = settings, state, quiet, always
        self._hosts = AllowedHosts(settings.allowed_hosts, address=settings.address)
        self._proxies = TrustedProxies(settings.trusted_proxies)
        self._prefix = tuple(settings.path_prefix.split("/")[1:])
        self.watch = Watch(guard)
        """Of the requests that were let in; somebody must run it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = self._begin(scope, send)
        self._measures.began()
        try:
            await self._answer(exchange, receive)
        except Disconnected:
            exchange.status = exchange.status or 499
        finally:
            self._measures.ended(exchange)
            self._log(exchange)

    def _begin(self, scope: Scope, send: Send) -> Exchange:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        host = next((value for name, value in headers if name == b"host"), b"").decode("latin-1").lower()
        peer, _ = scope["client"] or ("unknown", 0)
        origin = self._proxies.origin(peer, scope["scheme"], host, headers)
        if any(name in FORWARDED for name, _ in headers):
            seen = origin.host.encode("latin-1")
            kept = [(name, value) for name, value in headers if name not in FORWARDED]
            scope["headers"] = [(name, seen if name == b"host" else value) for name, value in kept]
        if origin.address != peer:
            scope["client"] = (origin.address, 0)
        scope["scheme"] = origin.scheme
        return Exchange(scope, send, origin, self._audit.tell)

    async def _answer(self, exchange: Exchange, receive: Receive) -> None:
        try:
            await self._let_in(exchange, receive)
        except Refused as refused:
            await self._refuse(exchange, receive, refused.refusal)
        except HostError as error:
            await self._fail(exchange, receive, status_of(error), error)
        except Disconnected:
            raise
        except Exception as error:  # a mount or a guard may raise anything; the caller gets an answer
            await self._fail(exchange, receive, 500, error)

    async def _let_in(self, exchange: Exchange, receive: Receive) -> None:
        route = self._enter(exchange)
        mount, rule = exchange.mount, route.rule
        assert mount is not None
        exchange.rule = rule
        limit = self._settings.max_body_bytes if rule.max_body_bytes is None else rule.max_body_bytes
        check_declared(exchange.headers, limit)
        exchange.principal = await self._guard.recognise(exchange.credentials)
        exchange.caller = caller_of(exchange.headers.get(CALLER_HEADER), exchange.principal)
        await self._guard.admit(exchange.principal, rule)
        if has_body(exchange.headers):
            body = await read_body(receive, limit=limit, seconds=self._settings.body_timeout.total_seconds())
            receive = replay(body, receive)
        exchange.call = self._tell_call(exchange, route.values)
        acting = CALLER.set(exchange.caller)
        try:
            with self.watch.over(exchange):
                await mount.handle(exchange.scope, receive, exchange.send)
        finally:
            CALLER.reset(acting)
        if not exchange.status:
            raise UnexpectedError(f"{type(mount).__qualname__} gave no answer")

    def _enter(self, exchange: Exchange) -> Route:
        """Check everything that needs no waiting; gives what the request falls under."""
        segments = segments_of(exchange.scope["raw_path"])
        depth = len(self._prefix)
        below = segments[depth:]
        if segments[:depth] == self._prefix:
            exchange.mount, own = self._routes.mount_of(below)
            below = below[own:]
        mount = exchange.mount
        if mount is not None:
            exchange.scope["root_path"] = self._settings.path_prefix + mount.path
            exchange.scope["path"] = "/" + "/".join(segments)
        if self._state() is not HostState.READY and mount not in self._always:
            raise _not_ready(self._state())
        _check_single(exchange)
        self._hosts.check(exchange.origin.host)
        if mount is not None:
            exchange.credentials = self._guard.presented(mount, exchange.headers, exchange.origin.address)
        check_same_site(exchange.method, exchange.headers, exchange.origin.host)
        if mount is None:
            raise not_found()
        return self._routes.route(mount, exchange.method, below)

    def _tell_call(self, exchange: Exchange, values: Mapping[str, str]) -> HttpCall:
        """Tell the mount what is known of the request."""
        call = HttpCall(
            rule=exchange.rule or _NO_RULE,
            principal=exchange.principal,
            caller=exchange.caller,
            request_id=exchange.request_id,
            trace_id=exchange.trace_id,
            trace_parent=exchange.trace_parent,
            address=exchange.origin.address,
            scheme=exchange.origin.scheme,
            path_values=values,
        )
        exchange.scope.setdefault("state", {})[CALL_KEY] = call
        return call

    async def _fail(self, exchange: Exchange, receive: Receive, status: int, error: Exception) -> None:
        """Answer for code that raised; what was not foreseen is told in the host's log only."""
        told: HostError | None = (
            error if isinstance(error, HostError) and error.kind is not ErrorKind.INTERNAL else None
        )
        if told is None:
            logger.error(
                "http request failed",
                path=exchange.path,
                action=exchange.action,
                request_id=exchange.request_id,
                error=repr(error),
                exc_info=error,
            )
            told = UnexpectedError("the host failed to do this", hint=f"its log tells more: {exchange.request_id}")
        elif exchange.principal is None and status >= 500:
            # Anybody may have asked, and need not know what files the host keeps where.
            logger.error("http request failed", request_id=exchange.request_id, where=told.where, reason=told.message)
            told = HostUnavailableError(
                "the host cannot do this now", hint=f"its log tells more: {exchange.request_id}"
            )
        if not exchange.status:
            await self._refuse(exchange, receive, HttpRefusal(status=status, error=told, principal=exchange.principal))

    async def _refuse(self, exchange: Exchange, receive: Receive, refusal: HttpRefusal) -> None:
        if exchange.mount is None:
            await send_problem(exchange.send, refusal, exchange.request_id)
            return
        if exchange.call is None:
            self._tell_call(exchange, {})
        try:
            await exchange.mount.refuse(exchange.scope, receive, exchange.send, refusal)
        except Exception as error:  # a mount may raise anything; the caller gets an answer
            logger.error("http refusal failed", request_id=exchange.request_id, error=repr(error), exc_info=error)
        if not exchange.status:
            await send_problem(exchange.send, refusal, exchange.request_id)

    def _log(self, exchange: Exchange) -> None:
        if not self._settings.access_log:
            return
        say = logger.debug if exchange.mount in self._quiet else logger.info
        say(
            "http request",
            method=exchange.method,
            path=exchange.path,
            status=exchange.status,
            ms=round(exchange.seconds * 1000, 1),
            bytes=exchange.sent,
            by=exchange.principal.name if exchange.principal else None,
            **({"caller": exchange.caller} if exchange.is_for_another else {}),
            request_id=exchange.request_id,
        )


def _check_single(exchange: Exchange) -> None:
    headers = exchange.scope["headers"]
    if len(headers) == len(exchange.headers):
        return
    names = [name for name, _ in headers]
    for name in SINGLE:
        if names.count(name) > 1:
            raise malformed(f"the request has more than one {name.decode()} header")


def _not_ready(state: HostState) -> Refused:
    error = HostUnavailableError(f"the host is {state}", hint="try again in a moment")
    return Refused(503, error, headers={"Retry-After": str(RETRY_SECONDS)})
