"""Hosts that follow one another in one process: what carries over, and what happens when one cannot start."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from host.contracts.contract import Contract, Service
from host.contracts.host import HostControl, HostState, LastReload
from host.contracts.jobs import Job, JobContext, JobManagerService
from host.contracts.registry import JobRegistry
from host.contracts.runs import JobRunReader
from host.errors import ConfigurationError, HostUnavailableError, RunStateError, UnsupportedOperationError
from host.kernel.host import Host
from host.kernel.succession import Succession
from host.model.jobs import JobStartType, OverlapPolicy
from host.model.runs import JobRun, RunFilter, RunState
from host.testing.host import catalogue_with, running_host, write_configuration

FAST = '<section xsi:type="SqliteRunStoreConfigurationSection" synchronous="normal" />'
DRAIN = '<section xsi:type="HostConfigurationSection" drain="PT0.05S" />'


class Plain(Job):
    """Returns at once."""

    overlap = OverlapPolicy.ALLOW

    async def run(self, context: JobContext) -> None:
        return None


class Other(Plain):
    """Another one."""


class Waiting(Plain):
    """Ends when it is cancelled, and not before."""

    async def run(self, context: JobContext) -> None:
        await asyncio.Event().wait()


class Deaf(Plain):
    """Looks at nothing until the test lets it go."""

    free = threading.Event()

    def run(self, context: JobContext) -> None:  # type: ignore[override]
        self.free.wait()


class Failing(Contract, Service):
    """Does not start."""

    async def start(self) -> None:
        raise RuntimeError("no such device")


class Exiting(Contract, Service):
    """Takes the host with it, or tries to."""

    async def start(self) -> None:
        raise SystemExit("goodbye")


class Moody(Contract, Service):
    """Starts once only."""

    has_started = False

    async def start(self) -> None:
        if Moody.has_started:
            raise RuntimeError("not twice")
        Moody.has_started = True


class Adding(Contract, Service):
    """Adds a job by code."""

    def __init__(self, jobs: JobManagerService) -> None:
        self._jobs = jobs

    async def start(self) -> None:
        await self._jobs.add_job(f"{__name__}:Plain", start_type=JobStartType.IMMEDIATE)


PROVIDERS = (Failing, Exiting, Moody, Adding)
JOBS = (Plain, Other, Waiting, Deaf)


class Desk:
    """A succession at work, and its configuration."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write()
        self.config = folder / "host.config.xml"
        self.build()

    def build(self, **options: Any) -> None:
        """Put a host built from the present configuration at the beginning."""
        host = Host.from_file(self.config, catalogue=catalogue_with(JOBS, PROVIDERS), **options)
        self.succession = Succession(host, began=time.monotonic())

    def write(
        self, *, providers: Sequence[type[Contract]] = (), drain: str = DRAIN, more: str = "", **starts: str
    ) -> None:
        rows = "".join(f'<add type="{__name__}:{name}" startType="{start}"/>' for name, start in starts.items())
        never = "".join(f'<add type="{__name__}:{job.__name__}" startType="never"/>' for job in JOBS)
        section = f'<section xsi:type="JobConfigurationSection"><jobs>{rows or never}</jobs></section>'
        write_configuration(self.folder, providers=providers, sections=FAST + drain + more + section)

    @property
    def host(self) -> Host:
        return self.succession._host

    async def ready(self, *, after: Host | None = None) -> None:
        await eventually(lambda: self.host is not after and self.host.state is HostState.READY)

    async def reload(self) -> LastReload:
        """Reload, and give how it ended."""
        before = self.succession.last_reload
        assert (await self.host.get(HostControl).reload(by="test")).is_begun
        await eventually(lambda: self.succession.last_reload is not before and self.host.state is HostState.READY)
        assert self.succession.last_reload is not None
        return self.succession.last_reload

    async def runs(self) -> list[JobRun]:
        page = await self.host.get(JobRunReader).runs(RunFilter(), limit=100)
        return list(reversed(page.runs))

    async def started(self) -> list[str]:
        """Give which jobs ran because of their start type."""
        return [run.job_type.rpartition(":")[2] for run in await self.runs() if run.owner == "start"]

    async def begin(self, name: str) -> JobRun:
        """Start a job and wait until it runs."""
        run = await self.host.get(JobManagerService).start_job(name)
        assert run is not None
        await self.until(run, RunState.RUNNING)
        return run

    async def until(self, run: JobRun, state: RunState) -> None:
        async def is_so() -> bool:
            found = await self.host.get(JobRunReader).run(run.id)
            return found is not None and found.state is state

        async with asyncio.timeout(60):
            while not await is_so():
                await asyncio.sleep(0.005)


async def eventually(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.002)


@asynccontextmanager
async def working(desk: Desk) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(desk.succession.run())
    try:
        await eventually(lambda: desk.host.state is HostState.READY or task.done())
        yield task
    finally:
        desk.succession.end()
        await asyncio.wait([task])
    task.result()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    Moody.has_started = False
    Deaf.free = threading.Event()
    return Desk(tmp_path)


def test_a_reload_starts_a_new_host_with_what_the_file_says_now(desk: Desk) -> None:
    async def check() -> None:
        async with working(desk):
            old, node = desk.host, (await desk.host.status()).node
            assert (await desk.host.status()).last_reload is None
            desk.write(more='<section xsi:type="SchedulerConfigurationSection" timezone="Europe/Prague" />')
            report = await desk.host.reload(dry_run=True)
            assert [(each.name, each.after) for each in report.changes] == [
                ("SchedulerConfigurationSection", "timezone=Europe/Prague")
            ]
            assert desk.host is old
            assert old.state is HostState.READY
            ended = await desk.reload()
            status = await desk.host.status()
            assert ended.error is None
            assert status.last_reload == ended
            assert status.timezone == "Europe/Prague"
            assert status.node != node
            assert old.state is HostState.STOPPED

    asyncio.run(check())


def test_a_configuration_that_cannot_be_used_is_told_whole_and_nothing_stops(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    async def check() -> None:
        async with working(desk):
            old = desk.host
            desk.write(more='<section xsi:type="SchedulerConfigurationSection" timezone="Mars" />', Gone="never")
            with pytest.raises(ConfigurationError) as caught:
                await desk.host.reload()
            assert "Mars" in str(caught.value)
            assert "unknown job" in str(caught.value)
            desk.succession.reload_soon()
            await eventually(lambda: "reload refused" in capsys.readouterr().out)
            assert desk.host is old
            assert (await old.status()).last_reload is None

    asyncio.run(check())


@pytest.mark.parametrize(("provider", "why"), [(Failing, "no such device"), (Exiting, "goodbye")])
def test_what_does_not_start_is_rolled_back(desk: Desk, provider: type[Contract], why: str) -> None:
    async def check() -> None:
        async with working(desk):
            desk.write(providers=[provider], Plain="immediate")
            ended = await desk.reload()
            assert ended.error is not None
            assert why in ended.error
            assert (await desk.host.status()).last_reload == ended
            assert [job.start_type for job in await desk.host.get(JobManagerService).jobs()] == [
                JobStartType.NEVER
            ] * len(JOBS)
            desk.write()
            assert (await desk.reload()).error is None

    asyncio.run(check())


def test_if_the_previous_configuration_does_not_start_either_the_error_comes_out(desk: Desk) -> None:
    desk.write(providers=[Moody])
    desk.build()

    async def check() -> None:
        async with working(desk) as task:
            await desk.host.reload()
            await asyncio.wait([task])

    with pytest.raises(Exception, match="not twice"):
        asyncio.run(check())


def test_start_types_run_once_a_process_unless_they_are_new(desk: Desk) -> None:
    async def check() -> None:
        async with working(desk):
            desk.write(Plain="immediate")
            await desk.reload()
            assert await desk.started() == ["Plain"]
            desk.write(Plain="immediate", Other="immediate", drain="")
            await desk.reload()
            assert await desk.started() == ["Plain", "Other"]
            desk.write(Plain="never", Other="immediate")
            await desk.reload()
            desk.write(Plain="immediate", Other="immediate")
            await desk.reload()
            assert await desk.started() == ["Plain", "Other", "Plain"]

    asyncio.run(check())


def test_a_delayed_run_that_a_reload_came_before_is_not_lost_and_not_repeated(desk: Desk) -> None:
    slow, quick = (f'<section xsi:type="SchedulerConfigurationSection" startDelay="{text}" />' for text in ("1h", "0"))

    async def check() -> None:
        async with working(desk):
            desk.write(Plain="delay", more=slow.replace("1h", "PT1H"))
            await desk.reload()
            assert await desk.started() == []
            desk.write(Plain="delay", more=quick)
            for _ in range(2):
                await desk.reload()
                async with asyncio.timeout(60):
                    while not await desk.started():
                        await asyncio.sleep(0.005)
            assert await desk.started() == ["Plain"]

    asyncio.run(check())


def test_a_job_added_by_code_is_not_started_again_by_a_reload(desk: Desk) -> None:
    async def check() -> None:
        async with working(desk):
            for _ in range(3):
                desk.write(providers=[Adding], Other="never")
                assert (await desk.reload()).error is None
            assert await desk.started() == ["Plain"]

    asyncio.run(check())


def test_what_a_failed_configuration_started_is_not_started_again_by_the_next(desk: Desk) -> None:
    desk.write(Other="immediate")
    desk.build()

    async def check() -> None:
        async with working(desk):
            desk.write(providers=[Failing], Other="immediate")
            assert (await desk.reload()).error is not None
            assert await desk.started() == ["Other"]

    asyncio.run(check())


def test_options_of_the_first_start_are_not_those_of_the_next(desk: Desk) -> None:
    desk.build(paused="asked for at start", catch_up=False)

    async def check() -> None:
        async with working(desk):
            assert (await desk.host.status()).paused == {"all": "asked for at start"}
            await desk.host.get(JobRegistry).resume("all")
            await desk.reload()
            assert (await desk.host.status()).paused == {}
            assert desk.host._options.catch_up()
            assert desk.host._options.paused() is None

    asyncio.run(check())


def test_an_active_run_is_given_back_and_performed_by_the_next_host(desk: Desk) -> None:
    async def check() -> None:
        async with working(desk):
            run = await desk.begin("Waiting")
            node = (await desk.host.get(JobRunReader).run(run.id)).node
            assert (await desk.reload()).error is None
            await desk.until(run, RunState.RUNNING)
            again = await desk.host.get(JobRunReader).run(run.id)
            assert again is not None
            assert again.node != node
            assert (again.attempt, again.crashes) == (1, 0)

    asyncio.run(check())


@pytest.mark.slow
def test_a_run_that_does_not_stop_is_never_performed_twice_the_reload_is_given_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("host.engine.dispatcher.HostedDispatcher.stop_seconds", 0.6)

    async def check() -> None:
        async with working(desk):
            old, run = desk.host, await desk.begin("Deaf")
            ended = await desk.reload()
            assert ended.error is not None
            assert "did not stop" in ended.error
            assert desk.host is old
            quick = await desk.host.get(JobManagerService).start_job("Plain")
            await desk.until(quick, RunState.COMPLETED)
            Deaf.free.set()
            await desk.until(run, RunState.COMPLETED)
            assert (await desk.reload()).error is None

    asyncio.run(check())


@pytest.mark.slow
def test_a_stuck_run_refuses_a_reload_before_anything_is_done(desk: Desk) -> None:
    async def check() -> None:
        async with working(desk):
            desk.write(more='<section xsi:type="DispatcherConfigurationSection" cancelGrace="PT0.05S" />')
            await desk.reload()
            run = await desk.begin("Deaf")
            await desk.host.get(JobManagerService).cancel_job("Deaf")
            await eventually(lambda: any(executor.stuck for executor in desk.host.executors()))
            with pytest.raises(RunStateError, match="ignore"):
                await desk.host.reload()
            assert desk.host.state is HostState.READY
            Deaf.free.set()
            await desk.until(run, RunState.CANCELLED)
            assert (await desk.reload()).error is None

    asyncio.run(check())


def test_a_drain_asked_for_during_a_reload_ends_the_process(desk: Desk) -> None:
    async def check() -> None:
        desk.write(drain=DRAIN.replace("0.05", "30"))
        async with working(desk) as task:
            await desk.reload()
            await desk.begin("Waiting")
            await desk.host.reload()
            await eventually(lambda: desk.host.state is HostState.DRAINING)
            with pytest.raises(HostUnavailableError, match="already"):
                await desk.host.reload()
            last = desk.succession.last_reload
            await desk.host.drain(by="test")
            await desk.host.get(JobManagerService).cancel_job("Waiting")
            await asyncio.wait([task])
            assert desk.succession.last_reload is last
            assert desk.host.state is HostState.STOPPED

    asyncio.run(check())


def test_requests_by_signal_during_a_reload_are_done_once_after_it(desk: Desk) -> None:
    async def check() -> None:
        async with working(desk):
            first = desk.host
            await desk.host.reload()
            desk.succession.reload_soon()
            desk.succession.reload_soon()
            await desk.ready(after=first)
            second = desk.host
            await desk.ready(after=second)
            third = desk.host
            await asyncio.sleep(0.1)
            assert desk.host is third

    asyncio.run(check())


def test_a_host_that_a_program_embeds_refuses(tmp_path: Path) -> None:
    async def check() -> None:
        async with running_host(tmp_path, jobs=[Plain]) as host:
            for dry_run in (False, True):
                with pytest.raises(UnsupportedOperationError, match="embeds"):
                    await host.reload(dry_run=dry_run)

    asyncio.run(check())
