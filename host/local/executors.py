"""Performing job calls in this process: on the event loop, or in threads."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ClassVar

from host.contracts.contract import Service, Settings
from host.contracts.executors import JobCall, JobExecutor
from host.model.runs import JobResult


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorSettings(Settings):
    """How many job calls run at a time."""

    section: ClassVar[str] = "ExecutorConfigurationSection"
    loop_slots: int = 500
    """``async def`` jobs at a time."""
    thread_slots: int = 16
    """``def`` jobs at a time."""


class LoopJobExecutor(JobExecutor):
    """Performs ``async def run`` on the event loop."""

    is_default = True
    name = "loop"
    cancel_effect = "CancelledError is raised at the job's next await; code that never awaits cannot be stopped"

    def __init__(self, settings: ExecutorSettings) -> None:
        self._slots = settings.loop_slots

    @property
    def slots(self) -> int:
        """How many calls it performs at a time."""
        return self._slots

    async def perform(self, call: JobCall) -> JobResult | None:
        """Call the job and await it."""
        result = call.create().run(call.context)
        return await result if inspect.isawaitable(result) else result


class ThreadJobExecutor(JobExecutor, Service):
    """Performs ``def run`` in a bounded thread pool."""

    is_default = True
    name = "thread"
    cancel_effect = "the context says so; a thread cannot be stopped, so the job must look"

    def __init__(self, settings: ExecutorSettings) -> None:
        self._slots = settings.thread_slots
        self._pool: ThreadPoolExecutor | None = None

    @property
    def slots(self) -> int:
        """How many calls it performs at a time."""
        return self._slots

    async def stop(self) -> None:
        """Let the threads go; one that still works is not waited for."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    async def perform(self, call: JobCall) -> JobResult | None:
        """Call the job in a thread and wait until it returns, also when asked to stop."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._slots, thread_name_prefix="job")
        context = contextvars.copy_context()
        future = asyncio.get_running_loop().run_in_executor(self._pool, context.run, _call, call)
        while True:
            try:
                return await asyncio.shield(future)
            except asyncio.CancelledError:
                if future.done():
                    raise


def _call(call: JobCall) -> JobResult | None:
    result = call.create().run(call.context)
    if inspect.isawaitable(result):
        raise TypeError("a job with `async def run` cannot be performed in a thread")
    return result
