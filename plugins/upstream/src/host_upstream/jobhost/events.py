"""Server-sent events (WHATWG HTML §9.2), read from the bytes of an answer that does not end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from host.errors import UpstreamUnavailableError

MAX_BYTES = 64 * 1024 * 1024
"""Of one event."""
_END = b"\n\n"


@dataclass(frozen=True, slots=True)
class Event:
    """One event, or with kind and data empty only a place to resume from."""

    kind: str
    data: bytes
    id: str | None
    """The place after it, where it tells one."""


async def events_of(pieces: AsyncIterator[bytes]) -> AsyncGenerator[Event, None]:
    """Give each event once it is whole; what a broken connection left half is dropped."""
    waiting = bytearray()
    async for piece in pieces:
        searched = max(0, len(waiting) - 1)
        waiting += piece
        if waiting.find(_END, searched) < 0:
            if len(waiting) > MAX_BYTES:
                raise UpstreamUnavailableError(f"an event of the upstream is larger than {MAX_BYTES:,} bytes")
            continue
        *whole, rest = bytes(waiting).split(_END)
        waiting = bytearray(rest)
        for block in whole:
            event = _event(block)
            if event is not None:
                yield event


def _event(block: bytes) -> Event | None:
    kind, data, place = "", b"", None
    for line in block.split(b"\n"):
        name, _, value = line.partition(b": ")
        if name == b"event":
            kind = value.decode()
        elif name == b"data":
            data = data + b"\n" + value if data else value
        elif name == b"id":
            place = value.decode()
    return Event(kind, data, place) if kind or place is not None else None
