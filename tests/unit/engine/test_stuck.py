"""Code that ignores its cancellation: shown, explained by its stack, and kept from taking everything."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest

from host.contracts.jobs import Job, JobContext
from host.contracts.logs import RunLog
from host.engine.notice_texts import ignored
from host.model.jobs import OverlapPolicy
from host.model.runs import RunReason, RunState
from tests.unit.engine.desk import Desk, desk, eventually, go, load, name_of

SECTIONS = """<section xsi:type="DispatcherConfigurationSection" cancelGrace="PT1S" blockedAfter="PT0.05S" />
<section xsi:type="ExecutorConfigurationSection" threadSlots="2" loopSlots="2" />"""


class DeafThread(Job):
    """Waits in a thread and does not look."""

    overlap = OverlapPolicy.ALLOW
    timeout = timedelta(milliseconds=20)
    free = threading.Event()

    def run(self, context: JobContext) -> None:
        type(self).free.wait(300)


class DeafTask(Job):
    """Waits on the loop and swallows every cancellation."""

    overlap = OverlapPolicy.ALLOW
    timeout = timedelta(milliseconds=20)
    free = False

    async def run(self, context: JobContext) -> None:
        while not type(self).free:
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue


@pytest.fixture(autouse=True)
def freed() -> Iterator[None]:
    """Let everything go at the end: a loop with a deaf task never closes."""
    DeafThread.free.clear()
    DeafTask.free = False
    yield
    DeafThread.free.set()


@asynccontextmanager
async def deaf_desk(folder: Path) -> AsyncIterator[Desk]:
    """Start a host, and let go of what is deaf before it stops."""
    async with desk(folder, DeafThread, DeafTask, sections=SECTIONS) as at:
        try:
            yield at
        finally:
            DeafThread.free.set()
            DeafTask.free = True


def has_been_asked_to_stop(at: Desk, run_id: UUID) -> bool:
    """Say whether the run's timeout, which is real time, is over."""
    active = at.dispatcher._active.get(run_id)
    return active is not None and active.cancelled_at is not None


async def get_stuck(at: Desk, job: type[Job], number: int) -> list[UUID]:
    """Start runs that get stuck one after the other; gives their ids."""
    ids = []
    for _ in range(number):
        run_id = await at.start(job)
        await at.until(run_id, lambda run: run.state is RunState.RUNNING)
        await eventually(partial(has_been_asked_to_stop, at, run_id))
        at.clock.move(1.5)
        ids.append((await at.until(run_id, lambda run: run.is_stuck)).id)
    return ids


def test_the_stack_of_a_stuck_run_is_in_its_log(tmp_path: Path) -> None:
    async def check() -> None:
        async with deaf_desk(tmp_path) as at:
            for job, line in ((DeafThread, "free.wait(300)"), (DeafTask, "asyncio.sleep(0.01)")):
                (run_id,) = await get_stuck(at, job, 1)
                assert line in str(at.dispatcher.stack(run_id))
                lines = await at.host.get(RunLog).read(run_id)
                assert [line in str(entry.fields.get("stack")) for entry in lines] == [True]
                assert [entry.event for entry in lines] == ["stuck: it ignores its timeout"]
            assert {each.name: each.stuck for each in at.dispatcher.executors()}["thread"] == 1

    go(check())


def test_what_a_stuck_run_ignores_is_said_as_it_is(tmp_path: Path) -> None:
    async def check() -> None:
        async with deaf_desk(tmp_path) as at:
            (run_id,) = await get_stuck(at, DeafThread, 1)
            (finding,) = at.dispatcher.check()
            assert finding.message.endswith(f"{run_id} of {name_of(DeafThread)} ignores its timeout")
            assert ignored(RunReason.REQUESTED) == "its cancellation"
            assert ignored(RunReason.LOST) == "that its claim is lost"

    go(check())


def test_stuck_runs_free_no_more_slots_than_there_are(tmp_path: Path) -> None:
    async def check() -> None:
        async with deaf_desk(tmp_path) as at:
            await get_stuck(at, DeafThread, 2)
            assert load(at.dispatcher)["thread"] == (0, 2)
            await get_stuck(at, DeafThread, 2)
            assert load(at.dispatcher)["thread"] == (2, 2)
            waiting = await at.start(DeafThread)
            assert not (await at.run(waiting)).state.is_active
            assert {each.name: each.stuck for each in at.dispatcher.executors()}["thread"] == 2
            DeafThread.free.set()
            await at.finished(waiting)

    go(check())
