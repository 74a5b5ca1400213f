"""Single exchanges over HTTP/1.1: connections that are kept and lent, and nothing that leads elsewhere."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urljoin, urlsplit

from host_upstream.link import UpstreamAnswer
from host_upstream.settings import UpstreamSettings
from host_upstream.transport.channel import Answer, Channel, Headers, request_of
from host_upstream.transport.fault import Fault
from host_upstream.transport.reasons import fault_of

MAX_CONNECTIONS = 100
"""For exchanges; streams have one each."""
KEPT_CONNECTIONS = 20
KEEP_ALIVE_SECONDS = 10.0
"""Less than a jobhost's 15 s: who closes first does not lose the other's request."""


class Connection:
    """The connections to one origin; cookies, proxies of the environment and redirections are not heeded."""

    def __init__(self, settings: UpstreamSettings, context: ssl.SSLContext | None) -> None:
        self._base = settings.base_url
        parts = urlsplit(self._base)
        self._authority, self._prefix = parts.netloc, parts.path
        self._domain, self._port = settings.realm.domain, settings.realm.port
        self._tls = context
        self._connect_seconds = settings.connect_timeout.total_seconds()
        self._reached: object = None
        """The address, of those that the domain has, which answered last."""
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)
        self._open: set[Channel] = set()
        self._idle: dict[Channel, float] = {}
        """Since when, oldest first."""

    async def close(self) -> None:
        """Close all connections; what is under way ends with a fault."""
        for channel in [*self._open]:
            channel.close(Fault("this host has closed the connection", is_outage=False))

    async def exchange(
        self, method: str, target: str, headers: Headers, body: bytes | None, *, deadline: float
    ) -> UpstreamAnswer:
        """Send a request and take its answer, of any status but a redirection; raises Fault."""
        request = request_of(method, self._prefix + target, self._authority, headers, body)
        begun = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(deadline), self._slots:
                channel = self._kept() or await self._connected()
                try:
                    return self._judged(answer := channel.send(request), await answer.whole())
                finally:
                    self._give_back(channel)
        except TimeoutError:
            raise Fault(f"no answer within {deadline - begun:.3g} s") from None

    @asynccontextmanager
    async def stream(self, target: str, headers: Headers, *, deadline: float) -> AsyncIterator[Stream]:
        """Begin a GET whose answer does not end; raises Fault."""
        request = request_of("GET", self._prefix + target, self._authority, headers, None)
        begun = asyncio.get_running_loop().time()
        channel: Channel | None = None
        try:
            try:
                async with asyncio.timeout_at(deadline):
                    channel = await self._connected()
                    answer = channel.send(request)
                    await answer.begun()
            except TimeoutError:
                raise Fault(f"no answer within {deadline - begun:.3g} s") from None
            self._refuse_redirection(answer)
            yield Stream(answer)
        finally:
            if channel is not None:
                channel.close()

    def _kept(self) -> Channel | None:
        """Give the connection that was used last, if it can be used again."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            channel, since = self._idle.popitem()
            if channel.is_reusable and now - since < KEEP_ALIVE_SECONDS:
                return channel
            channel.close()
        return None

    def _give_back(self, channel: Channel) -> None:
        if channel.is_reusable and len(self._idle) < KEPT_CONNECTIONS:
            self._idle[channel] = asyncio.get_running_loop().time()
        else:
            channel.close()

    async def _connected(self) -> Channel:
        channel = Channel(self._forget)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_seconds):
                transport = await self._reach(channel)
            self._open.add(channel)
            if self._tls is not None:
                async with asyncio.timeout(self._connect_seconds):
                    secured = await loop.start_tls(transport, channel, self._tls, server_hostname=self._domain)
                assert secured is not None
                channel.use(secured)
            return channel
        except BaseException as error:
            channel.close()
            self._forget(channel)
            if isinstance(error, TimeoutError):
                hint = "check the realm's domain and port, and that no firewall stands between"
                raise Fault(f"no connection within {self._connect_seconds:g} s", hint=hint, is_unsent=True) from None
            if isinstance(error, OSError | EOFError):
                raise fault_of(error, is_unsent=True) from error
            raise

    async def _reach(self, channel: Channel) -> asyncio.Transport:
        """Connect to the first address that answers, each of them having its part of the time."""
        # Not all at once (RFC 8305): asyncio loses sockets where that is cancelled.
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._domain, self._port, type=socket.SOCK_STREAM)
        addresses = sorted(((each[0], each[4]) for each in found), key=lambda each: each[1] != self._reached)
        for left, (family, address) in zip(range(len(addresses) - 1, -1, -1), addresses, strict=True):
            try:
                async with asyncio.timeout(self._connect_seconds / len(addresses)):
                    transport, _ = await loop.create_connection(
                        lambda: channel, str(address[0]), self._port, family=family, flags=socket.AI_NUMERICHOST
                    )
                self._reached = address
                return transport
            except OSError:  # TimeoutError is one
                if not left:
                    raise
        raise OSError("its name has no address")

    def _forget(self, channel: Channel) -> None:
        self._open.discard(channel)
        self._idle.pop(channel, None)

    def _judged(self, answer: Answer, body: bytes) -> UpstreamAnswer:
        self._refuse_redirection(answer)
        return UpstreamAnswer(status=answer.status, headers=answer.headers, body=body)

    def _refuse_redirection(self, answer: Answer) -> None:
        if not 300 <= answer.status < 400 or answer.status == 304:
            return
        to = _origin(self._base, answer.headers.get("location", ""))
        if to != _origin(self._base):
            hint = "credentials are for the realm alone; if the upstream has moved, change domain, port and tls"
            reason = f"it sends this host on to {to or 'what is no address'}, which is not followed"
        else:
            hint = "check pathPrefix, and whether a proxy before it wants another path"
            reason = f"it answers with status {answer.status} and another path, which is not followed"
        raise Fault(reason, hint=hint, is_outage=False)


class Stream:
    """An answer that has begun."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.status = answer.status
        self.headers: Mapping[str, str] = answer.headers

    def pieces(self) -> AsyncGenerator[bytes, None]:
        """Give its body as it comes; raises Fault."""
        return self._answer.pieces()

    async def whole(self, deadline: float) -> UpstreamAnswer:
        """Take the rest of it, as of an answer that ends; raises Fault."""
        try:
            async with asyncio.timeout_at(deadline):
                body = await self._answer.whole()
        except TimeoutError:
            raise Fault("its answer did not end in time") from None
        return UpstreamAnswer(status=self.status, headers=self.headers, body=body)


def _origin(base: str, reference: str = "") -> str | None:
    """Give the origin that a reference leads to; None if nowhere."""
    try:
        parts = urlsplit(urljoin(base, reference))
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"
    except (KeyError, ValueError):
        return None
