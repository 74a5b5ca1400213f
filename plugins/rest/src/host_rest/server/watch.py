"""Answers that go on, looked at again and again: who may no longer read them is let go."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from host_rest.server.exchange import Exchange
from host_rest.server.guard import Guard

logger = structlog.get_logger(__name__)

LOOK_SECONDS = 2.0
GRACE_SECONDS = 3.0
"""How long a stream may take to end by itself."""
LOOKED_AT_TOGETHER = 50
"""Streams; then other tasks have their turn."""


@dataclass(slots=True)
class _Ongoing:
    task: asyncio.Task[None]
    closed_at: float | None = None


class Watch:
    """The requests under way. Those whose answer has begun end soon after their credentials or their rights do.

    What has not begun to answer is left alone: whoever was let in may do what they were let in for.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._ongoing: dict[Exchange, _Ongoing] = {}
        self._is_closing = False

    @contextmanager
    def over(self, exchange: Exchange) -> Iterator[None]:
        """Watch over a request that was let in, in the present task."""
        task = asyncio.current_task()
        assert task is not None
        self._ongoing[exchange] = _Ongoing(task)
        if self._is_closing and exchange.call is not None:
            exchange.call.closing.set()
        try:
            yield
        finally:
            del self._ongoing[exchange]

    def close(self) -> None:
        """Make every stream end, and those to come."""
        self._is_closing = True
        for exchange in self._ongoing:
            if exchange.call is not None:
                exchange.call.closing.set()

    async def run(self) -> None:
        """Look after them, for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            streams = [(exchange, each) for exchange, each in self._ongoing.items() if exchange.status]
            for number, (exchange, each) in enumerate(streams):
                await self._look(exchange, each)
                if number % LOOKED_AT_TOGETHER == 0:
                    await asyncio.sleep(0)

    async def _look(self, exchange: Exchange, ongoing: _Ongoing) -> None:
        now = asyncio.get_running_loop().time()
        if ongoing.closed_at is not None:
            if now - ongoing.closed_at > GRACE_SECONDS and exchange in self._ongoing:
                ongoing.task.cancel()
            return
        if exchange.call is None or await self._guard.still_admits(exchange):
            return
        ongoing.closed_at = now
        exchange.call.closing.set()
        by = exchange.principal.name if exchange.principal else None
        logger.info("http stream ended", by=by, path=exchange.path, request_id=exchange.request_id)
