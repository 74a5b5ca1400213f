"""Before a server that speaks OAuth2 and AMI alone, as SanteDB's does: all through the real link, from sign-in on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from host.contracts.host import HostControl
from host.errors import InvalidParameterError, UnsupportedOperationError
from host.kernel.catalogue import type_name
from host.model.runs import JobRun, RunState
from host.model.schedules import JobSchedule
from host.model.submissions import RunSubmission
from host.testing.contracts.services import running
from host.testing.place import Backstage
from host.testing.place_jobs import Greet, Lasting
from host.wire import proxy
from host_rest.api.mount import RestMount
from host_upstream.link import UpstreamApi
from host_upstream.providers import (
    UpstreamJobManager,
    UpstreamJobRunReader,
    UpstreamJobScheduleManager,
    UpstreamRunControl,
    UpstreamRunLog,
)
from plugins.rest.tests.resthost import RoleAuthenticator, RolePolicies, rest_host
from plugins.upstream.tests.conformance.proxies import Proxies, section_for
from plugins.upstream.tests.conformance.served import CLIENT
from plugins.upstream.tests.conformance.upstream import UpstreamProcess
from plugins.upstream.tests.jobhost.desk import Desk, PlainLink

pytestmark = pytest.mark.slow

GREET, LASTING = type_name(Greet), type_name(Lasting)
FIVE = (UpstreamJobManager, UpstreamRunControl, UpstreamJobScheduleManager, UpstreamJobRunReader, UpstreamRunLog)
PATIENCE_SECONDS = 60


@asynccontextmanager
async def behind(process: UpstreamProcess) -> AsyncIterator[Backstage]:
    """Give what is behind a clean server."""
    async with asyncio.timeout(2 * PATIENCE_SECONDS), process.connection() as connection:
        yield proxy(Backstage, connection)


def run(folder: Path, process: UpstreamProcess, check: Callable[[Proxies, Backstage], Awaitable[None]]) -> None:
    async def main() -> None:
        async with behind(process) as backstage, running(Proxies(folder, process)) as proxies:
            await check(proxies, backstage)

    process.begin()
    asyncio.run(main())


async def latest(proxies: Proxies, job: str, state: RunState) -> JobRun:
    """Wait until the latest run of a job is in a state, and has begun."""
    info = await proxies.manager.get_job(job)
    while True:
        found = (await proxies.reader.latest([info.id], [state])).get(info.id)
        if found is not None and found.started_at is not None:  # one that is claimed has no start, by which it is known
            return found
        await asyncio.sleep(0.01)


def test_a_job_is_listed_started_and_seen_to_end(tmp_path: Path, ami_process: UpstreamProcess) -> None:
    async def check(proxies: Proxies, backstage: Backstage) -> None:
        assert {"Greet", "Lasting"} <= {job.name for job in await proxies.manager.jobs()}
        assert await proxies.manager.start_job(GREET, {"whom": "Ada", "times": 3}) is None
        await backstage.settle()
        (there,) = await backstage.runs()
        assert (there.job_type, there.owner) == (GREET, CLIENT)
        assert dict(there.parameters) == {"whom": "Ada", "times": 3}
        assert (await latest(proxies, GREET, RunState.COMPLETED)).job_type == GREET
        with pytest.raises(InvalidParameterError):
            await proxies.manager.start_job(GREET, {"times": "many"})

    run(tmp_path, ami_process, check)


def test_a_run_is_cancelled(tmp_path: Path, ami_process: UpstreamProcess) -> None:
    async def check(proxies: Proxies, backstage: Backstage) -> None:
        assert await proxies.manager.start_job(LASTING) is None
        seen = await latest(proxies, LASTING, RunState.RUNNING)
        await proxies.control.cancel(seen.id)
        assert (await latest(proxies, LASTING, RunState.CANCELLED)).id == seen.id
        await proxies.manager.start_job(LASTING)
        await latest(proxies, LASTING, RunState.RUNNING)
        assert len(await proxies.manager.cancel_job(LASTING)) == 1
        await latest(proxies, LASTING, RunState.CANCELLED)
        assert {each.state for each in await backstage.runs()} == {RunState.CANCELLED}

    run(tmp_path, ami_process, check)


def test_schedules_are_set_fire_there_and_are_cleared(tmp_path: Path, ami_process: UpstreamProcess) -> None:
    async def check(proxies: Proxies, backstage: Backstage) -> None:
        hourly = JobSchedule.every(timedelta(hours=1), start=await backstage.now() + timedelta(minutes=1))
        entry = await proxies.manager.set_job_schedule(LASTING, [hourly])
        assert [rule.interval for rule in entry.schedules] == [timedelta(hours=1)]
        assert await proxies.schedules.get(LASTING) == entry == await proxies.manager.get_job_schedules(LASTING)
        await backstage.let_end()
        await backstage.advance(3700)
        assert len([each for each in await backstage.runs() if each.job_type == LASTING]) == 2
        assert (await proxies.schedules.clear(LASTING)).schedules == ()
        with pytest.raises(UnsupportedOperationError):
            await proxies.manager.set_job_schedule(LASTING, [JobSchedule.cron("0 3 * * *")])

    run(tmp_path, ami_process, check)


def test_a_host_in_the_middle_passes_a_start_on_without_a_run(tmp_path: Path, ami_process: UpstreamProcess) -> None:
    async def main() -> None:
        sections = section_for(ami_process, 'timezone="Europe/Prague"')
        providers = (RoleAuthenticator, RolePolicies, *FIVE)
        async with (
            behind(ami_process) as backstage,
            rest_host(tmp_path, RestMount, providers=providers, sections=sections) as middle,
        ):
            link = PlainLink(middle.url)
            try:
                at = Desk(middle, link, timedelta(0))
                assert await at.jobs.start_job(GREET, {"whom": "Ada"}, by="carla") is None
                await backstage.settle()
                (there,) = await backstage.runs()
                assert there.parameters["whom"] == "Ada"
                assert link.count("/runs") == 2
                with pytest.raises(InvalidParameterError):
                    await at.jobs.start_job(GREET, {"times": "many"})
                with pytest.raises(UnsupportedOperationError):
                    await at.control.submit([RunSubmission(job=GREET)])
                assert await at.jobs.timezone() == "Europe/Prague"
                assert (await middle.kit.get(HostControl).status()).timezone == "Europe/Prague"
                assert await link.api() is UpstreamApi.JOBHOST
            finally:
                await link.close()

    ami_process.begin()
    asyncio.run(main())
