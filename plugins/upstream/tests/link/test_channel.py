"""HTTP/1.1 byte by byte: what is an answer, where it ends, and which connection is used again."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_upstream.link import UpstreamAnswer
from host_upstream.transport.channel import MAX_HEAD_BYTES, request_of
from host_upstream.transport.connection import Connection
from host_upstream.transport.fault import Fault
from plugins.upstream.tests.link.linkdesk import settings_for

REQUEST = ("GET", "/x", (("accept", "*/*"),), None)


class Wire:
    """A server that sends these bytes for each request, in these portions, and then closes or not."""

    def __init__(self, *replies: Sequence[bytes], is_closed: bool = False) -> None:
        self.replies = list(replies)
        self.is_closed = is_closed
        self.connections = 0
        self.sent = 0
        self.port = 0

    @asynccontextmanager
    async def served(self) -> AsyncIterator[Connection]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        connection = Connection(settings_for(self.port, connect_timeout=timedelta(seconds=30)), None)
        try:
            yield connection
        finally:
            await connection.close()
            server.close()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self.replies:
                await reader.readuntil(b"\r\n\r\n")
                for portion in self.replies.pop(0):
                    writer.write(portion)
                    await writer.drain()
                    self.sent += len(portion)
                    await asyncio.sleep(0)
                if self.is_closed:
                    break
            else:
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort() if not self.is_closed else writer.close()


async def asked(connection: Connection) -> UpstreamAnswer:
    method, target, headers, body = REQUEST
    deadline = asyncio.get_running_loop().time() + 60
    return await connection.exchange(method, target, headers, body, deadline=deadline)


def answers_of(data: bytes, *, is_closed: bool = False) -> list[UpstreamAnswer]:
    """Give the answer that these bytes are: sent at once, and byte by byte."""

    async def check(portions: Sequence[bytes]) -> UpstreamAnswer:
        async with Wire(portions, is_closed=is_closed).served() as connection:
            return await asked(connection)

    return [asyncio.run(check(each)) for each in ([data], [data[n : n + 1] for n in range(len(data))])]


def fault_of(data: bytes, *, is_closed: bool = False) -> Fault:
    with pytest.raises(Fault) as error:
        answers_of(data, is_closed=is_closed)
    return error.value


OK = b"HTTP/1.1 200 OK\r\n"
PACKED = gzip.compress(b"hi", mtime=0)
PIECES = [OK, b"\r\n", b"Content-Length: 3\r\n", b"0\r\n\r\n", b"Transfer-Encoding: chunked\r\n"]


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (OK + b"Content-Length: 5\r\n\r\nhello", b"hello"),
        (OK + b"content-length:0\r\n\r\n", b""),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nX-Late: 1\r\n\r\n", b"hello"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nhi", b"hi"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + OK + b"Content-Length: 2\r\n\r\nhi", b"hi"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", b""),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(PACKED), PACKED), b"hi"),
    ],
)
def test_an_answer_is_whole_where_it_says_so(data: bytes, body: bytes) -> None:
    for answer in answers_of(data):
        assert answer.body == body
        assert answer.status in (200, 204, 304)
        assert not {"link", "x-late"} & answer.headers.keys()


def test_without_a_length_it_ends_with_the_connection() -> None:
    for answer in answers_of(OK + b"X-A: 1\r\nx-a: 2\r\n\r\nhello", is_closed=True):
        assert answer.body == b"hello"
        assert answer.headers["x-a"] == "1, 2"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "is not HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "is not HTTP"),
        (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", "is not HTTP"),
        (OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "is not HTTP"),
        (OK + b"Content-Length: -1\r\n\r\n", "is not HTTP"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "is not HTTP"),
        (b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "is not HTTP"),
        (OK + b"Content-Length: 5\r\n\r\nhel", "inside its answer"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", "inside its answer"),
        (OK + b"Content-Le", "without an answer"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "without an answer"),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", "not compressed as it says"),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 10\r\n\r\n" + PACKED[:10], "ends too early"),
        (OK + b"Content-Encoding: br\r\nContent-Length: 5\r\n\r\nhello", "packed by 'br'"),
    ],
)
def test_what_is_no_answer_says_why(data: bytes, said: str) -> None:
    assert said in fault_of(data, is_closed=True).reason


def test_a_head_without_end_is_not_gathered() -> None:
    async def check() -> None:
        endless = [OK, b"X: ", *([b"y" * 10_000] * 100)]
        wire = Wire(endless)
        async with wire.served() as connection:
            with pytest.raises(Fault, match="head of its answer is larger"):
                await asked(connection)
        assert wire.sent < MAX_HEAD_BYTES + 700_000  # the rest stands in buffers of the system at most

    asyncio.run(check())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from(PIECES)), max_size=8))
def test_whatever_is_sent_there_is_an_answer_or_a_fault(portions: list[bytes]) -> None:
    async def check() -> None:
        async with Wire(portions, is_closed=True).served() as connection:
            with suppress(Fault):
                assert (await asked(connection)).status >= 100

    asyncio.run(check())


def test_one_who_says_more_than_was_asked_is_asked_by_another_connection() -> None:
    whole = OK + b"Content-Length: 2\r\n\r\nhi"

    async def check(reply: Sequence[bytes]) -> int:
        wire = Wire(reply, [whole])
        async with wire.served() as connection:
            assert (await asked(connection)).body == b"hi"
            for _ in range(20):
                await asyncio.sleep(0)  # what is too much has come by now
            assert (await asked(connection)).body == b"hi"
            return wire.connections

    assert asyncio.run(check([whole])) == 1
    assert asyncio.run(check([whole + b"HTTP/1.1 200 OK\r\n"])) == 2
    assert asyncio.run(check([OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi"])) == 2
    assert asyncio.run(check([b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi"])) == 2


def test_a_stream_that_nobody_reads_makes_the_upstream_wait() -> None:
    portion = bytes(range(250)) * 400
    reply = [OK + b"Transfer-Encoding: chunked\r\n\r\n", *[b"%x\r\n%s\r\n" % (len(portion), portion)] * 200]

    async def check() -> None:
        wire = Wire([*reply, b"0\r\n\r\n"])
        async with wire.served() as connection:
            deadline = asyncio.get_running_loop().time() + 60
            async with connection.stream("/x", (), deadline=deadline) as stream:
                pieces = stream.pieces()
                found = bytearray(await anext(pieces))
                before = -1
                while before != wire.sent:
                    before = wire.sent
                    await asyncio.sleep(0.05)
                assert wire.sent < 15_000_000
                async for piece in pieces:
                    found += piece
                assert found == portion * 200

    asyncio.run(check())


def test_of_several_addresses_the_one_that_answers_is_taken_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check() -> None:
        wire = Wire([OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi"], [OK + b"Content-Length: 2\r\n\r\nhi"])
        async with wire.served() as connection:
            tried: list[str] = []
            loop = asyncio.get_running_loop()
            connect = loop.create_connection

            async def addresses(*_: Any, **__: Any) -> list[Any]:
                made = [(address, wire.port) for address in ("127.0.0.9", "127.0.0.1")]
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", each) for each in made]

            async def noted(factory: Any, host: str, *rest: Any, **more: Any) -> Any:
                tried.append(host)
                return await connect(factory, host, *rest, **more)

            monkeypatch.setattr(loop, "getaddrinfo", addresses)
            monkeypatch.setattr(loop, "create_connection", noted)
            assert (await asked(connection)).body == b"hi"
            assert (await asked(connection)).body == b"hi"
            assert tried == ["127.0.0.9", "127.0.0.1", "127.0.0.1"]

    asyncio.run(check())


@pytest.mark.parametrize(
    ("target", "value"),
    [("/a b", "x"), ("/a\r\nX: y", "x"), ("/a", "x\r\nX: y"), ("/a", "x\ny"), ("/a", "\0"), ("/a", "☃")],
)
def test_nothing_can_be_slipped_into_a_request(target: str, value: str) -> None:
    with pytest.raises(Fault, match="cannot carry") as error:
        request_of("GET", target, "h", [("accept", value)], None)
    assert error.value.is_unsent
    assert not error.value.is_outage


def test_a_request_tells_how_long_its_body_is() -> None:
    assert request_of("GET", "/a", "h:1", [("b", "é")], None) == b"GET /a HTTP/1.1\r\nhost: h:1\r\nb: \xe9\r\n\r\n"
    assert request_of("POST", "/", "h", [], None).endswith(b"content-length: 0\r\n\r\n")
    assert request_of("PUT", "/", "h", [], b"\r\n").endswith(b"content-length: 2\r\n\r\n\r\n")
