"""A host with AMI on a real socket, and the jobs that its tests work with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import httpx2

from host.contracts.jobs import Job, JobContext
from host.model.jobs import JobParameter
from host.model.runs import JobResult
from host_rest.ami.mount import AmiMount
from plugins.rest.tests.resthost import RestHost, rest_host

XML = {"Accept": "application/xml", "Content-Type": "application/xml"}


class Refresh(Job):
    """Refresh what people look at."""

    id = UUID("b5d6a459-c0fc-4d2f-a653-733c849beab9")
    name = "Refresh BI Materialized Views"
    aliases = ("SanteDB.BI.Jobs.BiMaterializeJob, SanteDB.BI",)
    parameters = (
        JobParameter("viewName", str, default="all"),
        JobParameter("n", int, default=1),
        JobParameter("pin", str, required=False, secret=True),
    )
    seen: ClassVar[list[dict[str, object]]] = []

    async def run(self, context: JobContext) -> JobResult | None:
        self.seen.append(dict(context.parameters))
        return JobResult(status_text="refreshed")


class Wait(Job):
    """Wait until it is cancelled."""

    id = UUID("71f82f18-992d-4a71-9d0c-ecce92490d8c")
    name = "Wait"
    begun: ClassVar[asyncio.Event]

    async def run(self, context: JobContext) -> None:
        context.progress(0.25, "waiting")
        self.begun.set()
        await asyncio.Event().wait()


class Break(Job):
    """Break."""

    name = "Break"

    async def run(self, context: JobContext) -> None:
        context.progress(0.5, "half way")
        raise RuntimeError("the disk is <full>")


class Offered(Job):
    """Offered, and registered by nobody."""

    name = "Offered"
    aliases = ("X.Offered, X",)

    async def run(self, context: JobContext) -> None:
        return None


class Ami:
    """A running host and someone who asks it."""

    def __init__(self, web: RestHost, client: httpx2.AsyncClient) -> None:
        self.web, self.kit, self.client = web, web.kit, client

    async def json(self, path: str, **options: Any) -> Any:
        """Give what GET answers."""
        answer = await self.client.get(f"/ami{path}", **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def send(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """Send one request."""
        return await self.client.request(method, f"/ami{path}", **options)

    async def fault(self, status: int, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Give the fault of a request that is refused with this status."""
        answer = await self.send(method, path, **options)
        assert answer.status_code == status, answer.text
        fault: dict[str, Any] = answer.json()
        assert list(fault)[:2] == ["data", "$type"]
        return fault

    async def put(self, job: type[Job], schedule: Any) -> list[dict[str, Any]]:
        """Replace a job's schedules as the admin page does; gives those it then has."""
        document = {**await self.json(f"/JobInfo/{job.id}"), "schedule": schedule}
        answer = await self.send("PUT", f"/JobInfo/{job.id}", json={"$type": "JobInfo", **document})
        assert answer.status_code == 201, answer.text
        shown: list[dict[str, Any]] = answer.json()["schedule"]
        return shown


@asynccontextmanager
async def ami_host(folder: Path, *jobs: type[Job], role: str = "administrator", **options: Any) -> AsyncIterator[Ami]:
    """Give a host with these jobs, by default all but the offered one; requests are signed in as the role."""
    Refresh.seen.clear()
    Wait.begun = asyncio.Event()
    async with rest_host(folder, AmiMount, jobs=jobs or (Refresh, Wait, Break), **options) as web:
        yield Ami(web, await web.client(role))
