"""Executors: what a call gives comes out, and what cancelling can do is what they say."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from host.contracts.executors import JobCall, JobExecutor
from host.contracts.jobs import Job, JobContext
from host.local.executors import ExecutorSettings, LoopJobExecutor, ThreadJobExecutor
from host.local.threads import DaemonThreads
from host.model.jobs import RecoveryPolicy
from host.model.runs import ClaimedRun, JobResult
from host.testing.context import RecordingContext

PLACE = contextvars.ContextVar("place", default="nowhere")
SETTINGS = ExecutorSettings(loop_slots=7, thread_slots=3)
AT = datetime(2026, 1, 1, tzinfo=UTC)
RUN = ClaimedRun(
    id=UUID(int=1),
    job_id=UUID(int=2),
    job_type="a:B",
    parameters={},
    fencing_token=1,
    executor="thread",
    recovery=RecoveryPolicy.RETRY,
    attempt=1,
    max_attempts=1,
    crashes=0,
    tenant="default",
    owner=None,
    priority=0,
    trace_id="",
    schedule_id=None,
    fire_time=None,
    missed=0,
    timeout=None,
    expires_at=None,
    due_at=AT,
    claimed_at=AT,
    lease_until=None,
    cancel_requested=False,
)


NOWHERE = Path("/nonexistent")


class Plain(Job):
    """Takes nothing."""

    def run(self, context: JobContext) -> None:
        return None


class Context(RecordingContext):
    """Of a job that takes nothing."""

    def __init__(self) -> None:
        super().__init__(Plain)


def call_of(function: Callable[[JobContext], Any], context: Context | None = None) -> JobCall:
    class Made(Job):
        """Made of a function."""

        def run(self, context: JobContext) -> Any:
            return function(context)

    return JobCall(run=RUN, create=Made, context=context or Context(), workspaces=NOWHERE)


def raiser(error: BaseException) -> Callable[[JobContext], None]:
    def run(context: JobContext) -> None:
        raise error

    return run


def executors() -> list[JobExecutor]:
    return [LoopJobExecutor(SETTINGS), ThreadJobExecutor(SETTINGS)]


def test_slots_are_what_the_settings_say() -> None:
    assert {executor.name: executor.slots for executor in executors()} == {"loop": 7, "thread": 3}


@pytest.mark.parametrize("executor", executors(), ids=lambda executor: executor.name)
def test_what_the_job_returns_comes_out(executor: JobExecutor) -> None:
    assert asyncio.run(executor.perform(call_of(lambda _: JobResult(value=3)))) == JobResult(value=3)


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), asyncio.CancelledError(), MemoryError()])
@pytest.mark.parametrize("executor", executors(), ids=lambda executor: executor.name)
def test_what_the_job_raises_comes_out(executor: JobExecutor, error: BaseException) -> None:
    async def check() -> None:
        with pytest.raises(type(error)):
            await executor.perform(call_of(raiser(error)))

    asyncio.run(check())


@pytest.mark.parametrize("executor", executors(), ids=lambda executor: executor.name)
def test_stop_iteration_comes_out_as_an_error(executor: JobExecutor) -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(asyncio.wait_for(executor.perform(call_of(raiser(StopIteration()))), 60))


@pytest.mark.parametrize("executor", executors(), ids=lambda executor: executor.name)
def test_what_the_constructor_raises_comes_out(executor: JobExecutor) -> None:
    def create() -> Job:
        raise LookupError

    with pytest.raises(LookupError):
        asyncio.run(executor.perform(JobCall(run=RUN, create=create, context=Context(), workspaces=NOWHERE)))


def test_an_async_job_in_a_thread_is_an_error() -> None:
    async def run(context: JobContext) -> None:
        return None

    with pytest.raises(TypeError, match="async def run"):
        asyncio.run(ThreadJobExecutor(SETTINGS).perform(call_of(run)))


def test_a_thread_sees_the_context_variables_of_its_caller() -> None:
    async def check() -> JobResult | None:
        PLACE.set("here")
        return await ThreadJobExecutor(SETTINGS).perform(call_of(lambda _: JobResult(value=PLACE.get())))

    assert asyncio.run(check()) == JobResult(value="here")


def test_a_call_in_a_thread_does_not_block_the_loop_and_threads_are_used_again() -> None:
    async def check() -> set[object]:
        executor = ThreadJobExecutor(SETTINGS)
        barrier = threading.Barrier(3)

        def meet(_: JobContext) -> JobResult:
            barrier.wait(60)
            return JobResult(value=threading.get_ident())

        seen = set()
        for _ in range(3):
            results = await asyncio.gather(*(executor.perform(call_of(meet)) for _ in range(3)))
            seen.update(result.value for result in results if result is not None)
        await executor.stop()
        return seen

    assert len(asyncio.run(check())) == 3


def test_cancelling_a_call_in_a_thread_waits_until_the_job_has_looked() -> None:
    async def check() -> None:
        executor, context, began = ThreadJobExecutor(SETTINGS), Context(), threading.Event()

        def run(context: JobContext) -> None:
            began.set()
            while True:
                time.sleep(0.001)
                context.raise_if_cancelled()

        task = asyncio.create_task(executor.perform(call_of(run, context)))
        await asyncio.to_thread(began.wait, 60)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0.005)
        assert not task.done()
        context.is_cancelled = True
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 60)

    asyncio.run(check())


def test_a_call_that_returned_before_its_cancellation_was_seen_keeps_its_result() -> None:
    async def check() -> JobResult | None:
        executor, returned = ThreadJobExecutor(SETTINGS), threading.Event()
        task = asyncio.create_task(executor.perform(call_of(lambda _: JobResult(value="done"))))
        await asyncio.sleep(0)
        while not returned.wait(0.02):  # the loop stands still while the thread returns
            returned.set()
        asyncio.get_running_loop().call_soon(task.cancel)
        return await task

    assert asyncio.run(check()) == JobResult(value="done")


def test_stop_waits_for_no_thread_and_ends_who_waits_for_one() -> None:
    async def check() -> None:
        executor, began, free = ThreadJobExecutor(SETTINGS), threading.Event(), threading.Event()

        def run(_: JobContext) -> None:
            began.set()
            free.wait(300)

        task = asyncio.create_task(executor.perform(call_of(run)))
        await asyncio.to_thread(began.wait, 60)
        await asyncio.wait_for(executor.stop(), 60)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 60)
        free.set()
        assert await executor.perform(call_of(lambda _: None)) is None
        await executor.stop()
        await executor.stop()

    asyncio.run(check())


def test_threads_that_never_return_keep_no_call_from_starting() -> None:
    async def check() -> None:
        threads, free = DaemonThreads("job", keep=1), threading.Event()
        stuck = [threads.call(lambda: free.wait(300)) for _ in range(5)]
        assert await asyncio.wait_for(threads.call(lambda: 7), 60) == 7
        free.set()
        assert await asyncio.gather(*stuck) == [True] * 5
        threads.let_go()

    asyncio.run(check())


def test_idle_threads_end_when_let_go() -> None:
    async def check() -> None:
        threads, seen = DaemonThreads("job", keep=2), []
        await asyncio.gather(*(threads.call(lambda: seen.append(threading.current_thread())) for _ in range(4)))
        threads.let_go()
        for thread in seen:
            await asyncio.to_thread(thread.join, 60)
            assert not thread.is_alive()

    asyncio.run(check())


ENDLESS = """
import asyncio, threading
from host.local.threads import DaemonThreads

async def main():
    DaemonThreads("job", keep=1).call(threading.Event().wait)
    await asyncio.sleep(0.05)

asyncio.run(main())
"""


@pytest.mark.slow
def test_a_process_ends_although_a_call_never_returns() -> None:
    assert subprocess.run([sys.executable, "-c", ENDLESS], timeout=120, check=False).returncode == 0
