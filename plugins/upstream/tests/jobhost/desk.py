"""A jobhost on a real socket, the providers of this plugin before it, and the jobs that their tests run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2

from host.contracts.jobs import Job, JobContext
from host.errors import UpstreamUnavailableError
from host.model.jobs import JobParameter, OverlapPolicy
from host.model.runs import JobResult
from host.testing.clock import FakeClock
from host_rest.api.mount import RestMount
from host_rest.events.mount import EventsMount
from host_upstream.link import UpstreamAnswer, UpstreamApi, UpstreamLink, UpstreamRequest
from host_upstream.providers import (
    UpstreamJobManager,
    UpstreamJobRunReader,
    UpstreamJobScheduleManager,
    UpstreamRunControl,
    UpstreamRunLog,
)
from host_upstream.settings import UpstreamRealm, UpstreamSettings
from host_upstream.transport.problems import error_of
from host_upstream.upstream import OneUpstream
from plugins.rest.tests.resthost import RestHost, rest_host

PATIENCE_SECONDS = 60


class Greet(Job):
    """Greet somebody, with a secret."""

    name = "Greet"
    aliases = ("Example.Greet, Example",)
    parameters = (
        JobParameter("whom", str, default="world"),
        JobParameter("token", str, required=False, secret=True),
        JobParameter("anything", object, required=False),
    )
    overlap = OverlapPolicy.ALLOW

    async def run(self, context: JobContext) -> JobResult:
        context.log.info("greeting", whom=context.parameters["whom"])
        context.progress(0.5, "half")
        context.log.info("done")
        return JobResult(value={"greeted": context.parameters["whom"]}, status_text="greeted")


class Fail(Job):
    """Fail."""

    name = "Fail"

    async def run(self, context: JobContext) -> None:
        raise RuntimeError("no luck today")


class Wait(Job):
    """Run until it is cancelled."""

    name = "Wait / for ever"
    overlap = OverlapPolicy.ALLOW

    async def run(self, context: JobContext) -> None:
        await asyncio.Event().wait()


class Unregistered(Job):
    """Is offered, and registered by nobody."""

    name = "Unregistered"

    async def run(self, context: JobContext) -> None:
        pass


JOBS = (Greet, Fail, Wait)


class PlainLink(UpstreamLink):
    """Makes requests as they come, with a token that the upstream's stand-in for guards knows."""

    def __init__(self, url: str, token: str = "administrator") -> None:
        self._client = httpx2.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=30
        )
        self.asked: list[UpstreamRequest] = []
        self.deaf_for = 0
        """So many requests more get no answer, though they are heard."""
        self.is_down = False
        self.refused = 0
        """How often it was asked what it speaks while it was down."""

    async def api(self) -> UpstreamApi:
        if self.is_down:
            self.refused += 1
            raise UpstreamUnavailableError("it is down")
        return UpstreamApi.JOBHOST

    async def request(self, request: UpstreamRequest) -> UpstreamAnswer:
        while True:
            try:
                return await self._once(request)
            except UpstreamUnavailableError:
                if not request.may_repeat or self.is_down:
                    raise

    async def _once(self, request: UpstreamRequest) -> UpstreamAnswer:
        self.asked.append(request)
        if self.is_down:
            raise UpstreamUnavailableError("it is down")
        answer = await self._client.request(
            request.method, self._target(request), content=request.body, headers=self._headers(request)
        )
        if self.deaf_for:
            self.deaf_for -= 1
            raise UpstreamUnavailableError("its answer was lost")
        return UpstreamAnswer(status=answer.status_code, headers=dict(answer.headers), body=answer.content)

    async def stream(self, request: UpstreamRequest) -> AsyncIterator[bytes]:
        self.asked.append(request)
        if self.is_down:
            raise UpstreamUnavailableError("it is down")
        try:
            async with self._client.stream("GET", self._target(request), headers=self._headers(request)) as answer:
                if answer.status_code != 200:
                    body = await answer.aread()
                    raise error_of(UpstreamAnswer(status=answer.status_code, headers=dict(answer.headers), body=body))
                async for piece in answer.aiter_bytes():
                    yield piece
        except httpx2.HTTPError as error:
            raise UpstreamUnavailableError(f"lost: {error}") from error

    def unavailable_since(self) -> datetime | None:
        return None

    async def close(self) -> None:
        await self._client.aclose()

    def count(self, path: str) -> int:
        """Give how many requests went to a path below the API's."""
        return sum(request.path == f"/rest/v1{path}" for request in self.asked)

    def _target(self, request: UpstreamRequest) -> str:
        return f"{request.path}?{urlencode(request.query)}" if request.query else request.path

    def _headers(self, request: UpstreamRequest) -> dict[str, str]:
        headers = {**request.headers, **({"X-Jobhost-Caller": request.caller} if request.caller else {})}
        return {**headers, "Content-Type": request.media_type} if request.body is not None else headers


class Desk:
    """The host that performs the jobs, and the five providers of another that asks it."""

    def __init__(self, web: RestHost, link: PlainLink, cache: timedelta) -> None:
        self.web, self.kit, self.link = web, web.kit, link
        self.clock = FakeClock()
        settings = UpstreamSettings(realm=UpstreamRealm(domain="127.0.0.1", port=1, tls=False), cache=cache)
        self.upstream = OneUpstream(link, settings, self.clock, None)
        self.jobs = UpstreamJobManager(self.upstream)
        self.control = UpstreamRunControl(self.upstream)
        self.schedules = UpstreamJobScheduleManager(self.upstream)
        self.runs = UpstreamJobRunReader(self.upstream)
        self.log = UpstreamRunLog(self.upstream)


@asynccontextmanager
async def desk(
    folder: Path,
    *,
    jobs: Sequence[type[Job]] = JOBS,
    offered: Sequence[type[Job]] = (),
    cache: timedelta = timedelta(0),
    token: str = "administrator",
    link: PlainLink | None = None,
    **options: Any,
) -> AsyncIterator[Desk]:
    """Give a desk; the performing host has a FakeClock, and so does the one that asks."""
    mounts = options.pop("mounts", (RestMount, EventsMount))
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with rest_host(folder, *mounts, jobs=jobs, clock=options.pop("clock", FakeClock()), **options) as web:
            for job in offered:
                web.kit._catalogue.add_job(job)
            own = PlainLink(web.url, token)
            try:
                yield Desk(web, link or own, cache)
            finally:
                await own.close()
