"""A host inside a program: short names, waiting for runs, and a program left as it was."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest
import structlog

import host
from host import Host, Job, JobContext, JobManagerService, JobResult, JobRunReader, RunControl, RunState, Service
from host.contracts.contract import Contract
from host.contracts.host import HostState
from host.contracts.logs import RunLog
from host.contracts.runs import JobRunWriter
from host.contracts.schedules import JobScheduleManager
from host.errors import (
    HostUnavailableError,
    InvalidParameterError,
    JobNotFoundError,
    ProviderStartError,
    RunNotFoundError,
)
from host.kernel import ends
from host.kernel.catalogue import job_id_of, load_catalogue
from host.testing import FakeClock, running_host
from host.testing.host import write_configuration
from tests.unit.kernel.test_host import Ailing

NOBODY = UUID(int=1)
LONG = timedelta(seconds=20)


class Doubling(Job):
    """Doubles what it is given."""

    parameters = (host.JobParameter("number", int, default=1),)

    async def run(self, context: JobContext) -> JobResult:
        return JobResult(value=2 * int(str(context.parameters["number"])))


class Waiting(Job):
    """Waits until the test lets it go."""

    overlap = host.OverlapPolicy.ALLOW
    free: ClassVar[asyncio.Event]

    async def run(self, context: JobContext) -> None:
        await self.free.wait()


class First(Contract, Service):
    """Notes when it starts and stops."""

    seen: ClassVar[list[str]] = []

    async def start(self) -> None:
        self.seen.append(f"{type(self).__name__} starts")

    async def stop(self) -> None:
        self.seen.append(f"{type(self).__name__} stops")


class Second(Contract, Service):
    """Needs the first."""

    def __init__(self, first: First) -> None:
        self._first = first

    async def start(self) -> None:
        First.seen.append("Second starts")

    async def stop(self) -> None:
        First.seen.append("Second stops")


def go(work: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        Waiting.free = asyncio.Event()
        async with asyncio.timeout(60):
            await work

    asyncio.run(bounded())


def host_in(folder: Path, *jobs: type[Job], providers: tuple[type[Contract], ...] = ()) -> Host:
    folder.mkdir(exist_ok=True)
    path = write_configuration(folder, jobs=jobs, providers=providers)
    return Host.from_file(path, jobs=jobs, providers=providers)


def reading() -> bool:
    return any(task.get_name() == "run ends" for task in asyncio.all_tasks())


async def somebody_waits() -> None:
    """Return when a wait has read its run and found it unfinished."""
    while not reading():
        await asyncio.sleep(0)


def test_the_short_names_are_the_hosts_contracts(tmp_path: Path) -> None:
    async def check() -> None:
        async with host_in(tmp_path) as embedded:
            assert embedded.jobs is embedded.get(JobManagerService)
            assert embedded.runs is embedded.get(JobRunReader)
            assert embedded.control is embedded.get(RunControl)
            assert embedded.log is embedded.get(RunLog)
            assert embedded.schedules is embedded.get(JobScheduleManager)

    go(check())


@pytest.mark.parametrize("name", [Doubling, f"{__name__}:Doubling", "Doubling", job_id_of(f"{__name__}:Doubling")])
def test_a_job_is_performed_by_class_type_name_name_or_id(tmp_path: Path, name: Any) -> None:
    async def check() -> None:
        async with host_in(tmp_path, Doubling) as embedded:
            run = await embedded.perform(name, {"number": 21}, timeout=LONG, by="me")
            assert (run.state, run.result, run.owner) == (RunState.COMPLETED, 42, "me")

    go(check())


def test_a_submission_says_what_it_was_told(tmp_path: Path) -> None:
    async def check() -> None:
        clock = FakeClock()
        later = clock.now() + timedelta(hours=1)
        async with running_host(tmp_path, jobs=[Doubling], clock=clock) as embedded:
            run_id = await embedded.submit(Doubling, [3], priority=7, not_before=later, idempotency_key="a", by="me")
            assert await embedded.submit(Doubling, idempotency_key="a") == run_id
            run = await embedded.runs.run(run_id)
            assert run is not None
            assert (run.priority, run.not_before, run.owner) == (7, later, "me")
            assert run.parameters == {"number": 3}

    go(check())


def test_what_cannot_run_is_refused_at_once(tmp_path: Path) -> None:
    async def check() -> None:
        async with host_in(tmp_path, Doubling) as embedded:
            with pytest.raises(JobNotFoundError):
                await embedded.submit("Tripling")
            with pytest.raises(InvalidParameterError):
                await embedded.perform(Doubling, {"number": "many"})
            with pytest.raises(RunNotFoundError):
                await embedded.wait(NOBODY)

    go(check())


def test_many_wait_and_each_gets_its_own_run(tmp_path: Path) -> None:
    async def check() -> None:
        async with host_in(tmp_path, Waiting) as embedded:
            ids = [await embedded.submit(Waiting) for _ in range(20)]
            waits = [asyncio.create_task(embedded.wait(run_id)) for run_id in [*ids, *ids]]
            await somebody_waits()
            Waiting.free.set()
            runs = await asyncio.gather(*waits)
            assert [run.id for run in runs] == [*ids, *ids]
            assert {run.state for run in runs} == {RunState.COMPLETED}
            assert (await embedded.wait(ids[0])).state is RunState.COMPLETED  # long ended

    go(check())


def test_a_wait_that_runs_out_leaves_the_run_and_the_other_waits(tmp_path: Path) -> None:
    async def check() -> None:
        async with host_in(tmp_path, Waiting) as embedded:
            run_id = await embedded.submit(Waiting)
            other = asyncio.create_task(embedded.wait(run_id))
            with pytest.raises(TimeoutError):
                await embedded.wait(run_id, timeout=timedelta(seconds=0.02))
            Waiting.free.set()
            assert (await other).state is RunState.COMPLETED
            assert (await embedded.perform(Waiting, timeout=LONG)).state is RunState.COMPLETED

    go(check())


def test_nothing_is_read_while_nobody_waits(tmp_path: Path) -> None:
    async def check() -> None:
        async with host_in(tmp_path, Doubling) as embedded:
            await embedded.perform(Doubling, timeout=LONG)
            while reading():
                await asyncio.sleep(0)

    go(check())


def test_an_end_that_no_message_tells_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ends, "LOOK_SECONDS", 0.02)

    async def check() -> None:
        async with running_host(tmp_path, jobs=[Doubling], clock=FakeClock()) as embedded:
            later = embedded.clock.now() + timedelta(hours=1)
            run_id = await embedded.submit(Doubling, not_before=later)
            wait = asyncio.create_task(embedded.wait(run_id))
            await somebody_waits()
            await embedded.get(JobRunWriter).request_cancel([run_id], by=None)  # which publishes nothing
            assert (await wait).state is RunState.CANCELLED

    go(check())


@pytest.mark.filterwarnings("error")
def test_who_waits_is_told_that_the_host_stops(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def check() -> None:
        async with host_in(tmp_path, Waiting) as embedded:
            run_id = await embedded.submit(Waiting)
            waits = [asyncio.create_task(embedded.wait(run_id)) for _ in range(2)]
            await somebody_waits()
        for wait in waits:
            with pytest.raises(HostUnavailableError, match="has stopped"):
                await wait

    go(check())
    gc.collect()
    assert not caplog.records


def test_who_waits_is_told_that_a_service_failed(tmp_path: Path) -> None:
    async def check() -> None:
        async with host_in(tmp_path, Waiting, providers=(Ailing,)) as embedded:
            wait = asyncio.create_task(embedded.wait(await embedded.submit(Waiting)))
            failed = asyncio.create_task(embedded.wait_failed())
            await somebody_waits()
            assert not wait.done()
            embedded.get(Ailing).fail.set()
            for waiting in (wait, failed):
                with pytest.raises(ProviderStartError, match="no more"):
                    await waiting

    go(check())


def test_an_exception_in_the_body_stops_the_host_in_order(tmp_path: Path) -> None:
    First.seen.clear()

    async def check() -> None:
        embedded = host_in(tmp_path, Doubling, providers=(Second, First))

        async def body() -> None:
            async with embedded:
                assert embedded.state is HostState.READY
                raise LookupError("in the body")

        with pytest.raises(LookupError, match="in the body"):
            await body()
        assert embedded.state is HostState.STOPPED
        assert First.seen == ["First starts", "Second starts", "Second stops", "First stops"]
        async with host_in(tmp_path, Doubling) as again:  # the data directory is free again
            assert (await again.perform(Doubling, timeout=LONG)).result == 2

    go(check())


def test_two_hosts_in_one_process_know_nothing_of_each_other(tmp_path: Path) -> None:
    async def check() -> None:
        async with host_in(tmp_path / "a", Doubling) as one, host_in(tmp_path / "b", Doubling) as two:
            first, second = await asyncio.gather(
                one.perform(Doubling, [1], timeout=LONG), two.perform(Doubling, [2], timeout=LONG)
            )
            assert (first.result, second.result) == (2, 4)
            assert await one.runs.run(second.id) is None
            assert await two.runs.run(first.id) is None
        assert (tmp_path / "a/data/runs.sqlite").exists()
        assert (tmp_path / "b/data/runs.sqlite").exists()

    go(check())


def test_jobs_and_providers_are_offered_beside_those_of_plugins(tmp_path: Path) -> None:
    embedded = host_in(tmp_path, Doubling, providers=(First, Second))

    assert isinstance(embedded.get(First), First)
    assert f"{__name__}:Doubling" not in load_catalogue().jobs


def test_the_program_keeps_its_signals_logging_and_interpreter(tmp_path: Path) -> None:
    def settings() -> tuple[object, ...]:
        root = logging.getLogger()
        return (
            [signal.getsignal(number) for number in sorted(signal.valid_signals())],
            (root.level, root.disabled, logging.getLogger("asyncio").level),
            structlog.get_config(),
            (sys.getswitchinterval(), gc.get_threshold(), gc.get_freeze_count(), gc.isenabled()),
            (sys.excepthook, threading.excepthook, sys.unraisablehook),
        )

    async def check() -> None:
        loop = asyncio.get_running_loop()
        handlers = logging.getLogger().handlers[:]
        before = settings()
        async with host_in(tmp_path, Doubling) as embedded:
            await embedded.perform(Doubling, timeout=LONG)
            assert settings() == before
            assert loop.get_exception_handler() is None
        assert settings() == before
        assert logging.getLogger().handlers == handlers

    go(check())


PROGRAM = """
    import asyncio, sys
    from pathlib import Path
    from host import Host, Job, JobContext
    from host.testing.host import write_configuration

    class Endless(Job):
        async def run(self, context: JobContext) -> None:
            print("running", flush=True)
            await asyncio.Event().wait()

    async def main() -> None:
        config = write_configuration(Path(sys.argv[1]), jobs=[Endless])
        try:
            async with Host.from_file(config, jobs=[Endless]) as host:
                await host.perform(Endless)
        finally:
            print("stopped", host.state, flush=True)

    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.mark.slow
def test_ctrl_c_stops_host_and_program(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    process = subprocess.Popen([sys.executable, str(program), str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line == "running\n":
            break
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)

    assert output.splitlines()[-2:] == ["stopped stopped", "interrupted"]
    assert process.returncode == 0
