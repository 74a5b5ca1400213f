"""A host with our REST API on a real socket, and the jobs that its tests run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI

from host.contracts.jobs import Job, JobContext
from host.model.jobs import JobParameter, OverlapPolicy
from host.model.runs import JobResult
from host_rest.api.app import ROUTERS
from host_rest.api.mount import RestMount
from plugins.rest.tests.resthost import RestHost, rest_host

CANARY = "canary-hunter2"
FALLBACK = 'type="scheduled" days="Monday" start="0001-01-01T03:00:00"'


class Greet(Job):
    """Greet somebody, with a secret."""

    name = "Greet"
    parameters = (
        JobParameter("whom", str, default="world"),
        JobParameter("times", int, default=1, minimum=1, maximum=9),
        JobParameter("token", str, required=False, secret=True),
    )
    overlap = OverlapPolicy.ALLOW

    async def run(self, context: JobContext) -> JobResult:
        context.log.info("greeting", whom=context.parameters["whom"])
        context.log.info("done", token=context.parameters["token"])
        return JobResult(value={"greeted": context.parameters["whom"]}, status_text="greeted")


class Fail(Job):
    """Fail."""

    name = "Fail"

    async def run(self, context: JobContext) -> None:
        raise RuntimeError("no luck today")


class Wait(Job):
    """Run until it is cancelled."""

    name = "Wait"
    overlap = OverlapPolicy.ALLOW

    async def run(self, context: JobContext) -> None:
        await asyncio.Event().wait()


JOBS = (Greet, Fail, Wait)


def an_app() -> FastAPI:
    """Give the API's routes without a host behind them."""
    app = FastAPI()
    for router in ROUTERS:
        app.router.routes.extend(router.routes)
    return app


@dataclass(slots=True)
class Api:
    """Calls the API as one role, and hands out clients of others."""

    web: RestHost
    client: httpx2.AsyncClient

    async def get(self, path: str, **options: Any) -> Any:
        return self.well(await self.client.get(f"/rest/v1{path}", **options))

    async def post(self, path: str, body: object = None, **options: Any) -> Any:
        return self.well(await self.client.post(f"/rest/v1{path}", json=body, **options))

    async def send(self, method: str, path: str, **options: Any) -> httpx2.Response:
        return await self.client.request(method, f"/rest/v1{path}", **options)

    async def problem(self, method: str, path: str, status: int, **options: Any) -> Any:
        """Give the problem document of a request that must fail so."""
        answer = await self.send(method, path, **options)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        document = answer.json()
        assert document["status"] == status
        return document

    async def started(self, job: str, **parameters: object) -> Any:
        return await self.post(f"/jobs/{job}/start", {"parameters": parameters})

    async def ended(self, job: str, **parameters: object) -> Any:
        """Start a job and give the run when all that is due has ended."""
        run = await self.started(job, **parameters)
        await self.web.kit.run_due()
        return await self.get(f"/runs/{run['id']}")

    @staticmethod
    def well(answer: httpx2.Response) -> Any:
        assert answer.is_success, f"{answer.status_code} {answer.text}"
        return answer.json()


@asynccontextmanager
async def api(folder: Path, role: str = "administrator", **options: Any) -> AsyncIterator[Api]:
    """Give the API of a host with this module's jobs."""
    async with rest_host(folder, RestMount, jobs=options.pop("jobs", JOBS), **options) as web:
        yield Api(web, await web.client(role))
