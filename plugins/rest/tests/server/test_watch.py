"""A stream is for whom it was begun only as long as they may read it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from host.contracts.host import DataDirectory
from host.contracts.security import TokenService
from host.model.security import Principal, PrincipalKind
from host_rest.events.mount import EventsMount
from host_rest.security.contracts import Accounts
from plugins.rest.tests.resthost import RestHost, RoleAuthenticator, rest_host
from plugins.rest.tests.server.probe import ProbeMount

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host_rest.server.watch.LOOK_SECONDS", 0.1)


@asynccontextmanager
async def stream(web: RestHost, path: str, token: str) -> AsyncIterator[asyncio.StreamReader]:
    """Open a stream and read its head."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    async with web.connection() as (reader, writer):
        writer.write(request.encode())
        async with asyncio.timeout(60):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
        yield reader


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(60):
        return await reader.readuntil(b"\r\n0\r\n\r\n")


def known(*roles: str) -> Principal:
    return Principal(name="somebody", kind=PrincipalKind.USER, roles=roles)


@pytest.mark.parametrize("now", [None, known("stranger"), known("elevator")], ids=["nobody", "no right", "elevate"])
def test_a_stream_ends_when_its_reader_may_no_longer_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: Principal | None
) -> None:
    monkeypatch.setattr(RoleAuthenticator, "extra", {"token": known("reader")})

    async def go() -> None:
        async with (
            rest_host(tmp_path, ProbeMount) as web,
            stream(web, "/probe/private-stream", "token") as reader,
            stream(web, "/probe/private-stream", "reader") as other,
        ):
            await reader.readuntil(b"hello")
            RoleAuthenticator.extra = {"token": now} if now else {}
            assert b"bye" in await rest_of(reader)
            await other.readuntil(b"hello")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(other.readuntil(b"bye"), 0.5)

    asyncio.run(go())


def test_a_stream_that_does_not_end_by_itself_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host_rest.server.watch.GRACE_SECONDS", 0.3)
    monkeypatch.setattr(RoleAuthenticator, "extra", {"token": known("reader")})

    async def go() -> None:
        async with rest_host(tmp_path, ProbeMount) as web, stream(web, "/probe/private-deaf", "token") as reader:
            RoleAuthenticator.extra = {}
            async with asyncio.timeout(60):
                assert (await reader.read()).count(b"data:") == 1

    asyncio.run(go())


async def disable(web: RestHost) -> None:
    edit = lambda book: book.enabling("reader", PrincipalKind.CLIENT, is_enabled=False)  # noqa: E731
    await web.kit.get(Accounts).change(edit)


async def remove(web: RestHost) -> None:
    await web.kit.get(Accounts).change(lambda book: book.removing("reader", PrincipalKind.CLIENT))


async def damage(web: RestHost) -> None:
    (web.kit.get(DataDirectory).path() / "accounts.json").write_text("{")


@pytest.mark.parametrize("what", [disable, remove, damage], ids=["disabled", "removed", "accounts damaged"])
def test_the_events_end_with_the_account(tmp_path: Path, what: Callable[[RestHost], Awaitable[None]]) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, EventsMount, providers=()) as web:
            token = await web.sign_up("reader")
            async with stream(web, "/rest/v1/events", token) as reader:
                await what(web)
                assert b"event: bye" in await rest_of(reader)
            assert (await web.get("/rest/v1/events", token)).status_code in (401, 503)

    asyncio.run(go())


def test_the_events_end_with_a_sign_out(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, EventsMount, providers=()) as web:
            token = await web.sign_up("reader")
            async with stream(web, "/rest/v1/events", token) as reader:
                await web.kit.get(TokenService).revoke(token)
                assert b"event: bye" in await rest_of(reader)

    asyncio.run(go())
