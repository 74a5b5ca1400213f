"""Performing job calls in this process: on the event loop, or in threads."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import sys
import threading
import traceback
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import ClassVar
from uuid import UUID

from host.contracts.contract import Service, Settings
from host.contracts.executors import JobCall, JobExecutor, JobNotBegunError
from host.local.threads import DaemonThreads
from host.model.runs import JobResult

STACK_FRAMES = 20
"""Innermost frames that a stack shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorSettings(Settings):
    """How many job calls run at a time."""

    section: ClassVar[str] = "ExecutorConfigurationSection"
    loop_slots: int = 500
    """``async def`` jobs at a time."""
    thread_slots: int = 16
    """``def`` jobs at a time."""
    process_slots: int = 4
    """Jobs in child processes at a time."""
    process_grace: timedelta = timedelta(seconds=5)
    """A child that ignores cancel or timeout this long is killed."""
    process_max_runs: int = 1
    """Runs a child performs, one after another, before a new one takes its place."""
    process_memory: int | None = None
    """MiB of data a child may hold; None: no limit."""
    process_cpu: float | None = None
    """Seconds of CPU a run may use in its child; None: no limit."""
    process_open_files: int | None = None
    """Files a child may have open; None: no limit of its own."""

    def __post_init__(self) -> None:
        least = {"process_slots": 1, "process_max_runs": 1, "process_memory": 1, "process_open_files": 16}
        for name, bound in least.items():
            value: int | None = getattr(self, name)
            if value is not None and value < bound:
                raise ValueError(f"{name.replace('_', ' ')} must be at least {bound}, not {value}")
        if self.process_grace < timedelta(0) or (self.process_cpu is not None and self.process_cpu <= 0):
            raise ValueError("process grace must not be negative, process cpu must be above 0")


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
        self._places: dict[UUID, int] = {}
        """``{run id: thread}``."""

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
        try:
            future = threads.call(partial(contextvars.copy_context().run, self._call, call))
        except RuntimeError as error:
            raise JobNotBegunError(f"no thread could be had: {error}") from error
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

    def stack(self, run_id: UUID) -> str | None:
        """Give where the job's thread is."""
        frame = sys._current_frames().get(self._places.get(run_id, 0))  # noqa: SLF001  # no other way to see it
        return "".join(traceback.format_stack(frame)[-STACK_FRAMES:]) if frame else None

    def _call(self, call: JobCall) -> JobResult | None:
        self._places[call.run.id] = threading.get_ident()
        try:
            result = call.create().run(call.context)
        finally:
            self._places.pop(call.run.id, None)
        if inspect.isawaitable(result):
            if inspect.iscoroutine(result):
                result.close()
            raise TypeError("a job with `async def run` cannot be performed in a thread")
        return result
