"""The head of an answer goes out with what follows it: one packet, and one time that its reader is woken."""

from __future__ import annotations

import asyncio
from typing import Any

BEGIN, END = b"HTTP/1.1 ", b"\r\n\r\n"


class JoinedHeads:
    """A transport that keeps what looks like a head until more is written, at most for a turn of the loop."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        """Give whatever else a transport has."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write, behind a head that is kept."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(BEGIN) and data.endswith(END):
            self._head = data
            self._loop.call_soon(self._flush)
            return
        self._transport.write(data)

    def write_eof(self) -> None:
        """Write no more."""
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        """Close when all is written."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)
