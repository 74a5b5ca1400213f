"""Parts of a page about jobs that may fail while the rest is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from host.errors import ErrorKind, HostError, UnsupportedOperationError

S = TypeVar("S")
T = TypeVar("T")
AT_ONCE = 8
"""Questions that a page has under way together: they may cross a network."""


class Parts:
    """Asks for parts, and keeps what went wrong with them."""

    def __init__(self) -> None:
        self._problems: dict[str, HostError] = {}

    @property
    def problems(self) -> Sequence[HostError]:
        """Give what went wrong, each once."""
        return tuple(self._problems.values())

    async def get(self, asked: Awaitable[T], instead: T) -> T:
        """Give a part; ``instead`` of one that cannot be had now (a problem), or never here (none)."""
        try:
            return await asked
        except UnsupportedOperationError:
            return instead
        except HostError as error:
            if error.kind is ErrorKind.INTERNAL:
                raise
            self._problems.setdefault(error.message, error)
            return instead


async def of_each(items: Iterable[S], ask: Callable[[S], Awaitable[T]], *, at_once: int = AT_ONCE) -> Sequence[T]:
    """Ask about each item, a few at a time; gives the answers in order. Raises what the first failure raised."""
    places = asyncio.Semaphore(at_once)

    async def answer(item: S) -> T:
        async with places:
            return await ask(item)

    tasks = [asyncio.ensure_future(answer(item)) for item in items]
    try:
        return [await task for task in tasks]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
