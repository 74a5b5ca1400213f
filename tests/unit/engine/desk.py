"""A host over real stores with a clock moved by hand, and what its tests ask again and again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from host.contracts.engine import Dispatcher, JobDirectory, Scheduler
from host.contracts.jobs import Job, JobContext, JobManagerService, RunControl
from host.contracts.runs import JobRunReader
from host.engine.scheduler import HostedScheduler
from host.kernel.host import Host
from host.model.jobs import OverlapPolicy
from host.model.runs import JobResult, JobRun, RunFilter, RunState
from host.model.schedules import JobSchedule
from host.testing.clock import FakeClock
from host.testing.host import running_host

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
"""A Thursday."""
FAST = '<section xsi:type="SqliteRunStoreConfigurationSection" synchronous="normal" />'
PATIENCE_SECONDS = 60.0


class Plain(Job):
    """Returns at once; its runs may overlap."""

    overlap = OverlapPolicy.ALLOW

    async def run(self, context: JobContext) -> JobResult | None:
        return None


class Desk:
    """One started host; times are given as minutes since ``BEGIN``."""

    def __init__(self, host: Host, clock: FakeClock) -> None:
        self.host = host
        self.clock = clock
        self.manager = host.get(JobManagerService)
        self.control = host.get(RunControl)
        self.reader = host.get(JobRunReader)
        self.directory = host.get(JobDirectory)
        self.dispatcher = host.get(Dispatcher)
        scheduler = host.get(Scheduler)
        assert isinstance(scheduler, HostedScheduler)
        self.scheduler = scheduler

    async def settle(self) -> None:
        """Let the scheduler look, and wait until it has nothing more to do now."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.sleep(0.001)  # what other threads have told arrives
            await self.scheduler.wait_quiet()

    async def to(self, minutes: float) -> None:
        """Move the clocks to this many minutes after ``BEGIN``, in one leap, and let the scheduler look."""
        self.clock.move((BEGIN + minutes * MINUTE - self.clock.now()).total_seconds())
        await self.settle()

    async def schedule(self, job: type[Job], *schedules: JobSchedule) -> None:
        """Store these schedules as the job's, and let the scheduler plan them."""
        await self.manager.set_job_schedule(name_of(job), schedules)
        await self.settle()

    async def runs(self, job: type[Job] | None = None) -> list[JobRun]:
        """Give all runs, oldest fire time first."""
        where = RunFilter() if job is None else RunFilter(job_id=self.directory.find(name_of(job)).id)
        page = await self.reader.runs(where, limit=1000)
        return sorted(page.runs, key=lambda run: (run.fire_time or BEGIN, run.created_at))

    async def fired(self, job: type[Job] | None = None) -> list[float]:
        """Give the fire times of all runs that were to be performed, in minutes since ``BEGIN``."""
        return [minutes(run.fire_time) for run in await self.runs(job) if run.state is not RunState.SKIPPED]

    async def skipped(self) -> list[tuple[float, int]]:
        """Give fire time and ``missed`` of all runs recorded as skipped."""
        return [(minutes(run.fire_time), run.missed) for run in await self.runs() if run.state is RunState.SKIPPED]

    async def start(self, job: type[Job], **parameters: object) -> UUID:
        """Start the job; gives the run's id."""
        run = await self.manager.start_job(name_of(job), parameters)
        assert run is not None
        return run.id

    async def run(self, run_id: UUID) -> JobRun:
        """Read a run that must be there."""
        run = await self.reader.run(run_id)
        assert run is not None
        return run

    async def finished(self, run_id: UUID) -> JobRun:
        """Wait until the run is in a final state."""
        return await self.until(run_id, lambda run: run.state.is_final)

    async def until(self, run_id: UUID, is_so: Callable[[JobRun], bool]) -> JobRun:
        """Wait until something is true of the run."""
        run = await self.run(run_id)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not is_so(run):
                await asyncio.sleep(0.002)
                run = await self.run(run_id)
        return run


async def eventually(is_so: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            answer = is_so()
            if await answer if isinstance(answer, Awaitable) else answer:
                return
            await asyncio.sleep(0.002)


@asynccontextmanager
async def desk(
    folder: Path, *jobs: type[Job], clock: FakeClock | None = None, sections: str = "", **options: Any
) -> AsyncIterator[Desk]:
    """Start a host with these jobs; a second one on the folder with the same clock is its next start."""
    clock = clock or FakeClock(BEGIN)
    async with running_host(folder, jobs=jobs, clock=clock, sections=FAST + sections, **options) as host:
        yield Desk(host, clock)


def go(work: Coroutine[Any, Any, None]) -> None:
    """Run a test's body; a hang is a failure."""

    async def bounded() -> None:
        async with asyncio.timeout(4 * PATIENCE_SECONDS):
            await work

    asyncio.run(bounded())


def minutes(instant: datetime | None) -> float:
    """Give an instant as minutes since ``BEGIN``."""
    assert instant is not None
    return (instant - BEGIN) / MINUTE


def name_of(job: type[Job]) -> str:
    """Give the job's type name."""
    return f"{job.__module__}:{job.__qualname__}"


def job_section(*entries: str) -> str:
    """Give the section that registers jobs: ``<add …/>`` each."""
    return f'<section xsi:type="JobConfigurationSection"><jobs>{"".join(entries)}</jobs></section>'


def entry(job: type[Job], start_type: str, schedules: Sequence[str] = ()) -> str:
    """Give a job's ``<add>``."""
    inner = f"<schedule>{''.join(schedules)}</schedule>" if schedules else ""
    return f'<add type="{name_of(job)}" startType="{start_type}">{inner}</add>'


def load(dispatcher: Dispatcher) -> dict[str, tuple[int, int]]:
    """Give ``{executor: (slots in use, slots)}``."""
    return {each.name: (each.busy, each.slots) for each in dispatcher.executors()}
