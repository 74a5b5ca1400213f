"""Waiting for a lock no longer than a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from host_upstream.transport.fault import Fault


@asynccontextmanager
async def turn(lock: asyncio.Lock, deadline: float) -> AsyncIterator[None]:
    """Hold a lock, whose holders ask the upstream; raises Fault if it is not had by the deadline (loop's time)."""
    try:
        async with asyncio.timeout_at(deadline):
            await lock.acquire()
    except TimeoutError:
        raise Fault("others wait for its answer already, too", is_unsent=True, is_outage=False) from None
    try:
        yield
    finally:
        lock.release()
