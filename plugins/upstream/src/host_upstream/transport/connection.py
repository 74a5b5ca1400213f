"""Single exchanges over HTTP/1.1: what is sent, how much may come back, and nothing that leads elsewhere."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from host_upstream.link import UpstreamAnswer
from host_upstream.settings import UpstreamSettings
from host_upstream.transport.fault import Fault
from host_upstream.transport.reasons import fault_of

if TYPE_CHECKING:
    import httpx2

MAX_BODY_BYTES = 64 * 1024 * 1024
"""Of an answer, unpacked."""
MAX_CONNECTIONS = 100
KEPT_CONNECTIONS = 20
KEEP_ALIVE_SECONDS = 10.0
"""Less than a jobhost's 15 s: who closes first does not lose the other's request."""
STREAM_IDLE_SECONDS = 60.0
"""The upstream's streams say something every 15 s."""

Headers = Sequence[tuple[str, str]]


class Connection:
    """The pools of connections to one origin: one for exchanges, one for streams, which hold theirs for long."""

    def __init__(self, settings: UpstreamSettings, context: ssl.SSLContext | None) -> None:
        import httpx2  # takes long to import, and few hosts have an upstream

        self._http = httpx2
        self._base = settings.base_url
        self._connect_seconds = settings.connect_timeout.total_seconds()
        verify: ssl.SSLContext | bool = context if context is not None else False  # without TLS nothing is verified
        limits = httpx2.Limits(
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=KEPT_CONNECTIONS,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
        )
        # The transports themselves: no cookies, no proxy of the environment, no redirection that is followed.
        self._calls = httpx2.AsyncHTTPTransport(verify=verify, trust_env=False, limits=limits)
        unlimited = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        self._streams = httpx2.AsyncHTTPTransport(verify=verify, trust_env=False, limits=unlimited)
        # Most requests are made again and again, and taking a URL apart costs a sixth of a call.
        self._url = lru_cache(maxsize=256)(lambda target: httpx2.URL(self._base + target))

    async def close(self) -> None:
        """Close all connections; what is under way ends with a fault."""
        await self._calls.aclose()
        await self._streams.aclose()

    async def exchange(
        self, method: str, target: str, headers: Headers, body: bytes | None, *, deadline: float
    ) -> UpstreamAnswer:
        """Send a request and take its answer, of any status but a redirection; raises Fault."""
        begun = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(deadline):
                async with self._response(self._calls, self._request(method, target, headers, body)) as response:
                    return await self._answer(response)
        except TimeoutError:
            raise Fault(f"no answer within {deadline - begun:.3g} s") from None

    @asynccontextmanager
    async def stream(self, target: str, headers: Headers, *, deadline: float) -> AsyncIterator[Stream]:
        """Begin a GET whose answer does not end; raises Fault."""
        begun = asyncio.get_running_loop().time()
        request = self._request("GET", target, headers, None, idle_seconds=STREAM_IDLE_SECONDS)
        response = None
        try:
            try:
                async with asyncio.timeout_at(deadline):
                    response = await self._sent(self._streams, request)
            except TimeoutError:
                raise Fault(f"no answer within {deadline - begun:.3g} s") from None
            self._refuse_redirection(response)
            yield Stream(self, response)
        finally:
            if response is not None:
                await response.aclose()

    async def pieces(self, response: httpx2.Response) -> AsyncGenerator[bytes, None]:
        """Give a body as it comes; raises Fault."""
        try:
            async for piece in response.aiter_bytes():
                yield piece
        except self._http.HTTPError as error:
            raise self._fault(error) from error

    async def answer(self, response: httpx2.Response, *, deadline: float) -> UpstreamAnswer:
        """Take a whole answer; raises Fault."""
        try:
            async with asyncio.timeout_at(deadline):
                return await self._answer(response)
        except TimeoutError:
            raise Fault("its answer did not end in time") from None

    def _request(
        self, method: str, target: str, headers: Headers, body: bytes | None, *, idle_seconds: float | None = None
    ) -> httpx2.Request:
        # The whole exchange has a deadline; beneath it only connecting and a stream's silence are limited.
        timeouts = {"connect": self._connect_seconds, "read": idle_seconds, "write": idle_seconds, "pool": None}
        return self._http.Request(
            method, self._url(target), headers=[*headers], content=body, extensions={"timeout": timeouts}
        )

    @asynccontextmanager
    async def _response(
        self, transport: httpx2.AsyncHTTPTransport, request: httpx2.Request
    ) -> AsyncIterator[httpx2.Response]:
        response = await self._sent(transport, request)
        try:
            yield response
        finally:
            await response.aclose()

    async def _sent(self, transport: httpx2.AsyncHTTPTransport, request: httpx2.Request) -> httpx2.Response:
        try:
            return await transport.handle_async_request(request)
        except self._http.HTTPError as error:
            raise self._fault(error) from error

    async def _answer(self, response: httpx2.Response) -> UpstreamAnswer:
        self._refuse_redirection(response)
        body: list[bytes] = []
        size = 0
        async with aclosing(self.pieces(response)) as pieces:
            async for piece in pieces:
                body.append(piece)
                size += len(piece)
                if size > MAX_BODY_BYTES:
                    raise Fault(f"its answer is larger than {MAX_BODY_BYTES:,} bytes", is_outage=False)
        return UpstreamAnswer(status=response.status_code, headers=_lower(response), body=b"".join(body))

    def _refuse_redirection(self, response: httpx2.Response) -> None:
        if not 300 <= response.status_code < 400 or response.status_code == 304:
            return
        told = response.headers.get("location", "")
        to = _origin(self._base, told)
        if to != _origin(self._base):
            hint = "credentials are for the realm alone; if the upstream has moved, change domain, port and tls"
            reason = f"it sends this host on to {to or 'what is no address'}, which is not followed"
        else:
            hint = "check pathPrefix, and whether a proxy before it wants another path"
            reason = f"it answers with status {response.status_code} and another path, which is not followed"
        raise Fault(reason, hint=hint, is_outage=False)

    def _fault(self, error: httpx2.HTTPError) -> Fault:
        return fault_of(error, connect_seconds=self._connect_seconds)


class Stream:
    """An answer that has begun."""

    def __init__(self, connection: Connection, response: httpx2.Response) -> None:
        self._connection = connection
        self._response = response
        self.status = response.status_code
        self.headers = _lower(response)

    def pieces(self) -> AsyncGenerator[bytes, None]:
        """Give its body as it comes; raises Fault."""
        return self._connection.pieces(self._response)

    async def whole(self, deadline: float) -> UpstreamAnswer:
        """Take the rest of it, as of an answer that ends; raises Fault."""
        return await self._connection.answer(self._response, deadline=deadline)


def _lower(response: httpx2.Response) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers.raw:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _origin(base: str, reference: str = "") -> str | None:
    """Give the origin that a reference leads to; None if nowhere."""
    try:
        parts = urlsplit(urljoin(base, reference))
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"
    except (KeyError, ValueError):
        return None
