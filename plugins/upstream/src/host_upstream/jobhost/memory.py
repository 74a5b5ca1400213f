"""What was asked a moment ago: shared by those who ask at the same time, and remembered as long as settings allow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from host.contracts.clock import Clock

T = TypeVar("T")

MAX_REMEMBERED = 10_000


@dataclass(slots=True)
class _Asking:
    """A question that is under way, and how many wait for its answer."""

    task: asyncio.Task[Any]
    waiting: int = 0


@dataclass(slots=True)
class _Era:
    """All that was asked since the last ``forget``."""

    known: dict[Hashable, tuple[float, object]] = field(default_factory=dict)
    """``{key: (until when, answer)}``."""
    asking: dict[Hashable, _Asking] = field(default_factory=dict)


class Memory:
    """Answers that may be a little old; never of what was asked before the last ``forget``."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds, self._clock = seconds, clock
        self._era = _Era()

    def forget(self) -> None:
        """Ask anew from now on: something has changed, or may have."""
        # Invariant: an answer that was asked for in an earlier era is given to nobody who asks in a later one.
        self._era = _Era()

    def known(self, key: Hashable) -> object | None:
        """Give what is remembered; None for nothing."""
        until, answer = self._era.known.get(key, (0.0, None))
        return answer if self._clock.monotonic() < until else None

    async def get(self, key: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """Give what is remembered, else ask; who asks for the same at the same time gets the same answer."""
        found = self.known(key)
        if found is not None:
            return cast(T, found)
        era = self._era
        asking = era.asking.get(key)
        if asking is None:
            asking = _Asking(asyncio.create_task(self._ask(era, key, ask), name=f"upstream {key}"))
            era.asking[key] = asking
        asking.waiting += 1
        try:
            return cast(T, await asyncio.shield(asking.task))
        finally:
            asking.waiting -= 1
            if not asking.waiting and not asking.task.done():
                if era.asking.get(key) is asking:
                    del era.asking[key]
                asking.task.cancel()

    async def _ask(self, era: _Era, key: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        try:
            answer = await ask()
            if self._seconds > 0:
                self._note(era, key, answer)
            return answer
        finally:
            asking = era.asking.get(key)
            if asking is not None and asking.task is asyncio.current_task():
                del era.asking[key]

    def _note(self, era: _Era, key: Hashable, answer: object) -> None:
        if len(era.known) >= MAX_REMEMBERED:
            era.known.clear()
        era.known[key] = (self._clock.monotonic() + self._seconds, answer)
