"""What is sent to attack: over raw connections, byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from plugins.rest.tests.resthost import RestHost, RoleAuthenticator, RolePolicies, rest_host
from plugins.rest.tests.server.probe import ProbeMount

END = b"Connection: close\r\n\r\n"


def against(folder: Path, check: Callable[[RestHost], Awaitable[None]], **options: Any) -> None:
    async def go() -> None:
        ProbeMount.reached.clear()
        async with rest_host(folder, ProbeMount, providers=(RoleAuthenticator, RolePolicies), **options) as web:
            await check(web)

    asyncio.run(go())


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def head(target: str = "/probe/open", method: str = "GET", host: str = "Host: localhost\r\n") -> bytes:
    return f"{method} {target} HTTP/1.1\r\n{host}".encode("latin-1")


@pytest.mark.parametrize(
    "target",
    [
        "/probe/files/../open",
        "/probe/../health/live",
        "/probe/%2e%2e/health/live",
        "/probe/files/a%2fb",
        "/probe/files/a%5cb",
        "/probe/files/a\\b",
        "/probe/files/%00",
        "/probe//open",
        "//probe/open",
        "//evil.example/probe/open",
        "/./probe/open",
        "/probe/open#x",
        "/probe/files/\xe9",
        "/probe/files/%ff",
        "http://localhost/probe/open",
        "http://evil.example/probe/open",
        "https:/probe/open",
        "probe/open",
        "*",
    ],
)
def test_an_odd_target_is_refused(tmp_path: Path, target: str) -> None:
    async def check(web: RestHost) -> None:
        assert status_of(await web.raw(head(target) + END)) == 400
        assert ProbeMount.reached == []

    against(tmp_path, check)


def test_connect_is_refused(tmp_path: Path) -> None:
    async def check(web: RestHost) -> None:
        assert status_of(await web.raw(b"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n" + END)) == 400

    against(tmp_path, check)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("Host: localhost:99\r\n", 200),
        ("Host: LOCALHOST\r\n", 200),
        ("Host: [::1]:8080\r\n", 200),
        ("Host: evil.example\r\n", 421),
        ("Host: localhost.evil.example\r\n", 421),
        ("Host: evil.example:80@localhost\r\n", 400),
        ("Host: localhost/x\r\n", 400),
        ("Host: localhost, evil.example\r\n", 400),
        ("Host:\r\n", 400),
        ("", 400),
        ("Host: localhost\r\nHost: evil.example\r\n", 400),
        ("Host: localhost\r\nHost: localhost\r\n", 400),
        ("Host: evil.example\r\nX-Forwarded-Host: localhost\r\n", 421),
    ],
)
def test_only_our_own_host_names_are_answered(tmp_path: Path, host: str, status: int) -> None:
    async def check(web: RestHost) -> None:
        assert status_of(await web.raw(head(host=host) + END)) == status

    against(tmp_path, check)


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding:\x0bchunked\r\n",
        " folded: yes\r\n",
        "X: a\r\n folded\r\n",
        "Bad Name: x\r\n",
        "X: a\x00b\r\n",
        "Authorization: Bearer reader\r\nAuthorization: Bearer administrator\r\n",
    ],
)
def test_what_two_servers_could_read_differently_is_refused_and_ends_the_connection(
    tmp_path: Path, framing: str
) -> None:
    async def check(web: RestHost) -> None:
        smuggled = b"0\r\n\r\nGET /probe/files/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
        answer = await web.raw(head(method="POST") + framing.encode("latin-1") + b"\r\n" + smuggled)
        assert status_of(answer) in (400, 413)
        assert answer.count(b"HTTP/1.1 ") == 1
        assert ProbeMount.reached == []

    against(tmp_path, check)


def test_nothing_after_the_last_request_of_a_connection_is_answered(tmp_path: Path) -> None:
    async def check(web: RestHost) -> None:
        answer = await web.raw(head() + END + head("/probe/files/more") + b"\r\n")
        assert answer.count(b"HTTP/1.1 ") == 1
        assert ProbeMount.reached == ["GET /probe/open"]

    against(tmp_path, check)


def test_pipelined_requests_are_answered_in_order(tmp_path: Path) -> None:
    async def check(web: RestHost) -> None:
        requests = [head(f"/probe/files/{number}") + b"\r\n" for number in range(20)]
        answer = await web.raw(b"".join(requests) + head() + END)
        places = [answer.index(f'"rest":"{number}"'.encode()) for number in range(20)]
        assert places == sorted(places)
        assert answer.count(b"HTTP/1.1 200 OK") == 21

    against(tmp_path, check)


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (head() + b"X: " + b"a" * 20_000 + b"\r\n", 431),
        (head() + b"".join(b"X-%d: a\r\n" % number for number in range(120)), 431),
        (head("/probe/files/" + "a" * 9000), 414),
        (head() + b"X: " + b"a" * 8000 + b"\r\n", 200),
    ],
    ids=["one large header", "many headers", "a long target", "within the limits"],
)
def test_headers_and_targets_are_limited(tmp_path: Path, request_head: bytes, status: int) -> None:
    async def check(web: RestHost) -> None:
        answer = await web.raw(request_head + END)
        assert status_of(answer) == status
        assert b"\r\nx-content-type-options: nosniff\r\n" in answer

    against(tmp_path, check)


@pytest.mark.parametrize(
    "begin",
    [
        head() + b"X: ",
        b"GET /probe/files/",
        head(method="POST") + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: ",
        head(method="POST") + b"Transfer-Encoding: chunked\r\n\r\n3;",
    ],
    ids=["a header", "a target", "a trailer", "a chunk extension"],
)
def test_what_has_no_end_is_refused_while_it_arrives(tmp_path: Path, begin: bytes) -> None:
    async def check(web: RestHost) -> None:
        async with web.connection() as (reader, writer), asyncio.timeout(60):
            writer.write(begin)
            for _ in range(100):
                writer.write(b"a" * 1000)
                await asyncio.sleep(0)
            assert status_of(await reader.readuntil(b"\r\n")) in (414, 431)
        assert ProbeMount.reached == []

    against(tmp_path, check)


@pytest.mark.slow
def test_slow_headers_and_silent_connections_are_ended(tmp_path: Path) -> None:
    async def check(web: RestHost) -> None:
        async with web.connection() as (silent, _), web.connection() as (slow, writer), asyncio.timeout(60):
            writer.write(head()[:10])
            assert status_of(await slow.read()) == 408
            assert await silent.read() == b""

    against(tmp_path, check, server='headerTimeout="0.2"')


@pytest.mark.slow
def test_a_slow_body_is_ended_and_never_reaches_the_mount(tmp_path: Path) -> None:
    async def check(web: RestHost) -> None:
        async with web.connection() as (reader, writer), asyncio.timeout(60):
            writer.write(head(method="POST") + b"Content-Length: 100\r\n\r\n")
            for _ in range(200):
                writer.write(b"a")
                await asyncio.sleep(0.05)
                if reader.at_eof() or reader._buffer:  # type: ignore[attr-defined]
                    break
            assert status_of(await reader.read()) == 408
        assert ProbeMount.reached == []

    against(tmp_path, check, server='bodyTimeout="0.3"')


@pytest.mark.slow
def test_an_idle_connection_is_closed(tmp_path: Path) -> None:
    async def check(web: RestHost) -> None:
        async with asyncio.timeout(60):
            answer = await web.raw(head() + b"\r\n")
        assert status_of(answer) == 200
        assert b"connection: close" not in answer

    against(tmp_path, check, server='keepAlive="0.2"')


@pytest.mark.slow
def test_a_refused_body_that_never_ends_is_cut_off(tmp_path: Path) -> None:
    async def check(web: RestHost) -> None:
        async with web.connection() as (reader, writer), asyncio.timeout(60):
            writer.write(head("/probe/jobs/a/start", method="POST") + b"Content-Length: 1000000\r\n\r\n")
            assert status_of(await reader.readuntil(b"\r\n")) == 401
            await reader.read()

    against(tmp_path, check, server='headerTimeout="0.3"')


def test_after_a_refused_body_the_connection_goes_on(tmp_path: Path) -> None:
    async def check(web: RestHost) -> None:
        body = b"a" * 200_000
        refused = head("/probe/jobs/a/start", method="POST") + b"Content-Length: 200000\r\n\r\n" + body
        answer = await web.raw(refused + head("/probe/files/next") + END)
        assert status_of(answer) == 401
        assert b"HTTP/1.1 200 OK" in answer
        assert ProbeMount.reached == ["GET /probe/files/next"]

    against(tmp_path, check)


def test_connections_beyond_the_limit_are_closed_at_once(tmp_path: Path) -> None:
    async def check(web: RestHost) -> None:
        async with web.connection() as (first, writer), asyncio.timeout(60):
            writer.write(head() + b"\r\n")
            assert status_of(await first.readuntil(b"\r\n")) == 200
            async with web.connection() as (second, _):
                with suppress(ConnectionResetError):
                    assert await second.read() == b""

    against(tmp_path, check, server='maxConnections="1"')


def test_an_upgrade_is_not_followed(tmp_path: Path) -> None:
    async def check(web: RestHost) -> None:
        upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n"
        async with web.connection() as (reader, writer), asyncio.timeout(60):
            writer.write(head() + upgrade)
            assert status_of(await reader.readuntil(b"\r\n")) == 200

    against(tmp_path, check)


@pytest.mark.parametrize("target", ["/probe/open", "/probe/files/PING"])
def test_ping_is_a_method_of_its_own(tmp_path: Path, target: str) -> None:
    async def check(web: RestHost) -> None:
        answer = await web.raw(head(target, method="PING") + END)
        assert status_of(answer) == (200 if target == "/probe/open" else 405)
        assert (b'"method":"PING"' in answer) == (target == "/probe/open")

    against(tmp_path, check)


def test_a_caller_who_leaves_disturbs_nobody(tmp_path: Path) -> None:
    async def check(web: RestHost) -> None:
        async with web.connection() as (_, writer):
            writer.write(head(method="POST") + b"Content-Length: 100\r\n\r\nabc")
            await writer.drain()
            writer.transport.abort()
        assert (await web.get("/probe/open")).status_code == 200
        assert ProbeMount.reached == ["GET /probe/open"]

    against(tmp_path, check)
