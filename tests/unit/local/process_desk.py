"""A process executor with its blueprint, and calls for it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any
from uuid import uuid4

from host.contracts.executors import JobCall
from host.contracts.jobs import Job
from host.kernel.blueprint import HostProcessBlueprint
from host.kernel.catalogue import Catalogue, type_name
from host.kernel.config import read_configuration
from host.kernel.wiring import Plan
from host.local.directory import DataDirectorySettings, LocalDataDirectory
from host.local.executors import ExecutorSettings
from host.local.processes import ProcessJobExecutor
from host.model.json import JsonObject
from host.model.logs import LogLevel
from host.testing.context import RecordingContext
from host.testing.host import write_configuration
from tests.unit.local.process_jobs import AsyncProbe, Probe
from tests.unit.local.test_executors import RUN, Plain

ROOT = Path(__file__).parents[3]
JOBS: tuple[type[Job], ...] = (Probe, AsyncProbe)


PF_EXITING = 0x4
"""Of the flags in proc_pid_stat(5)."""


class Context(RecordingContext):
    """Keeps what comes from the child, and lets a test wait for it."""

    def __init__(self, parameters: JsonObject) -> None:
        super().__init__(Plain)
        self.parameters = parameters

    @property
    def events(self) -> list[str]:
        return [event for _, event, _ in self.log.lines]

    def fields(self, event: str) -> JsonObject:
        return next(fields for _, each, fields in self.log.lines if each == event)

    def level(self, event: str) -> LogLevel:
        return next(level for level, each, _ in self.log.lines if each == event)


class Desk:
    """One executor and its data directory."""

    def __init__(self, executor: ProcessJobExecutor, data: LocalDataDirectory, folder: Path) -> None:
        self.executor = executor
        self.data = data
        self.folder = folder

    def call(self, how: str, job: type[Job] = Probe, **parameters: Any) -> JobCall:
        run = replace(RUN, id=uuid4(), job_type=type_name(job), executor="process", trace_id="0" * 31 + "7")
        context = Context({"how": how, **parameters})
        return JobCall(run=run, create=job, context=context, workspaces=self.folder / "work")

    async def perform(self, how: str, job: type[Job] = Probe, **parameters: Any) -> Any:
        """Give the value that the job returns."""
        result = await self.executor.perform(self.call(how, job, **parameters))
        return None if result is None else result.value

    async def begin(self, how: str, job: type[Job] = Probe) -> tuple[asyncio.Task[Any], Context]:
        """Begin a call and wait until its job says ``began``."""
        call = self.call(how, job)
        task = asyncio.create_task(self.executor.perform(call))
        assert isinstance(call.context, Context)
        await until(lambda: "began" in call.context.events or task.done())  # type: ignore[attr-defined]
        return task, call.context

    @property
    def template(self) -> int:
        """Process id of the template."""
        assert self.executor._template is not None
        return self.executor._template._process.pid


@asynccontextmanager
async def desk(folder: Path, jobs: tuple[type[Job], ...] = JOBS, **settings: Any) -> AsyncIterator[Desk]:
    """Give a started executor that offers these jobs, and stop it."""
    folder.mkdir(exist_ok=True)
    data = LocalDataDirectory(DataDirectorySettings(path=folder / "data"))
    catalogue = Catalogue()
    for job in jobs:
        catalogue.add_job(job)
    blueprint = HostProcessBlueprint(read_configuration(write_configuration(folder), environment={}), catalogue)
    blueprint.bind(Plan(), configured=[])
    executor = ProcessJobExecutor(ExecutorSettings(**settings), blueprint, data)
    await data.start()
    try:
        await executor.start()
        yield Desk(executor, data, folder)
    finally:
        await executor.stop()
        await data.stop()


def on_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a test of a coroutine function."""

    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


async def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for something another process does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.005)


def is_alive(process: int) -> bool:
    """Whether a process may still run code; one that the kernel is ending, and a zombie, does not."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return fields[0] != "Z" and not int(fields[6]) & PF_EXITING


def children() -> set[int]:
    """Give the processes that this one has started and not buried."""
    found = set()
    for task in os.listdir("/proc/self/task"):
        found |= {int(each) for each in Path(f"/proc/self/task/{task}/children").read_text().split()}
    return found


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
