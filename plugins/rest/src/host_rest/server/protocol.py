"""uvicorn's HTTP/1.1 protocol with the limits it lacks: of headers, of pipelines, and of patience with who reads."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from host.errors import HostError
from host_rest.problems import MEDIA_TYPE, problem_body
from host_rest.server.errors import MalformedRequestError, RequestTooLargeError, RequestTooSlowError
from host_rest.server.exchange import ALWAYS, NO_STORE
from host_rest.server.joining import JoinedHeads

MAX_TARGET_BYTES = 8 * 1024
MAX_HEADERS = 100
MAX_IGNORED_BYTES = 16 * 1024 * 1024
"""How much may come of a body that was refused already."""
MAX_PIPELINED = 50
"""Requests that may wait behind the one that is being answered; each costs a hundred times its bytes."""
STALL_SECONDS = 60.0
"""How long a client may take nothing of an answer."""
PING, STAND_IN = b"PING ", b"BIND "
"""The parser knows no PING (SanteDB: ``IRestServiceContract.Ping``); it sees a method instead that nobody uses."""


class LimitedProtocol(HttpToolsProtocol):
    """One connection. What is malformed, too large or too slow gets a short answer, and the connection ends.

    Whoever is refused while still sending is listened to for a moment, so that the answer is not lost on the way.
    """

    max_header_bytes: ClassVar[int] = 16 * 1024
    header_seconds: ClassVar[float] = 10
    stall_seconds: ClassVar[float] = STALL_SECONDS

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._is_between, self._is_over = True, False
        """Whether no request has begun to arrive; whether nothing that comes is of interest any more."""
        self._has_headers = False
        """Of the present request, all."""
        self._header_bytes = self._ignored_bytes = 0
        self._received_bytes = self._body_bytes = 0
        """Of the present request, and of its body alone."""
        self._deadline: asyncio.TimerHandle | None = None
        self._reader_watch: asyncio.TimerHandle | None = None
        self._has_read = False
        """Whether the client has taken much since it was looked at."""
        self._refusal: tuple[int, HostError] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Take the connection."""
        super().connection_made(JoinedHeads(transport, self.loop))  # type: ignore[arg-type]  # it is as good as one
        self._expect_soon()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._expect_nothing()
        if self._reader_watch is not None:
            self._reader_watch.cancel()
            self._reader_watch = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        if self.parser is None or self.transport.is_closing():
            return
        if self._is_over:
            self._ignore(data)
            return
        self._unset_keepalive_if_required()
        if self._is_between and data.startswith(PING):
            data = STAND_IN + data[len(PING) :]
        self._received_bytes += len(data)
        try:
            self.parser.feed_data(data)
            self._check_overhead()
        except httptools.HttpParserUpgrade:
            pass  # nothing is offered to upgrade to: the request is answered as it is (RFC 9110 §7.8)
        except (httptools.HttpParserError, RequestTooLargeError):
            self._give_up()

    def on_message_begin(self) -> None:
        """Begin to take a request."""
        self._is_between = self._has_headers = False
        self._header_bytes = self._ignored_bytes = self._received_bytes = self._body_bytes = 0
        if self._deadline is None:
            self._expect_soon()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        super().on_url(url)
        if len(self.url) > MAX_TARGET_BYTES:
            self._refuse(414, RequestTooLargeError(f"the request's target is larger than {MAX_TARGET_BYTES:,} bytes"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer."""
        self._header_bytes += len(name) + len(value) + 4
        if self._header_bytes > self.max_header_bytes or len(self.headers) >= MAX_HEADERS:
            self._refuse(431, self._too_many_headers())
        if not self._has_headers:  # trailers come after everything was checked (RFC 9110 §6.5.1)
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        self._expect_nothing()
        self._has_headers = True
        if len(self.pipeline) >= MAX_PIPELINED:
            self._refuse(429, RequestTooLargeError(f"more than {MAX_PIPELINED} requests wait on this connection"))
        if not self.url.startswith(b"/") or b"#" in self.url:
            hint = "send the path alone, as in 'GET /health/live'"
            self._refuse(400, MalformedRequestError("the request's target is not a path", hint=hint))
        super().on_headers_complete()
        if self.scope["method"] == "BIND":
            self.scope["method"] = "PING"

    def on_body(self, body: bytes) -> None:
        """Take a part of the body; what comes after the answer is dropped."""
        self._body_bytes += len(body)
        if self.cycle.response_complete:
            self._ignore(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Take the end of a request."""
        self._is_between = True
        super().on_message_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._expect_nothing()
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_response_complete(self) -> None:
        """Go on with the next request, or with the rest of a body that nobody wanted."""
        super().on_response_complete()
        if not self._is_between and not self.pipeline:
            self._unset_keepalive_if_required()
            self._expect_soon()
        self._watch_reader()

    def pause_writing(self) -> None:
        """Let nothing more be written until the client has taken what was."""
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        """Go on writing."""
        self._has_read = True
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection; what its client has not taken yet still goes out."""
        super().timeout_keep_alive_handler()
        self._watch_reader()

    def _watch_reader(self) -> None:
        # A transport that is closed waits for its client for ever: so the last of an answer is watched as well.
        left = self.transport.get_write_buffer_size()
        if left and self._reader_watch is None:
            self._has_read = False
            self._reader_watch = self.loop.call_later(self.stall_seconds, self._look_at_reader, left)

    def _look_at_reader(self, before: int) -> None:
        self._reader_watch = None
        if self._has_read or self.transport.get_write_buffer_size() < before:
            self._watch_reader()
        else:
            self.transport.abort()

    def _check_overhead(self) -> None:
        """Refuse headers, trailers and chunk extensions while they still arrive: the parser keeps what has no end."""
        overhead = self._received_bytes - self._body_bytes
        if not self._is_between and overhead > self.max_header_bytes + MAX_TARGET_BYTES + 8 * self._body_bytes:
            self._refuse(431, self._too_many_headers())

    def _too_many_headers(self) -> RequestTooLargeError:
        limits = f"{self.max_header_bytes:,} bytes or more than {MAX_HEADERS}"
        return RequestTooLargeError(f"the request's headers are larger than {limits}")

    def _expect_soon(self) -> None:
        self._expect_nothing()
        self._deadline = self.loop.call_later(self.header_seconds, self._too_slow)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        cycle = self.cycle
        is_answered = cycle is not None and cycle.response_complete and cycle.scope is self.scope
        if self._is_over or self._is_between or is_answered:
            self.transport.abort()
        elif not self.transport.is_closing():
            text = f"the request's headers did not arrive within {self.header_seconds:g} s"
            self._refusal = 408, RequestTooSlowError(text)
            self._give_up()

    def _ignore(self, data: bytes) -> None:
        self._ignored_bytes += len(data)
        if self._ignored_bytes > MAX_IGNORED_BYTES:
            self.transport.abort()

    def _refuse(self, status: int, error: HostError) -> None:
        self._refusal = status, error
        raise error  # the parser stops, and `data_received` gives up

    def _give_up(self) -> None:
        """End the connection, with an answer unless another one is on its way: then after that."""
        self._is_over = True
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if cycle.scope is not self.scope or cycle.response_started or self.pipeline:
                cycle.keep_alive = False
                return
            cycle.disconnected = True  # its handler waits for a body that will not come
            cycle.message_event.set()
        self.transport.write(self._answer())
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self._expect_soon()
        else:
            self._expect_nothing()
            self.transport.close()

    def _answer(self) -> bytes:
        status, error = self._refusal or (400, MalformedRequestError("the request is not what HTTP allows"))
        body = problem_body(error, status=status)
        headers = [
            *self.server_state.default_headers,
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            *ALWAYS,
            NO_STORE,
        ]
        return b"".join([STATUS_LINE[status], *(b"%b: %b\r\n" % header for header in headers), b"\r\n", body])


def protocol_with(*, max_header_bytes: int, header_seconds: float) -> type[LimitedProtocol]:
    """Give the protocol with an operator's limits."""
    limits = {"max_header_bytes": max_header_bytes, "header_seconds": header_seconds}
    return type("ConfiguredProtocol", (LimitedProtocol,), limits)
