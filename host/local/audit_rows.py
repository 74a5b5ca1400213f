"""Audited events as rows: written, searched in bounded time, deleted. Plain functions for a store's threads."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Sequence
from typing import Any, TypeAlias

from host.errors import InvalidRequestError
from host.local.sql_text import statements
from host.model.ids import from_microseconds, to_microseconds
from host.model.security import AuditEvent, AuditFilter, AuditOutcome, AuditPage
from host.wire import from_json, to_json

MAX_TEXT = 2_000
"""Characters of each text that are kept: what strangers ask for must not fill the disk."""
MAX_DETAILS = 50
SEARCH_SECONDS = 0.05
"""A filter that no index serves is looked for this long; the page then ends early and its cursor goes on."""
_WINDOW = 5_000
"""Events looked at between two looks at the time: some 10 ms of searching in texts."""
_CURSOR = re.compile(r"a(-?\d{1,18})\.(\d{1,18})", re.ASCII)
_SQL = statements("audit.sql")

_Key: TypeAlias = tuple[int, int]
"""Where an event stands in a listing: its instant, and among equal ones its number."""
_OLDEST: _Key = (-(1 << 62), 0)
_NEWEST: _Key = (1 << 62, 0)


def write_events(connection: sqlite3.Connection, *, events: Sequence[AuditEvent]) -> None:
    """Append events; each gets the next number."""
    connection.executemany(_SQL["record"], map(_row, events))


def read_page(connection: sqlite3.Connection, *, where: AuditFilter, cursor: str | None, limit: int) -> AuditPage:
    """Give one page, newest first; raises InvalidRequestError for a foreign cursor or an impossible limit."""
    if not 1 <= limit <= 1000:
        raise InvalidRequestError(f"a page of {limit} events cannot be had", hint="ask for 1 to 1000")
    floor = (to_microseconds(where.since), 0) if where.since else _OLDEST
    below = (to_microseconds(where.until), 0) if where.until else _NEWEST
    if cursor is not None:
        below = min(below, _read_cursor(cursor))
    rows, end = _search(connection, where, below, floor, limit + 1)
    if len(rows) > limit:
        number, at, *_ = rows[limit - 1]
        end = (at, number)
    next_cursor = None if end is None else f"a{end[0]}.{end[1]}"
    return AuditPage(events=tuple(map(_event, rows[:limit])), next_cursor=next_cursor)


def delete_events(connection: sqlite3.Connection, *, before: int, limit: int) -> int:
    """Delete so many events from before an instant, oldest first; returns how many."""
    return connection.execute(_SQL["prune"], (before, max(0, limit))).rowcount


def _search(
    connection: sqlite3.Connection, where: AuditFilter, below: _Key, floor: _Key, limit: int
) -> tuple[list[Any], _Key | None]:
    """Give up to ``limit`` rows, and where the search ended; None if it came to the floor or has enough."""
    deadline = time.monotonic() + SEARCH_SECONDS
    statement = _SQL["page"].replace("{text}", _text_condition(connection, where.text))
    given = {"principal": where.by or None, "face": where.face or None, "outcome": where.outcome}
    given["text"] = _text_parameter(where.text)
    window = _WINDOW if any(given.values()) else 0
    rows: list[Any] = []
    while True:
        end = _window_end(connection, below, floor, window)
        bounds = _bounds(below, end or floor)
        rows += connection.execute(statement, {**given, **bounds, "limit": limit - len(rows)})
        if end is None or len(rows) == limit:
            return rows, None
        below = end
        if time.monotonic() > deadline:
            return rows, below


def _window_end(connection: sqlite3.Connection, below: _Key, floor: _Key, window: int) -> _Key | None:
    """Give the event that a part of the search reaches down to; None if it is the last part."""
    if not window:
        return None
    found: _Key | None = connection.execute(_SQL["window"], {**_bounds(below, floor), "window": window}).fetchone()
    return found


def _bounds(below: _Key, floor: _Key) -> dict[str, int]:
    return dict(zip(("below_at", "below_number", "floor_at", "floor_number"), (*below, *floor), strict=True))


def _read_cursor(cursor: str) -> _Key:
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise InvalidRequestError("no page gave this cursor", where=f"cursor {cursor[:40]!r}")
    return int(match[1]), int(match[2])


def _text_condition(connection: sqlite3.Connection, text: str | None) -> str:
    if not text:
        return "0"
    if _is_plain(text):
        return _SQL["text_ascii"]
    connection.create_function("casefold", 1, str.casefold, deterministic=True)
    return _SQL["text_any"]


def _text_parameter(text: str | None) -> str | None:
    if not text:
        return None
    text = _kept(text)
    if not _is_plain(text):
        return text.casefold()
    escaped = text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return f"%{escaped}%"


def _is_plain(text: str) -> bool:
    """Say whether LIKE finds it: it knows the case of ASCII alone, and a pattern ends for it at a NUL."""
    return text.isascii() and "\0" not in text


def _row(event: AuditEvent) -> tuple[str | int | None, ...]:
    detail = {_kept(name): _kept(text) for name, text in list(event.detail.items())[:MAX_DETAILS]}
    optional = (event.by, event.client, event.address)
    return (
        to_microseconds(event.at),
        *(None if text is None else _kept(text) for text in optional),
        *map(_kept, (event.face, event.action, event.target)),
        event.outcome.value,
        event.status,
        None if event.request_id is None else _kept(event.request_id),
        to_json(detail).decode(),
    )


def _kept(text: str) -> str:
    """Give a text as it is kept: cut, and with what UTF-8 cannot hold escaped."""
    return text[:MAX_TEXT].encode(errors="backslashreplace").decode()


def _event(row: tuple[Any, ...]) -> AuditEvent:
    number, at, principal, client, address, face, action, target, outcome, status, request_id, detail = row
    return AuditEvent(
        number=number,
        at=from_microseconds(at),
        by=principal,
        client=client,
        address=address,
        face=face,
        action=action,
        target=target,
        outcome=AuditOutcome(outcome),
        status=status,
        request_id=request_id,
        detail=from_json(detail, dict[str, str]),
    )
