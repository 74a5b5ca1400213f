"""The host as its own control: status, drain, and safe starts and stops."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from host.contracts.contract import Contract, Finding, Service
from host.contracts.host import HostControl, HostState
from host.contracts.jobs import Job, JobContext, JobManagerService
from host.contracts.registry import JobRegistry
from host.engine.planned import PlannedSchedule
from host.errors import DataDirectoryLockedError, HostError, ProviderStartError
from host.kernel import catchup
from host.kernel.host import RESTORED_MARK, Host
from host.model.jobs import JobInfo
from host.model.schedules import ScheduleEntry
from host.testing.host import catalogue_with, running_host, write_configuration


class Plain(Job):
    """Returns at once."""

    async def run(self, context: JobContext) -> None:
        return None


class Other(Plain):
    """Another one."""


class Ailing(Contract, Service):
    """Has something to say, and then fails."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self.fail = asyncio.Event()

    async def start(self) -> None:
        self._tasks = [asyncio.get_running_loop().create_task(self._work())]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _work(self) -> None:
        await self.fail.wait()
        raise RuntimeError("no more")

    def background(self) -> Sequence[asyncio.Task[None]]:
        return self._tasks

    def check(self) -> Sequence[Finding]:
        return [Finding(message="feels unwell")]


def test_the_status_tells_state_providers_findings_and_load(tmp_path: Path) -> None:
    async def check() -> None:
        async with running_host(tmp_path, jobs=[Plain], providers=[Ailing]) as host:
            status = await host.get(HostControl).status()
            assert status.state is HostState.READY
            assert status.data_directory == str(tmp_path / "data")
            assert status.timezone == "UTC"
            assert {each.name: each.slots for each in status.executors} == {"loop": 500, "thread": 16, "process": 4}
            assert set(status.unfinished.values()) == {0}
            ailing = next(info for info in status.providers if info.type.endswith(":Ailing"))
            assert [finding.message for finding in ailing.findings] == ["feels unwell"]
            assert ailing.source.endswith("host.config.xml:5")
            assert {plugin.name for plugin in await host.plugins()} >= {"engine", "local"}
        assert host.state is HostState.STOPPED
        await host.stop()

    asyncio.run(check())


def test_a_drain_that_is_asked_for_lets_the_host_go(tmp_path: Path) -> None:
    async def check() -> None:
        async with running_host(tmp_path, jobs=[Plain]) as host:
            waiting = asyncio.create_task(host.wait_drain())
            await asyncio.sleep(0)
            assert not waiting.done()
            await host.drain(by="me")
            await host.drain()
            await asyncio.wait_for(waiting, 60)
            assert await host.finish_drain() == 0
            assert (await host.status()).state is HostState.DRAINING
            run = await host.get(JobManagerService).start_job("Plain")
            assert run is not None  # accepted, for the next start

    asyncio.run(check())


def test_a_service_that_fails_in_the_background_comes_out_of_waiting(tmp_path: Path) -> None:
    async def check() -> None:
        async with running_host(tmp_path, providers=[Ailing]) as host:
            ailing = next(each for _, each in host._services() if isinstance(each, Ailing))
            asyncio.get_running_loop().call_soon(ailing.fail.set)
            with pytest.raises(ProviderStartError, match=r"Ailing .* failed in the background: RuntimeError: no more"):
                await asyncio.wait_for(host.wait_drain(), 60)

    asyncio.run(check())


def test_a_second_host_on_the_same_folder_is_refused_and_disturbs_nothing(tmp_path: Path) -> None:
    async def check() -> None:
        async with running_host(tmp_path, jobs=[Plain]) as host:
            with pytest.raises(DataDirectoryLockedError):
                async with running_host(tmp_path, jobs=[Plain]):
                    pass
            assert await host.get(JobManagerService).start_job("Plain") is not None

    asyncio.run(check())


def test_a_restored_host_starts_paused_once(tmp_path: Path) -> None:
    async def check() -> None:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / RESTORED_MARK).touch()
        async with running_host(tmp_path) as host:
            assert (await host.status()).paused == {"all": "restored from a backup"}
            await host.get(JobRegistry).resume("all")
        async with running_host(tmp_path) as again:
            assert (await again.status()).paused == {}

    asyncio.run(check())


def test_what_would_be_caught_up_is_told_for_every_job_although_one_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan(job: JobInfo, entry: ScheduleEntry, timezone: str) -> list[PlannedSchedule]:
        raise HostError(f"{job.name} is broken")

    jobs = [Plain, Other]
    config = write_configuration(tmp_path, jobs=jobs)
    found = SimpleNamespace(from_file=lambda path: Host.from_file(path, catalogue=catalogue_with(jobs)))
    monkeypatch.setattr(catchup, "Host", found)
    monkeypatch.setattr(catchup, "plan_schedules", plan)

    lines = asyncio.run(catchup.foresee_catch_up(config))
    assert [line.rpartition(": ")[2] for line in lines] == ["Plain is broken", "Other is broken"]
