"""Questions about single things, asked within a moment of each other, as one question about all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import Context
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

GATHERING_SECONDS = 0.002
"""How long the first who asks waits for others."""


class Gathering(Generic[K, V]):
    """Asks about up to ``most`` things at once; ``ask`` gives the answers in the order of the things."""

    def __init__(self, ask: Callable[[Sequence[K]], Awaitable[Sequence[V]]], *, most: int, name: str) -> None:
        self._ask, self._most, self._name = ask, most, name
        self._open: _Question[K, V] | None = None
        """The one that can still be joined."""

    async def get(self, key: K) -> V:
        """Give what is answered of one thing; raises what the whole question raised.

        One who stops waiting takes nothing from the others; what nobody waits for any more is not asked on.
        """
        question = self._open
        if question is None:
            question = self._open = _Question(self._answers, f"upstream {self._name}")
        place = len(question.keys)
        question.keys.append(key)
        if len(question.keys) >= self._most:
            self._open = None
        question.waiting += 1
        try:
            return (await asyncio.shield(question.task))[place]
        finally:
            question.waiting -= 1
            if not question.waiting and not question.task.done():
                self._close(question)
                question.task.cancel()

    async def _answers(self, question: _Question[K, V]) -> Sequence[V]:
        await asyncio.sleep(GATHERING_SECONDS)
        self._close(question)
        return await self._ask(question.keys)

    def _close(self, question: _Question[K, V]) -> None:
        if self._open is question:
            self._open = None


class _Question(Generic[K, V]):
    """What is asked about, and how many wait for the answers."""

    def __init__(self, answers: Callable[[_Question[K, V]], Coroutine[object, object, Sequence[V]]], name: str) -> None:
        self.keys: list[K] = []
        self.waiting = 0
        # A context of its own: the question is nobody's in particular, whoever happened to be the first.
        self.task = asyncio.create_task(answers(self), name=name, context=Context())
