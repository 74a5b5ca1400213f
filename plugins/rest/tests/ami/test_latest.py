"""The run that makes a job's state is the one a fresh look finds, whatever happened since the last look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import ClassVar
from uuid import UUID

import pytest

from host.contracts.clock import Clock
from host.contracts.jobs import Job, JobContext, JobManagerService
from host.contracts.runs import JobRunReader, JobRunWriter
from host.model.jobs import JobParameter, OverlapPolicy
from host.model.runs import ACTIVE_STATES, JobRun, RunState
from host.santedb.ami.states import ENDED_STATES
from host.testing.clock import FakeClock
from host.testing.host import running_host
from host.testing.kit import HostKit
from host_rest.ami.latest import FORGET_SECONDS, MAX_CHANGES, LatestRuns


class Many(Job):
    """End at once, or wait to be cancelled; any number at a time."""

    id = UUID("b5d6a459-c0fc-4d2f-a653-733c849beab9")
    overlap = OverlapPolicy.ALLOW
    parameters = (JobParameter("waits", bool, default=False),)
    waiting: ClassVar[asyncio.Semaphore]

    async def run(self, context: JobContext) -> None:
        if context.parameters["waits"]:
            self.waiting.release()
            await asyncio.Event().wait()


class Other(Many):
    """Another one."""

    id = UUID("71f82f18-992d-4a71-9d0c-ecce92490d8c")


class Desk:
    """A host, and what was remembered of its runs."""

    def __init__(self, kit: HostKit) -> None:
        self.kit = kit
        self.latest = LatestRuns(kit.get(JobRunReader), kit.get(Clock))

    async def wait_many(self, number: int) -> list[UUID]:
        """Start runs that wait; gives their ids once all of them do."""
        ids = [await self.kit.submit(Many, {"waits": True}) for _ in range(number)]
        async with asyncio.timeout(60):
            for _ in ids:
                await Many.waiting.acquire()
        return ids

    async def state(self, job: type[Job] = Many) -> RunState | None:
        """Give the state remembered, which is also the one that a fresh look finds."""
        remembered = (await self.latest.of([job.id]))[job.id]
        fresh = await self.fresh(job)
        assert (remembered and remembered.id) == (fresh and fresh.id)
        return remembered.state if remembered else None

    async def fresh(self, job: type[Job]) -> JobRun | None:
        """Look without remembering."""
        runs = self.kit.get(JobRunReader)
        active = await runs.latest([job.id], ACTIVE_STATES)
        return active.get(job.id) or (await runs.latest([job.id], ENDED_STATES)).get(job.id)


@asynccontextmanager
async def desk(folder: Path, clock: Clock | None = None) -> AsyncIterator[Desk]:
    Many.waiting = asyncio.Semaphore(0)
    async with running_host(folder, jobs=[Many, Other], clock=clock) as kit:
        yield Desk(kit)


def test_a_job_is_running_while_a_run_is_active_whatever_ended_later(tmp_path: Path) -> None:
    async def go() -> None:
        async with desk(tmp_path) as at:
            assert await at.state() is None
            await at.wait_many(1)
            assert await at.state() in ACTIVE_STATES
            ended = await at.kit.submit(Many)
            await at.kit.wait(ended)
            assert await at.state() in ACTIVE_STATES
            await at.kit.get(JobManagerService).cancel_job(str(Many.id))
            await at.kit.run_due()
            assert await at.state() is RunState.COMPLETED

    asyncio.run(go())


def test_when_the_newest_of_two_active_runs_ends_the_older_one_is_found(tmp_path: Path) -> None:
    async def go() -> None:
        async with desk(tmp_path) as at:
            older, newer = await at.wait_many(2)
            assert await at.state() in ACTIVE_STATES
            await at.kit.control.cancel(newer)
            await at.kit.wait(newer)
            found = (await at.latest.of([Many.id]))[Many.id]
            assert found is not None
            assert found.id == older
            await at.kit.control.cancel(older)
            await at.kit.run_due()
            assert await at.state() is RunState.CANCELLED

    asyncio.run(go())


def test_what_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    async def go() -> None:
        async with desk(tmp_path) as at:
            await at.kit.perform(Other)
            before = (await at.latest.of([Other.id, Many.id]))[Other.id]
            await at.kit.perform(Many)
            after = await at.latest.of([Other.id, Many.id])
            assert after[Other.id] is before
            assert after[Many.id] == await at.fresh(Many)

    asyncio.run(go())


@pytest.mark.slow
def test_more_changes_than_are_asked_for_are_not_overlooked(tmp_path: Path) -> None:
    async def go() -> None:
        async with desk(tmp_path) as at:
            await at.kit.perform(Other)
            assert await at.state(Other) is RunState.COMPLETED
            await at.kit.submit(Other, {"waits": True})
            for _ in range(MAX_CHANGES):
                await at.kit.submit(Many)
            async with asyncio.timeout(60):
                await Many.waiting.acquire()
            assert await at.state(Other) in ACTIVE_STATES
            await at.kit.get(JobManagerService).cancel_job(str(Other.id))
            await at.kit.run_due()
            assert await at.state(Other) is RunState.CANCELLED

    asyncio.run(go())


def test_a_deleted_run_is_forgotten_after_a_while(tmp_path: Path) -> None:
    async def go() -> None:
        clock = FakeClock()
        async with desk(tmp_path, clock) as at:
            await at.kit.perform(Many)
            assert await at.state() is RunState.COMPLETED
            await at.kit.advance(timedelta(seconds=1))
            assert await at.kit.get(JobRunWriter).prune(finished_before=clock.now())
            await at.kit.advance(timedelta(seconds=FORGET_SECONDS + 1))
            assert await at.state() is None

    asyncio.run(go())


def test_many_who_ask_at_once_get_the_same(tmp_path: Path) -> None:
    async def go() -> None:
        async with desk(tmp_path) as at:
            await at.kit.perform(Many)
            answers = await asyncio.gather(*(at.latest.of([Many.id, Other.id]) for _ in range(50)))
            assert all(answer == answers[0] for answer in answers)
            assert answers[0][Other.id] is None

    asyncio.run(go())
