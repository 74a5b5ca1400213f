"""The link to the upstream over HTTP: what is sent for whom, with what token, how patiently."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from urllib.parse import quote, urlencode

import structlog

from host.contracts.clock import Clock
from host.contracts.contract import Finding, Service
from host.contracts.secrets import SecretProvider
from host.contracts.security import CALLER
from host.errors import HostUnavailableError, UpstreamRefusedError, UpstreamUnavailableError
from host_upstream.link import UpstreamAnswer, UpstreamApi, UpstreamLink, UpstreamRequest
from host_upstream.settings import UpstreamSettings
from host_upstream.transport import caller
from host_upstream.transport.breaker import Breaker
from host_upstream.transport.connection import Connection, Stream
from host_upstream.transport.detection import Found, detect
from host_upstream.transport.drift import Drift
from host_upstream.transport.fault import Fault
from host_upstream.transport.patience import pause_before
from host_upstream.transport.problems import error_of
from host_upstream.transport.sign_in import MEDIA_TYPE as FORM
from host_upstream.transport.sign_in import SignIn
from host_upstream.transport.tls import OwnCertificate, load_tls
from host_upstream.transport.tokens import TokenKeeper
from host_upstream.transport.turn import turn
from host_upstream.transport.verdict import is_expected_type, is_refused_token, unexpected, verdict, wrong_type

logger = structlog.get_logger(__name__)

JSON = "application/json"
EVENTS = "text/event-stream"
"""Not packed: each event is to come when it is sent."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A request as it goes out, but for its token."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None
    may_repeat: bool


class HttpUpstreamLink(UpstreamLink, Service):
    """Asks over HTTP/1.1, by a pool of connections that are kept, with one token for all.

    It starts whatever the upstream does: what it says of itself is asked when somebody needs it, and again after it
    was away, for it may be another one by then. It follows no redirection and heeds no proxy of the environment, so
    that credentials go to the realm's address and nowhere else.
    """

    is_default = True

    def __init__(self, settings: UpstreamSettings, clock: Clock, secrets: SecretProvider | None) -> None:
        self._settings = settings
        self._clock = clock
        self._seconds = settings.timeout.total_seconds()
        self._breaker = Breaker(settings.base_url, clock)
        self._sign_in = SignIn(settings, secrets, self._post)
        self._tokens = TokenKeeper(self._sign_in.token, self._sign_in.proof, clock)
        self._drift = Drift(clock, settings.max_clock_drift)
        self._detecting = asyncio.Lock()
        self._found: Found | None = None
        self._found_after = 0
        self._connection: Connection | None = None
        self._own: OwnCertificate | None = None
        self._version = ""

    async def start(self) -> None:
        """Read certificates and look for secrets; raises ConfigurationError and SecretNotFoundError.

        Asks the upstream nothing.
        """
        if self._connection is not None:
            return
        self._sign_in.proof()
        self._version = version("jobhost")
        tls = await asyncio.to_thread(load_tls, self._settings)
        self._own = tls.own if tls is not None else None
        self._connection = Connection(self._settings, tls.context if tls is not None else None)
        for finding in self._unprotected():
            logger.warning("upstream without TLS", upstream=self._settings.base_url, finding=finding.message)

    async def stop(self) -> None:
        """Close all connections; what is under way fails."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def check(self) -> Sequence[Finding]:
        """Say how the upstream is: whether it answers, knows this host, is what it should be, and keeps its time."""
        findings = [*self._unprotected(), *self._drift.check()]
        if self._breaker.since is not None:
            findings.append(Finding(message=self._breaker.summary(), is_failure=self._breaker.is_open))
        if self._tokens.refusal is not None:
            findings.append(Finding(message=self._tokens.refusal, is_failure=True))
        if self._own is not None:
            findings += self._own.check(self._clock.now())
        theirs = self._found.version if self._found is not None else None
        if theirs is not None and theirs.split(".")[:2] != self._version.split(".")[:2]:
            message = f"the upstream is jobhost {theirs}, this host {self._version}: not all of it may be understood"
            findings.append(Finding(message=message))
        return findings

    def unavailable_since(self) -> datetime | None:
        """Give since when the upstream has not answered."""
        return self._breaker.since

    async def api(self) -> UpstreamApi:
        """Give what the upstream speaks; asked of it once, and again after it was away."""
        if self._settings.api is UpstreamApi.SANTEDB:
            return UpstreamApi.SANTEDB
        if self._found is None or self._found_after != self._breaker.outages:
            try:
                return (await self._detected()).api
            except Fault as fault:
                raise self._breaker.error(fault) from fault
        return self._found.api

    async def request(self, request: UpstreamRequest) -> UpstreamAnswer:
        """Make a request."""
        try:
            deadline = self._deadline(request)
            answer = await self._answered(self._prepare(request, await self._caller(request)), deadline)
            if fault := unexpected(answer, request.media_type):
                raise fault
            return answer
        except Fault as fault:
            raise self._breaker.error(fault) from fault

    async def stream(self, request: UpstreamRequest) -> AsyncIterator[bytes]:
        """Give the body of an answer that does not end."""
        prepared = self._prepare(request, await self._caller(request))
        async with AsyncExitStack() as stack:
            try:
                stream = await self._opened(stack, prepared, request.media_type, self._deadline(request))
            except Fault as fault:
                raise self._breaker.error(fault) from fault
            try:
                async with aclosing(stream.pieces()) as pieces:
                    async for piece in pieces:
                        yield piece
            except Fault as fault:
                message = f"the stream of the upstream {self._settings.base_url} broke: {fault.reason}"
                raise UpstreamUnavailableError(message, hint=fault.hint) from fault

    async def _answered(self, prepared: _Prepared, deadline: float) -> UpstreamAnswer:
        """Send a request, and again after faults as far as that does no harm; raises Fault."""
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._authorized(prepared, deadline)
            except Fault as fault:
                left = deadline - asyncio.get_running_loop().time()
                pause = pause_before(attempt, fault, may_repeat=prepared.may_repeat, left_seconds=left)
                if pause is None:
                    raise
                await self._wait(pause, deadline, fault)

    async def _wait(self, seconds: float, deadline: float, fault: Fault) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await self._clock.sleep(seconds)
        except TimeoutError:
            raise fault from None

    async def _authorized(self, prepared: _Prepared, deadline: float) -> UpstreamAnswer:
        """Send a request with the token, and with a new one if that is refused: nothing was done then."""
        for is_second in (False, True):
            authorization = await self._tokens.authorization(deadline)
            answer = await self._exchange(prepared, deadline, authorization)
            if not is_refused_token(answer):
                break
            self._refused(authorization, is_new=is_second)
        self._tokens.accept()
        return answer

    def _refused(self, authorization: str, *, is_new: bool) -> None:
        if not is_new:
            self._tokens.drop(authorization)
            return
        hint = "check the clocks of both hosts, and whether a proxy between them takes the Authorization header away"
        error = UpstreamRefusedError("the upstream refuses a token that it has just given to this host", hint=hint)
        self._tokens.refuse(authorization, error)
        raise error

    async def _exchange(self, prepared: _Prepared, deadline: float, authorization: str | None = None) -> UpstreamAnswer:
        """Send a request once; raises Fault, and UpstreamUnavailableError while the circuit is open."""
        connection = self._started()
        headers = prepared.headers
        if authorization is not None:
            headers = (*headers, ("authorization", authorization))
        with self._breaker.attempt():
            begun = self._clock.monotonic()
            answer = await connection.exchange(
                prepared.method, prepared.target, headers, prepared.body, deadline=deadline
            )
            self._drift.observe(answer.headers, self._clock.monotonic() - begun)
            if fault := verdict(answer, self._clock.now()):
                raise fault
        return answer

    async def _opened(self, stack: AsyncExitStack, prepared: _Prepared, wanted: str, deadline: float) -> Stream:
        """Begin a stream; what is no stream is raised as the error that it tells."""
        connection = self._started()
        for is_second in (False, True):
            authorization = await self._tokens.authorization(deadline)
            headers = (*prepared.headers, ("authorization", authorization))
            with self._breaker.attempt():
                stream = await stack.enter_async_context(connection.stream(prepared.target, headers, deadline=deadline))
                answer = None if stream.status == 200 else await stream.whole(deadline)
                if answer is not None and (fault := verdict(answer, self._clock.now())):
                    raise fault
            if answer is None:
                break
            if not is_refused_token(answer):
                raise error_of(answer)
            self._refused(authorization, is_new=is_second)
        self._tokens.accept()
        kind = stream.headers.get("content-type", "no media type")
        if not is_expected_type(kind, wanted):
            raise wrong_type(wanted, kind)
        return stream

    async def _detected(self) -> Found:
        deadline = asyncio.get_running_loop().time() + self._seconds
        async with turn(self._detecting, deadline):
            outages = self._breaker.outages
            if self._found is None or self._found_after != outages:
                self._found = await detect(lambda request: self._ask(request, deadline), self._settings.api)
                self._found_after = outages
                logger.info("upstream found", speaks=self._found.api.value, version=self._found.version)
            return self._found

    async def _ask(self, request: UpstreamRequest, deadline: float) -> UpstreamAnswer:
        return await self._answered(self._prepare(request, None), deadline)

    async def _post(self, path: str, body: bytes, headers: Mapping[str, str], deadline: float) -> UpstreamAnswer:
        request = UpstreamRequest(method="POST", path=path, body=body, media_type=FORM, headers=headers)
        return await self._exchange(self._prepare(request, None, accept=JSON), deadline)

    async def _caller(self, request: UpstreamRequest) -> str | None:
        """Give the name that the upstream is to be told; only a jobhost is."""
        name = request.caller or CALLER.get()
        if not name:
            return None
        api = self._found.api if self._found is not None else await self.api()
        return caller.encoded(name) if api is UpstreamApi.JOBHOST else None

    def _prepare(self, request: UpstreamRequest, name: str | None, *, accept: str | None = None) -> _Prepared:
        headers = [
            ("user-agent", f"jobhost/{self._version}"),
            ("accept", accept or request.media_type),
            ("accept-encoding", "identity" if request.media_type == EVENTS else "gzip"),
            *request.headers.items(),
        ]
        if request.body is not None:
            headers.append(("content-type", request.media_type))
        if name is not None:
            headers.append((caller.HEADER, name))
        query = f"?{urlencode(request.query, quote_via=quote)}" if request.query else ""
        return _Prepared(
            request.method,
            request.path + query,
            tuple(headers),
            request.body,
            request.may_repeat or request.method == "GET",
        )

    def _deadline(self, request: UpstreamRequest) -> float:
        return asyncio.get_running_loop().time() + (request.timeout_seconds or self._seconds)

    def _started(self) -> Connection:
        if self._connection is None:
            raise HostUnavailableError("the link to the upstream is not started, or stopped")
        return self._connection

    def _unprotected(self) -> Sequence[Finding]:
        realm = self._settings.realm
        if realm.tls or realm.is_loopback:
            return ()
        message = f"the upstream {realm.origin} is reached without TLS: everybody on the way can read the credentials"
        return (Finding(message=f"{message} and use them; set the realm's tls"),)
