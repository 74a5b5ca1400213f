"""Links under test, and what most tests ask of them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeVar

from host.contracts.clock import Clock
from host.contracts.secrets import SecretProvider
from host.local.clock import SystemClock
from host.testing.clock import FakeClock
from host_upstream.link import UpstreamRequest
from host_upstream.settings import Conveyance, CredentialKind, UpstreamCredential, UpstreamRealm, UpstreamSettings
from host_upstream.transport.http_link import HttpUpstreamLink
from plugins.upstream.tests.link.rogue import Rogue, rogue_server

T = TypeVar("T")
Check = Callable[[Rogue, HttpUpstreamLink], Awaitable[None]]

APPLICATION = UpstreamCredential(
    kind=CredentialKind.APPLICATION, convey=Conveyance.SECRET, name="host-b", secret="s3cret-Value", where="c.xml:9"
)
PATIENT = timedelta(minutes=5)
"""A time-out that no machine is too slow for."""
JOBS = UpstreamRequest(method="GET", path="/rest/v1/jobs")
START = UpstreamRequest(method="POST", path="/rest/v1/runs", body=b"{}")


class Secrets(SecretProvider):
    """Secrets of a test."""

    def __init__(self, **secrets: str) -> None:
        self.secrets = secrets

    def get(self, name: str) -> str | None:
        return self.secrets.get(name)


def settings_for(port: int, *, tls: bool = False, **options: Any) -> UpstreamSettings:
    """Give settings for a port of loopback."""
    realm = UpstreamRealm(domain=options.pop("domain", "127.0.0.1"), port=port, tls=tls)
    given = {"credentials": (APPLICATION,), "timeout": PATIENT, "connect_timeout": PATIENT, **options}
    return UpstreamSettings(realm=realm, **given)


@asynccontextmanager
async def link_to(
    port: int, *, clock: Clock | None = None, secrets: SecretProvider | None = None, **options: Any
) -> AsyncIterator[HttpUpstreamLink]:
    """Give a started link to a port of loopback."""
    link = HttpUpstreamLink(settings_for(port, **options), clock or SystemClock(), secrets)
    await link.start()
    try:
        yield link
    finally:
        await link.stop()


def run(check: Check, *, tls: ssl.SSLContext | None = None, **options: Any) -> None:
    """Perform a check with a server and a link to it."""

    async def go() -> None:
        async with rogue_server(tls) as rogue, link_to(rogue.port, tls=tls is not None, **options) as link:
            await check(rogue, link)

    asyncio.run(go())


async def until(condition: Callable[[], object]) -> None:
    """Wait for what another task does."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)


async def ticking(clock: FakeClock, call: Coroutine[Any, Any, T], *, step: float = 0.05) -> T:
    """Await a call while the clock runs on, for what it waits between attempts."""
    task = asyncio.ensure_future(call)
    async with asyncio.timeout(60):
        while not task.done():
            await clock.advance(step)
            await asyncio.sleep(0.001)
    return await task
