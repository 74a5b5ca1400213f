"""Jobs that count what they do, and some that do not stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from host.contracts.jobs import Job, JobContext
from host.contracts.runs import JobRunClaimer
from host.local.runs import SqliteJobRunStore
from host.model.jobs import OverlapPolicy, RecoveryPolicy
from host.testing.clock import FakeClock
from tests.unit.engine.desk import Desk, desk
from tests.unit.engine.gate import Gate, GatedClaimer


class Counting(Job):
    """Counts how often its code ran and how many ran at a time."""

    overlap = OverlapPolicy.ALLOW
    began = 0
    now = 0
    most = 0

    async def run(self, context: JobContext) -> None:
        cls = type(self)
        cls.began += 1
        cls.now += 1
        cls.most = max(cls.most, cls.now)
        try:
            await self.work(context)
        finally:
            cls.now -= 1

    async def work(self, context: JobContext) -> None:
        return None


class Once(Counting):
    """Must not be started twice."""

    recovery = RecoveryPolicy.FAIL


class LimitedOnce(Once):
    """Must not be started twice, and may take a moment only."""

    timeout = timedelta(milliseconds=50)


class Waiting(Counting):
    """Waits to be cancelled."""

    async def work(self, context: JobContext) -> None:
        await asyncio.Event().wait()


class WaitingOnce(Waiting):
    """Waits to be cancelled, and must not be started twice."""

    recovery = RecoveryPolicy.FAIL


class Ticking(Counting):
    """Takes a moment, one run at a time, in order."""

    overlap = OverlapPolicy.QUEUE

    async def work(self, context: JobContext) -> None:
        await asyncio.sleep(0.005)


class Held(Counting):
    """Waits until it is let go, one run at a time."""

    overlap = OverlapPolicy.QUEUE
    free: asyncio.Event

    async def work(self, context: JobContext) -> None:
        await self.free.wait()


class Failing(Counting):
    """Fails, twice."""

    max_attempts = 2

    async def work(self, context: JobContext) -> None:
        raise ValueError


class Deaf(Job):
    """Never looks whether it should stop."""

    overlap = OverlapPolicy.ALLOW
    free = threading.Event()

    def run(self, context: JobContext) -> None:
        self.free.wait(300)


class DeafCoroutine(Job):
    """Swallows every cancellation."""

    free = False

    async def run(self, context: JobContext) -> None:
        while not DeafCoroutine.free:
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue


class Sync(Job):
    """Returns at once, in a thread."""

    overlap = OverlapPolicy.ALLOW

    def run(self, context: JobContext) -> None:
        return None


@asynccontextmanager
async def gated(
    folder: Path, *jobs: type[Job], sections: str = "", clock: FakeClock | None = None
) -> AsyncIterator[tuple[Desk, Gate]]:
    providers = [SqliteJobRunStore, GatedClaimer]
    async with desk(folder, *jobs, providers=providers, sections=sections, clock=clock) as at:
        gate = at.host.get(JobRunClaimer)
        assert isinstance(gate, Gate)
        yield at, gate
