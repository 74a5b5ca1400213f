"""Server-sent events as bytes (WHATWG HTML §9.2)."""

from __future__ import annotations

from host.wire import to_json

MEDIA_TYPE = b"text/event-stream"
BEAT = b":\n\n"
"""A comment: it keeps connections open and tells nothing."""


def event(kind: str, data: object, *, id: str | None = None) -> bytes:
    """Give an event; its data is JSON on one line, as all JSON of ``host.wire`` is."""
    return encoded_event(kind, to_json(data), id=id)


def encoded_event(kind: str, data: bytes, *, id: str | None = None) -> bytes:
    """Give an event whose data is JSON already."""
    place = b"" if id is None else b"id: %b\n" % id.encode()
    return b"%bevent: %b\ndata: %b\n\n" % (place, kind.encode(), data)


def mark(id: str) -> bytes:
    """Give what sets the id to resume from, and is no event."""
    return b"id: %b\n\n" % id.encode()


def retry_after(milliseconds: int) -> bytes:
    """Give what tells clients how long to wait before they connect again."""
    return b"retry: %d\n\n" % milliseconds


GAP = event("gap", {})
"""The client did not keep up: it is to connect again, and resumes after the last event it got."""


def bye(reason: str) -> bytes:
    """Give what ends a stream that is not over: ``stopping``, ``expired`` or ``unavailable``."""
    return event("bye", {"reason": reason})
