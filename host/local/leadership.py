"""Leadership of the only node there is."""

from __future__ import annotations

import asyncio
import socket

from host.contracts.host import DataDirectory
from host.contracts.leadership import Leadership


class LocalLeadership(Leadership):
    """Active from the beginning, in term 1, until it resigns; after that nobody is."""

    is_default = True

    def __init__(self, directory: DataDirectory | None = None) -> None:
        self._directory = directory
        self._is_active = True
        self._changed = asyncio.Event()

    def is_active(self) -> bool:
        """Say whether it has not resigned."""
        return self._is_active

    def holder(self) -> str | None:
        """Name this node, or None after it resigned."""
        if not self._is_active:
            return None
        return self._directory.node() if self._directory else socket.gethostname()

    def term(self) -> int:
        """Give 1."""
        return 1

    async def wait_changed(self) -> None:
        """Wait until it resigns; after that for ever."""
        await self._changed.wait()

    async def resign(self) -> None:
        """Stop being active, for good."""
        if self._is_active:
            self._is_active = False
            # Later callers wait for the next change, of which there is none.
            self._changed.set()
            self._changed = asyncio.Event()
