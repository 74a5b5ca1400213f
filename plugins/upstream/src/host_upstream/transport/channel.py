"""One connection of HTTP/1.1 (RFC 9112), read by llhttp: a request goes out, its answer comes in."""

from __future__ import annotations

import asyncio
import zlib
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from enum import IntEnum

import httptools

from host_upstream.transport.fault import Fault
from host_upstream.transport.reasons import fault_of

MAX_BODY_BYTES = 64 * 1024 * 1024
"""Of an answer that is taken as a whole, unpacked."""
MAX_HEAD_BYTES = 256 * 1024
"""Of status line and headers, and of what comes with them."""
MAX_AHEAD_BYTES = 256 * 1024
"""Of a stream, read and not taken yet: beyond it the upstream has to wait."""
STREAM_IDLE_SECONDS = 60.0
"""The upstream's streams say something every 15 s."""

GZIP = 16 + zlib.MAX_WBITS

Headers = Sequence[tuple[str, str]]


class _Event(IntEnum):
    """What may be waited for; the later ones say the earlier ones, too."""

    HEAD = 1
    PIECE = 2
    END = 3


class Answer:
    """An answer that comes in; as long as nobody asks for its pieces, it is gathered up to ``MAX_BODY_BYTES``."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._pieces: deque[bytes] = deque()
        self._size = 0
        """Bytes of ``_pieces``."""
        self._is_stream = False
        self._awaited = _Event.HEAD
        self._waiter: asyncio.Future[None] | None = None
        self.status = 0
        self.headers: dict[str, str] = {}
        """Lower-case names; what is given several times is joined by commas."""
        self.is_begun = False
        self.is_ended = False
        self.fault: Fault | None = None

    async def begun(self) -> None:
        """Wait for status and headers; raises Fault."""
        while not self.is_begun:
            await self._wait(_Event.HEAD)

    async def whole(self) -> bytes:
        """Wait for the end, and give the body, unpacked; raises Fault."""
        while not self.is_ended:
            await self._wait(_Event.END)
        return _unpacked(b"".join(self._pieces), self.headers.get("content-encoding", "identity"))

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Give the body as it comes; raises Fault, also when nothing has come for a minute."""
        self._is_stream = True
        if self.headers.get("content-encoding", "identity") != "identity":
            raise Fault("it packs what is to come at once", is_outage=False)
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self._size -= len(piece)
                yield piece
            if self.is_ended:
                return
            self._channel.listen()
            try:
                async with asyncio.timeout(STREAM_IDLE_SECONDS):
                    await self._wait(_Event.PIECE)
            except TimeoutError:
                raise Fault("nothing more came") from None

    def take_header(self, name: str, value: str) -> None:
        """Take one header; a trailer is none."""
        if not self.is_begun:
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value

    def take_head(self, status: int) -> None:
        """Take note that the headers are all there."""
        self.status, self.is_begun = status, True
        self._wake(_Event.HEAD)

    def take_piece(self, piece: bytes) -> None:
        """Take a part of the body."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._is_stream and self._size > MAX_AHEAD_BYTES:
            self._channel.hold()
        elif not self._is_stream and self._size > MAX_BODY_BYTES:
            raise Fault(f"its answer is larger than {MAX_BODY_BYTES:,} bytes", is_outage=False)
        self._wake(_Event.PIECE)

    def end(self, fault: Fault | None = None) -> None:
        """Take note that nothing more will come, because it is complete or because of a fault."""
        if not self.is_ended and self.fault is None:
            self.fault, self.is_ended = fault, fault is None
            self._wake(_Event.END)

    async def _wait(self, event: _Event) -> None:
        if self.fault is None:
            self._awaited = event
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self.fault is not None and not (self._is_stream and self._pieces):
            raise self.fault

    def _wake(self, event: _Event) -> None:
        waiter = self._waiter
        if waiter is not None and event >= self._awaited and not waiter.done():
            waiter.set_result(None)


class Channel(asyncio.Protocol):
    """A connection: one request at a time, and another one after it while ``is_reusable``."""

    def __init__(self, lost: Callable[[Channel], None]) -> None:
        """``lost`` is called once when it is no connection any more."""
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: Answer | None = None
        self._is_interim = False
        self._head_bytes = 0
        self._is_kept = False
        self._is_held = False

    def send(self, request: bytes) -> Answer:
        """Send a request; its answer begins to come in."""
        assert self._transport is not None
        self._answer = answer = Answer(self)
        self._head_bytes, self._is_kept = 0, False
        if self._transport.is_closing():
            answer.end(Fault("it has closed the connection", is_unsent=True))
        else:
            self._transport.write(request)
        return answer

    @property
    def is_reusable(self) -> bool:
        """Whether another request may be sent: the last answer is complete, and the upstream keeps the connection."""
        return self._is_kept and self._transport is not None and not self._transport.is_closing()

    def use(self, transport: asyncio.Transport) -> None:
        """Send by this transport from now on: TLS over the one before."""
        self._transport = transport

    def close(self, fault: Fault | None = None) -> None:
        """Close at once; who waits for an answer gets the fault."""
        if self._answer is not None and fault is not None:
            self._answer.end(fault)
        self._is_kept = False
        if self._transport is not None:
            self._transport.abort()

    def hold(self) -> None:
        """Let the upstream wait."""
        if not self._is_held and self._transport is not None:
            self._is_held = True
            self._transport.pause_reading()

    def listen(self) -> None:
        """Let the upstream go on."""
        if self._is_held and self._transport is not None:
            self._is_held = False
            self._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin (asyncio)."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Read on (asyncio)."""
        answer = self._answer
        if answer is None or answer.is_ended or answer.fault is not None:
            self.close()  # it says what nobody has asked for
            return
        try:
            self._parser.feed_data(data)
            if not answer.is_begun:
                self._head_bytes += len(data)
                if self._head_bytes > MAX_HEAD_BYTES:
                    raise Fault(f"the head of its answer is larger than {MAX_HEAD_BYTES:,} bytes", is_outage=False)
        except Fault as fault:
            self.close(fault)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            cause = error.__context__
            self.close(cause if isinstance(cause, Fault) else Fault(f"its answer is not HTTP: {error}"))

    def connection_lost(self, error: Exception | None) -> None:
        """End (asyncio)."""
        self._is_kept = False
        self._lost(self)
        answer = self._answer
        if answer is None:
            return
        if error is not None:
            answer.end(fault_of(error))
        elif not answer.is_begun:
            answer.end(Fault("it closed the connection without an answer"))
        else:
            answer.end(Fault("it closed the connection inside its answer") if _is_framed(answer) else None)

    def on_message_begin(self) -> None:
        """Read on (llhttp): an answer, an interim one, or one that nobody has asked for."""
        if self._answer is not None and self._answer.is_ended:
            raise Fault("it answers what it was not asked")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Read on (llhttp)."""
        assert self._answer is not None
        self._answer.take_header(name.decode("latin-1").lower(), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """Read on (llhttp)."""
        assert self._answer is not None
        status = self._parser.get_status_code()
        self._is_interim = 100 <= status < 200
        if self._is_interim:  # RFC 9110 §15.2: the answer is still to come
            self._answer.headers.clear()
        else:
            self._answer.take_head(status)

    def on_body(self, piece: bytes) -> None:
        """Read on (llhttp)."""
        assert self._answer is not None
        self._answer.take_piece(piece)

    def on_message_complete(self) -> None:
        """Read on (llhttp)."""
        if not self._is_interim and self._answer is not None:
            self._is_kept = self._parser.should_keep_alive()
            self._answer.end()


def request_of(method: str, target: str, host: str, headers: Headers, body: bytes | None) -> bytes:
    """Give a request as it goes over the wire; raises Fault for what cannot be said in HTTP."""
    lines = [f"{method} {target} HTTP/1.1", f"host: {host}", *(f"{name}: {value}" for name, value in headers)]
    if body is not None or method != "GET":
        lines.append(f"content-length: {len(body or b'')}")
    head = "\r\n".join(lines)
    breaks = len(lines) - 1
    if " " in target or "\0" in head or head.count("\r") != breaks or head.count("\n") != breaks:
        raise _unspeakable()
    try:
        return head.encode("latin-1") + b"\r\n\r\n" + (body or b"")
    except UnicodeEncodeError:
        raise _unspeakable() from None


def _unspeakable() -> Fault:
    # What cannot be sent says nothing of the upstream.
    return Fault("the request has characters that HTTP cannot carry", is_unsent=True, is_outage=False)


def _is_framed(answer: Answer) -> bool:
    """Say whether an answer tells where its body ends; else that is where the connection ends (RFC 9112 §6.3)."""
    headers: Mapping[str, str] = answer.headers
    return "content-length" in headers or "transfer-encoding" in headers


def _unpacked(body: bytes, coding: str) -> bytes:
    if coding == "identity" or not body:
        return body
    if coding != "gzip":
        raise Fault(f"its answer is packed by {coding!r}, which it was not asked for", is_outage=False)
    unpacking = zlib.decompressobj(GZIP)
    try:
        whole = unpacking.decompress(body, MAX_BODY_BYTES)
    except zlib.error as error:
        raise Fault(f"its answer is not compressed as it says: {error}") from error
    if unpacking.unconsumed_tail:
        raise Fault(f"its answer is larger than {MAX_BODY_BYTES:,} bytes", is_outage=False)
    if not unpacking.eof:
        raise Fault("its answer is not compressed as it says: it ends too early")
    return whole
