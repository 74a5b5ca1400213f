"""Who sends much, reads nothing or says nothing: what it costs the host has an end."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from host_rest.server.protocol import MAX_PIPELINED, LimitedProtocol
from host_rest.server.settings import HttpServerSettings
from host_rest.server.sockets import listening_socket
from plugins.rest.tests.resthost import RestHost
from plugins.rest.tests.server.certificates import make_certificate
from plugins.rest.tests.server.probe import ProbeMount
from plugins.rest.tests.server.test_wire import END, against, head, status_of


async def deaf(web: RestHost, *, window: int = 4096) -> socket.socket:
    """Give a connection with a small window, whose owner reads only when told to."""
    parts = urlsplit(web.url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (parts.hostname, parts.port))
    return connection


async def send_until_refused(connection: socket.socket, data: bytes, *, seconds: float = 60) -> None:
    """Send the same again and again until the other end has closed the connection; raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                await asyncio.get_running_loop().sock_sendall(connection, data)
            except ConnectionError:
                return


async def is_let_in(web: RestHost) -> bool:
    try:
        return b"HTTP/1.1 200" in await web.raw(head() + END)
    except ConnectionError:
        return False


@pytest.mark.slow
def test_who_asks_and_never_reads_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LimitedProtocol, "stall_seconds", 0.3)

    async def check(web: RestHost) -> None:
        with await deaf(web) as connection:
            await send_until_refused(connection, (head("/probe/large") + b"\r\n") * 10)
        assert (await web.get("/probe/open")).status_code == 200

    against(tmp_path, check)


@pytest.mark.slow
def test_who_never_reads_the_last_answer_is_cut_off_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LimitedProtocol, "stall_seconds", 0.3)

    async def check(web: RestHost) -> None:
        with await deaf(web) as connection:
            await asyncio.get_running_loop().sock_sendall(connection, head("/probe/large") + END)
            async with asyncio.timeout(60):
                while not await is_let_in(web):
                    await asyncio.sleep(0.05)

    against(tmp_path, check, server='maxConnections="1"')


@pytest.mark.slow
def test_who_reads_slowly_gets_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LimitedProtocol, "stall_seconds", 1)

    async def check(web: RestHost) -> None:
        with await deaf(web, window=64 * 1024) as connection:
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(connection, head("/probe/large") + END)
            size = 0
            while data := await loop.sock_recv(connection, 32 * 1024):
                size += len(data)
                await asyncio.sleep(0.01)
            assert size > ProbeMount.LARGE

    against(tmp_path, check)


def test_only_so_many_requests_wait_behind_one(tmp_path: Path) -> None:
    async def check(web: RestHost) -> None:
        answer = await web.raw((head() + b"\r\n") * 10_000)
        assert 1 <= answer.count(b"HTTP/1.1 200 OK") <= MAX_PIPELINED + 2
        assert answer.endswith(b"}")

    against(tmp_path, check)


def test_a_trailer_is_no_header(tmp_path: Path) -> None:
    async def check(web: RestHost) -> None:
        chunks = b"3\r\nabc\r\n0\r\nX-Real-IP: 192.0.2.1\r\nAuthorization: Bearer administrator\r\nX-Late: 1\r\n\r\n"
        answer = await web.raw(head(method="POST") + b"Transfer-Encoding: chunked\r\n" + END + chunks)
        assert status_of(answer) == 200
        assert b'"body":"abc"' in answer
        assert b"x-late" not in answer
        assert b"x-real-ip" not in answer
        assert b'"by":null' in answer

    against(tmp_path, check)


@pytest.mark.slow
def test_a_handshake_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)

    async def check(web: RestHost) -> None:
        async with web.connection() as (silent, _), asyncio.timeout(60):
            assert await silent.read() == b""

    against(tmp_path, check, server=f'certificate="{certificate}" key="{key}" headerTimeout="0.3"')


def test_connections_count_before_their_handshake(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)

    async def check(web: RestHost) -> None:
        async with web.connection(), web.connection() as (beyond, _), asyncio.timeout(60):
            with suppress(ConnectionResetError):
                assert await beyond.read() == b""

    against(tmp_path, check, server=f'certificate="{certificate}" key="{key}" maxConnections="1"')


def test_half_of_the_files_are_for_others_than_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, 1024))
    with closing(listening_socket(HttpServerSettings(port=0, max_connections=2000))) as bound:
        assert bound.at_most == 512


def test_a_closed_connection_makes_room(tmp_path: Path) -> None:
    async def check(web: RestHost) -> None:
        for _ in range(20):
            assert status_of(await web.raw(head() + END)) == 200

    against(tmp_path, check, server='maxConnections="2"')
