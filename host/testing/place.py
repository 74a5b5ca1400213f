"""A place with running jobs, as the suites of job managers and run controls see it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from host.contracts.jobs import JobManagerService, RunControl
from host.contracts.registry import Pause
from host.model.runs import FINAL_STATES, JobRun, RunState

PATIENCE_SECONDS = 60
"""How long a run may take, in real time, to get where a test waits for it."""


class Backstage(ABC):
    """What a test sees and does behind the back of the providers it tries."""

    @abstractmethod
    async def run(self, run_id: UUID) -> JobRun | None:
        """Give a run, or None."""

    @abstractmethod
    async def runs(self) -> Sequence[JobRun]:
        """Give the newest thousand runs, in the order they were accepted."""

    @abstractmethod
    async def pauses(self) -> Sequence[Pause]:
        """Give what is paused, oldest first."""

    @abstractmethod
    async def now(self) -> datetime:
        """Give the present instant; it stands still until ``advance``."""

    @abstractmethod
    async def advance(self, seconds: float) -> None:
        """Let time pass, fire time by fire time; all that became due has ended then. Not while lasting jobs run."""

    @abstractmethod
    async def settle(self) -> None:
        """Return when all that is due has ended, and changed schedules are in force. Not while lasting jobs run."""

    @abstractmethod
    async def let_end(self) -> None:
        """Let lasting jobs end, those that run and those to come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlace:
    """The providers that are tried, over a place where the jobs of ``place_jobs`` are, and what is behind it."""

    manager: JobManagerService
    control: RunControl
    backstage: Backstage

    async def run(self, run_id: UUID) -> JobRun:
        """Give a run that must be there."""
        found = await self.backstage.run(run_id)
        assert found is not None, f"there is no run {run_id}"
        return found

    async def reaches(self, run_id: UUID, *states: RunState) -> JobRun:
        """Give a run once it is in one of these states, or final if none is named."""
        wanted = states or FINAL_STATES
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (run := await self.run(run_id)).state not in wanted:  # a run tells nobody
                assert not run.state.is_final, run
                await asyncio.sleep(0.005)
        return run

    async def runs_of(self, job: str) -> Sequence[JobRun]:
        """Give the runs of a job type, in the order they were accepted."""
        return [run for run in await self.backstage.runs() if run.job_type == job]


NewJobPlace = Callable[[], AbstractAsyncContextManager[JobPlace]]
"""Opens the test's place; a second time, after the first has ended, is the place's next start."""


def in_place(new_place: NewJobPlace, *checks: Callable[[JobPlace], Awaitable[None]]) -> None:
    """Do a check in the test's place, and each further one after its next start."""

    async def main() -> None:
        for check in checks:
            async with asyncio.timeout(4 * PATIENCE_SECONDS), new_place() as place:
                await check(place)

    asyncio.run(main())
