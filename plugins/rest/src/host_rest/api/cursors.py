"""Cursors of pages that are cut here: opaque text that names the last item shown."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

from host.errors import InvalidRequestError, WireError
from host.wire import from_json, to_json


def cursor_of(listing: str, place: tuple[str, ...]) -> str:
    """Give the cursor for what comes after ``place`` in a listing's order."""
    return urlsafe_b64encode(to_json([listing, *place])).decode("ascii").rstrip("=")


def read_cursor(cursor: str, listing: str) -> tuple[str, ...]:
    """Give the place; raises InvalidRequestError for a cursor that this listing did not give."""
    try:
        name, *place = from_json(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), list[str])
    except (ValueError, WireError):
        name, place = "", []
    if name != listing or not place:
        raise InvalidRequestError("no page gave this cursor", where=f"cursor {cursor[:40]!r}")
    return tuple(place)
