"""The providers of this plugin before a SanteDB server, over a real connection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2

from host.errors import UpstreamRefusedError, UpstreamUnavailableError
from host.testing.clock import FakeClock
from host_upstream.link import UpstreamAnswer, UpstreamApi, UpstreamLink, UpstreamRequest
from host_upstream.santedb.client import AmiClient
from host_upstream.santedb.control import AmiRunControl
from host_upstream.santedb.jobs import AmiJobManager
from host_upstream.santedb.logs import AmiRunLog
from host_upstream.santedb.reader import AmiRunReader
from host_upstream.santedb.schedules import AmiScheduleManager
from host_upstream.settings import UpstreamRealm, UpstreamSettings
from plugins.upstream.tests.santedb.icdr import Icdr, icdr_server


class PlainLink(UpstreamLink):
    """One token, no repetition, no circuit breaker: what these providers need of a link, and nothing else."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def api(self) -> UpstreamApi:
        return UpstreamApi.SANTEDB

    async def request(self, request: UpstreamRequest) -> UpstreamAnswer:
        headers = {"Accept": request.media_type}
        if request.body is not None:
            headers["Content-Type"] = request.media_type
        query = [f"{quote(name)}={quote(value)}" for name, value in request.query]
        path = f"{request.path}?{'&'.join(query)}" if query else request.path
        try:
            answer = await self._client.request(request.method, path, content=request.body, headers=headers)
        except httpx2.HTTPError as error:
            raise UpstreamUnavailableError(f"the upstream does not answer: {error}") from error
        if answer.status_code == 401:
            raise UpstreamRefusedError("the upstream refuses this host's credentials")
        if answer.status_code in (429, 502, 503, 504):
            raise UpstreamUnavailableError(f"the upstream answers {answer.status_code}")
        return UpstreamAnswer(status=answer.status_code, headers=dict(answer.headers), body=answer.content)

    def stream(self, request: UpstreamRequest) -> AsyncIterator[bytes]:
        raise NotImplementedError

    def unavailable_since(self) -> datetime | None:
        return None


def settings_for(url: str, **options: Any) -> UpstreamSettings:
    """Give the settings of the upstream at an address."""
    parts = urlsplit(url)
    realm = UpstreamRealm(domain=parts.hostname or "", port=parts.port or 0, tls=parts.scheme == "https")
    return UpstreamSettings(realm=realm, **options)


class Upstream:
    """The five providers, which share a client, and a clock that stands still."""

    def __init__(self, link: UpstreamLink, settings: UpstreamSettings) -> None:
        self.link, self.settings = link, settings
        self.clock = FakeClock()
        self.client = AmiClient(link, settings, self.clock)
        self.manager = AmiJobManager(link, settings, self.clock, client=self.client)
        self.control = AmiRunControl(link, settings, self.clock, client=self.client)
        self.schedules = AmiScheduleManager(link, settings, self.clock, client=self.client)
        self.runs = AmiRunReader(link, settings, self.clock, client=self.client)
        self.log = AmiRunLog(link, settings, self.clock)


@asynccontextmanager
async def upstream_at(
    url: str, *, token: str = "t", cache: timedelta = timedelta(seconds=1)
) -> AsyncIterator[Upstream]:
    """Give the providers before a server."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=60) as client:
        yield Upstream(PlainLink(client), settings_for(url, cache=cache))


@asynccontextmanager
async def before_icdr(**options: timedelta) -> AsyncIterator[tuple[Icdr, Upstream]]:
    """Give the stand-in and the providers before it."""
    async with icdr_server() as icdr, upstream_at(f"http://127.0.0.1:{icdr.port}", **options) as upstream:
        yield icdr, upstream
