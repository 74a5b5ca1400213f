"""What waits to be sent to one client: bounded, for a client that does not keep up must cost nobody anything."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime

MAX_WAITING_BYTES = 512 * 1024
"""So much may wait; a single larger piece is taken while nothing else waits."""
MAX_WAITING_LINES = 64 * 1024
"""So much of it may be lines of runs, about, for they can wait: room is left for changes, which do not."""
MAX_SENT_BYTES = 64 * 1024
"""So much is sent together; the same exception."""


class Outlet:
    """Pieces of a stream between whoever has news and the connection that sends them; used on one event loop."""

    __slots__ = (
        "_drained",
        "_farewell",
        "_pieces",
        "_waiter",
        "after",
        "closed_at",
        "ends_at",
        "is_attached",
        "is_closing",
        "waiting_bytes",
    )

    def __init__(self, *, ends_at: datetime | None = None, is_closing: Callable[[], bool] = lambda: False) -> None:
        self.after = -1
        """Changes up to this number are not for it."""
        self.is_attached = False
        """Whether changes are handed to it as they come."""
        self.ends_at = ends_at
        """When the client's credentials end."""
        self.is_closing = is_closing
        """Whether the connection is about to be closed by the server."""
        self.closed_at: float | None = None
        """When it was closed, by the loop's clock."""
        self._pieces: deque[bytes] = deque()
        self.waiting_bytes = 0
        """Of all that was offered and not taken."""
        self._farewell = b""
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be sent."""
        return not self._pieces and self.closed_at is None

    def has_expired(self, now: datetime) -> bool:
        """Say whether the client's credentials have ended."""
        return self.ends_at is not None and self.ends_at <= now

    def offer(self, piece: bytes) -> bool:
        """Take a piece; False, and nothing taken, if it is closed or too much waits already."""
        if not piece:
            return True
        if self.closed_at is not None or (self._pieces and self.waiting_bytes + len(piece) > MAX_WAITING_BYTES):
            return False
        self._pieces.append(piece)
        self.waiting_bytes += len(piece)
        self._wake()
        return True

    def offer_line(self, piece: bytes) -> bool:
        """Take a piece of what can wait; False, and nothing taken, where its turn is when all is ``drained``."""
        return self.waiting_bytes <= MAX_WAITING_LINES and self.offer(piece)

    def close(self, farewell: bytes = b"", *, at_once: bool = False) -> None:
        """Let nothing more in; ``at_once`` also drops what waits. The first call counts."""
        if self.closed_at is not None:
            return
        self.closed_at = asyncio.get_running_loop().time()
        self._farewell = farewell
        if at_once:
            self._pieces.clear()
            self.waiting_bytes = 0
        self._wake()
        self._let_in()

    async def take(self) -> bytes | None:
        """Wait for something to send and give what waits, a part at a time; the farewell comes last, then None."""
        while not self._pieces and self.closed_at is None:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        pieces = [self._pieces.popleft()] if self._pieces else []
        size = sum(map(len, pieces))
        while self._pieces and size + len(self._pieces[0]) <= MAX_SENT_BYTES:
            size += len(self._pieces[0])
            pieces.append(self._pieces.popleft())
        self.waiting_bytes -= size
        if not self._pieces:
            self._let_in()
            if self.closed_at is not None:
                pieces.append(self._farewell)
                self._farewell = b""
        return (pieces[0] if len(pieces) == 1 else b"".join(pieces)) or None

    async def drained(self) -> bool:
        """Wait until nothing waits; False if it is closed. For one that can wait with its news."""
        while self._pieces and self.closed_at is None:
            self._drained = self._drained or asyncio.get_running_loop().create_future()
            await asyncio.shield(self._drained)
        return self.closed_at is None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _let_in(self) -> None:
        if self._drained is not None:
            self._drained.set_result(None)
            self._drained = None
