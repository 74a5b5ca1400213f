"""A child process at work: one call after another on its main thread, asked to stop or where it is by another."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import os
import resource
import select
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from host.contracts.contract import Service
from host.contracts.executors import InvalidResultError
from host.contracts.jobs import Job
from host.errors import WireError
from host.local.process_context import PROGRESS_SECONDS, Channel, ChildContext, ChildLogger, RecordHandler
from host.local.process_ends import end_of, end_with
from host.local.process_frames import (
    MAX_MESSAGE_BYTES,
    READ_BYTES,
    CallEnd,
    CallOrder,
    ChildWord,
    FrameCutter,
    Steer,
)
from host.wire import from_json, to_json

MAX_STACK = 16_000
"""Characters of a stack that are sent."""


class JobSource(Protocol):
    """The jobs that a child can perform."""

    def is_async(self, job_type: str) -> bool:
        """Whether the job is to be built and called on an event loop."""

    def factory(self, job_type: str) -> Callable[[], Job]:
        """Give what builds a fresh, wired instance; raises HostError."""

    def services(self, job_type: str) -> Sequence[Service]:
        """Give the services that the job is wired to, in start order."""

    def enter_trace(self, trace_id: str) -> None:
        """Make the trace that of the present context."""


class CallServer:
    """Performs calls until the host sends no more, or the last one has ended."""

    def __init__(
        self, calls: socket.socket, steering: socket.socket, jobs: JobSource, *, cpu_seconds: float | None
    ) -> None:
        self._calls = calls
        self._jobs = jobs
        self._cpu_seconds = cpu_seconds
        self._channel = Channel(calls)
        self._log = ChildLogger(self._channel)
        self._listener = Listener(steering, self._channel)
        self._frames = FrameCutter()
        self._runner: asyncio.Runner | None = None
        self._started: list[Service] = []

    def serve(self) -> None:
        """Perform calls, then stop what was started for them."""
        root = logging.getLogger()
        root.handlers[:] = [RecordHandler(self._log)]
        root.setLevel(logging.INFO)
        self._listener.start()
        while (order := self._next()) is not None:
            end = self._perform(order)
            if order.is_last or not end.is_fit:
                break
        if self._started and self._runner is not None:
            self._runner.run(self._stop_services())

    def _next(self) -> CallOrder | None:
        while data := self._calls.recv(READ_BYTES):
            for frame in self._frames.feed(data):
                return from_json(frame, CallOrder)
        return None

    def _perform(self, order: CallOrder) -> CallEnd:
        context = ChildContext(order, self._channel, self._log)
        self._listener.begin(order.number, context)
        if self._cpu_seconds is not None:
            _limit_cpu(self._cpu_seconds)
        try:
            end = end_with(contextvars.copy_context().run(self._call, order, context))
        except BaseException as error:  # whatever a job raises, SystemExit included, is told to the host
            end = end_of(error)
        self._listener.finish()
        self._channel.flush()
        with suppress(OSError, ValueError):  # the job may have closed them
            sys.stdout.flush()
            sys.stderr.flush()
        try:
            self._channel.send(ChildWord(end=end))
        except WireError as error:
            end = end_of(InvalidResultError(f"the job's result cannot be carried: {error.message}"))
            self._channel.send(ChildWord(end=end))
        return end

    def _call(self, order: CallOrder, context: ChildContext) -> object:
        self._jobs.enter_trace(order.trace_id)
        create = self._jobs.factory(order.job_type)
        services = [each for each in self._jobs.services(order.job_type) if each not in self._started]
        if not services and not self._jobs.is_async(order.job_type):
            result: object = create().run(context)
            if not inspect.isawaitable(result):
                return result
            return self._on_loop(lambda: result, ())
        if not self._jobs.is_async(order.job_type):
            self._on_loop(lambda: None, services)
            return create().run(context)
        return self._on_loop(lambda: create().run(context), services)

    def _on_loop(self, begin: Callable[[], object], services: Sequence[Service]) -> object:
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(self._await(begin, services), context=contextvars.copy_context())

    async def _await(self, begin: Callable[[], object], services: Sequence[Service]) -> object:
        for service in services:
            self._started.append(service)
            async with asyncio.timeout(service.start_seconds):
                await service.start()
        others = asyncio.all_tasks()
        self._listener.watch(asyncio.current_task())
        try:
            result = begin()
            return await result if inspect.isawaitable(result) else result
        finally:
            self._listener.unwatch()
            left = asyncio.all_tasks() - others
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _stop_services(self) -> None:
        for service in reversed(self._started):
            try:
                async with asyncio.timeout(service.stop_seconds):
                    await service.stop()
            except Exception:  # the others still stop, and the process ends anyway
                traceback.print_exc()


class Listener:
    """A thread that takes ``cancel`` and ``stack`` while the main thread works, and flushes late progress."""

    def __init__(self, steering: socket.socket, channel: Channel) -> None:
        self._steering = steering
        self._channel = channel
        self._guard = threading.Lock()
        self._main = threading.get_ident()
        self._number = 0
        self._cancelled = 0
        """Number of the latest call that is to stop; it may not have begun."""
        self._context: ChildContext | None = None
        self._task: asyncio.Task[object] | None = None

    def start(self) -> None:
        """Begin to listen."""
        threading.Thread(target=self._listen, name="jobhost-listener", daemon=True).start()

    def begin(self, number: int, context: ChildContext) -> None:
        """Say which call begins."""
        with self._guard:
            self._number, self._context = number, context
            context.must_stop = self._cancelled == number

    def finish(self) -> None:
        """Say that it has ended."""
        with self._guard:
            self._context = None

    def watch(self, task: asyncio.Task[object] | None) -> None:
        """Cancel this task, too, when the call is to stop."""
        assert task is not None
        with self._guard:
            self._task = task
            if self._context is not None and self._context.must_stop:
                task.cancel()

    def unwatch(self) -> None:
        """Cancel it no more."""
        with self._guard:
            self._task = None

    def _listen(self) -> None:
        poll = select.poll()
        poll.register(self._steering, select.POLLIN)
        poll.register(self._channel.wake, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == self._channel.wake:
                    os.eventfd_read(self._channel.wake)
                    time.sleep(PROGRESS_SECONDS)
                    self._channel.flush()
                elif not self._obey():
                    return

    def _obey(self) -> bool:
        data = self._steering.recv(MAX_MESSAGE_BYTES)
        if not data:
            return False
        message = from_json(data, Steer)
        if message.cancel is not None:
            self._stop(message.cancel)
        if message.stack is not None:
            answer = Steer(stack=message.stack, text=self._stack())
            with suppress(OSError):
                self._steering.send(to_json(answer))
        return True

    def _stack(self) -> str | None:
        """Give where the job's coroutine awaits, or where the main thread is."""
        with self._guard:
            task = self._task
        coroutine: object = task.get_coro() if task is not None else None
        frames = []
        while inspect.iscoroutine(coroutine) and not coroutine.cr_running and coroutine.cr_frame is not None:
            frames.append((coroutine.cr_frame, coroutine.cr_frame.f_lineno))
            coroutine = coroutine.cr_await
        found = traceback.StackSummary.extract(iter(frames))
        if not found:
            frame = sys._current_frames().get(self._main)  # noqa: SLF001  # the only way to see another's stack
            found = traceback.extract_stack(frame)
        ours = [at for at, each in enumerate(found) if each.filename == __file__]
        text = "".join(traceback.StackSummary.from_list(found[ours[-1] + 1 :] if ours else found).format())
        return text[-MAX_STACK:].encode(errors="replace").decode() or None

    def _stop(self, number: int) -> None:
        with self._guard:
            self._cancelled = number
            if self._number == number and self._context is not None:
                self._context.must_stop = True
                if self._task is not None:
                    self._task.get_loop().call_soon_threadsafe(self._task.cancel)


def _limit_cpu(seconds: float) -> None:
    """Let the kernel kill the process (SIGXCPU) once it has used this much more than now."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(time.process_time() + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
