"""Reckonings that take long: done beside the requests that ask for them, one at a time, and remembered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass
from typing import Generic, TypeVar

from host.contracts.clock import Clock
from host.errors import HostError

T = TypeVar("T")


class Background:
    """A piece of work that goes on in a task of its own while somebody wants it; never twice at a time."""

    def __init__(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        self._work, self._name = work, name
        self._task: asyncio.Task[None] | None = None
        self._error: HostError | None = None

    def wake(self) -> None:
        """Begin, unless it is under way."""
        if self._task is not None and self._task.done():
            self._task.result()
            self._task = None
        if self._task is None:
            # A context of its own: the work is nobody's in particular, whoever happened to ask first.
            self._task = asyncio.create_task(self._run(), name=self._name, context=Context())

    async def wait_done(self, *, patience_seconds: float) -> bool:
        """Wait for the end, but not long; say whether it has ended. Raises the HostError it ended with."""
        if self._task is None:
            return True
        await asyncio.wait({self._task}, timeout=patience_seconds)
        if not self._task.done():
            return False
        self._task.result()
        if self._error is not None:
            raise self._error.with_traceback(None)
        return True

    async def stop(self) -> None:
        """End it; a second call does nothing."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            await self._work()
        except HostError as error:
            self._error = error
        else:
            self._error = None


@dataclass(frozen=True, slots=True)
class Known(Generic[T]):
    """What was reckoned last."""

    value: T
    is_fresh: bool
    """False: it is older than it should be, and is being reckoned again."""


class Reckoned(Generic[T]):
    """One value, reckoned again when somebody looks and it is older than ``seconds``."""

    def __init__(self, reckon: Callable[[], Awaitable[T]], clock: Clock, *, seconds: float, name: str) -> None:
        self._reckon, self._clock, self._seconds = reckon, clock, seconds
        self._background = Background(self._do, name)
        self._value: tuple[float, T] | None = None
        self._is_wanted = True
        self._took = 0.0

    async def look(self, *, patience_seconds: float) -> Known[T] | None:
        """Give the value, waiting a little for a fresh one; None while the first one is being reckoned.

        Where there is an older value and reckoning takes longer than that, the older one is given at once.
        Raises the HostError that the latest reckoning ended with.
        """
        if self._is_stale():
            self._background.wake()
            is_vain = self._value is not None and self._took > patience_seconds
            await self._background.wait_done(patience_seconds=0 if is_vain else patience_seconds)
        return None if self._value is None else Known(self._value[1], not self._is_stale())

    def forget(self) -> None:
        """Have it reckoned anew the next time somebody looks: something it follows from was changed."""
        self._is_wanted = True

    async def stop(self) -> None:
        """End a reckoning that is under way."""
        await self._background.stop()

    def _is_stale(self) -> bool:
        if self._is_wanted or self._value is None:
            return True
        return self._clock.monotonic() - self._value[0] > self._seconds

    async def _do(self) -> None:
        self._is_wanted = False
        at, began = self._clock.monotonic(), time.monotonic()
        try:
            self._value = at, await self._reckon()
            self._took = time.monotonic() - began
        except BaseException:
            self._is_wanted = True
            raise
