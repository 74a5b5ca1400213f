"""Threads for calls that may never return: kept for the next call, and never waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")

_Call: TypeAlias = tuple[Callable[[], Any], "asyncio.Future[Any]"]
_Inbox: TypeAlias = "SimpleQueue[_Call | None]"


class DaemonThreads:
    """Makes a call at once, in an idle thread or a new one; used from one event loop at a time.

    Daemons, because the interpreter waits at its end for every thread of a ``ThreadPoolExecutor``; unbounded,
    because a call that never returns must not keep the place of another. Who calls counts.
    """

    def __init__(self, name: str, *, keep: int) -> None:
        self._name = name
        self._keep = keep
        self._idle: list[_Inbox] = []

    def call(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Begin the call; the future belongs to the running loop, and cancelling it does not reach the thread."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        inbox = self._idle.pop() if self._idle else self._new()
        inbox.put((function, future))
        return future

    def let_go(self) -> None:
        """End the idle threads, and each other one when its call returns."""
        self._keep = 0
        for inbox in self._idle:
            inbox.put(None)
        self._idle.clear()

    def _new(self) -> _Inbox:
        inbox: _Inbox = SimpleQueue()
        Thread(target=self._work, args=(inbox,), name=self._name, daemon=True).start()
        return inbox

    def _work(self, inbox: _Inbox) -> None:
        while (call := inbox.get()) is not None:
            function, future = call
            result: object = None
            error: BaseException | None = None
            try:
                result = function()
            except BaseException as raised:  # whatever it raises is handed to who asked
                error = raised
            try:
                future.get_loop().call_soon_threadsafe(self._returned, inbox, future, result, error)
            except RuntimeError:
                return  # the loop is closed: nobody waits any more
            del call, function, future, result, error  # an idle thread keeps nothing alive

    def _returned(self, inbox: _Inbox, future: asyncio.Future[object], result: object, error: object) -> None:
        if len(self._idle) < self._keep:
            self._idle.append(inbox)
        else:
            inbox.put(None)
        if future.done():
            return
        if isinstance(error, StopIteration):
            # A future refuses it, and would never be done.
            stopped = RuntimeError("the call raised StopIteration")
            stopped.__cause__ = error
            future.set_exception(stopped)
        elif isinstance(error, BaseException):
            future.set_exception(error)
        else:
            future.set_result(result)
