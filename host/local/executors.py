"""Performing job calls in this process: on the event loop, or in threads."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from host.contracts.contract import Service, Settings
from host.contracts.executors import JobCall, JobExecutor
from host.local.threads import DaemonThreads
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
    """Performs ``def run`` in threads."""

    is_default = True
    name = "thread"
    cancel_effect = "the context says so; a thread cannot be stopped, so the job must look"

    def __init__(self, settings: ExecutorSettings) -> None:
        self._slots = settings.thread_slots
        self._threads: DaemonThreads | None = None
        self._waiting: set[asyncio.Task[object]] = set()

    @property
    def slots(self) -> int:
        """How many calls it performs at a time."""
        return self._slots

    async def stop(self) -> None:
        """Wait for no thread any more: calls that still work end as cancelled here, their threads with the process."""
        if self._threads is not None:
            self._threads.let_go()
            self._threads = None
        for task in self._waiting:
            task.cancel()

    async def perform(self, call: JobCall) -> JobResult | None:
        """Call the job in a thread and wait until it returns, also when asked to stop."""
        if self._threads is None:
            self._threads = DaemonThreads("job", keep=self._slots)
        threads = self._threads
        future = threads.call(partial(contextvars.copy_context().run, _call, call))
        task = asyncio.current_task()
        assert task is not None
        self._waiting.add(task)
        try:
            while not future.done():
                try:
                    await asyncio.wait((future,))
                except asyncio.CancelledError:
                    if threads is not self._threads:  # stopped meanwhile
                        raise
        finally:
            self._waiting.discard(task)
        return future.result()


def _call(call: JobCall) -> JobResult | None:
    result = call.create().run(call.context)
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise TypeError("a job with `async def run` cannot be performed in a thread")
    return result
