"""Log lines as rows: appended within the run's bound, read, deleted. Plain functions for a store's threads."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from host.local.log_buffer import Batch, LogBounds, Row
from host.local.sql_text import statements
from host.model.ids import from_microseconds
from host.model.logs import LogLevel, RunLogLine
from host.wire import from_json, to_json

OVER = "further lines of this run were dropped: its log is full"
LOST = "lines were dropped here: too many waited to be written"
_SQL = statements("logs.sql")
_MOST = 2**63 - 1


def write_batches(connection: sqlite3.Connection, *, batches: Mapping[UUID, Batch], bounds: LogBounds) -> list[UUID]:
    """Append what the runs wrote; returns those whose logs are full now."""
    return [run_id for run_id, batch in batches.items() if _write_batch(connection, run_id, batch, bounds)]


def read_lines(connection: sqlite3.Connection, *, run_id: UUID, after: int, limit: int) -> Sequence[RunLogLine]:
    """Give lines with a number above ``after``, oldest first."""
    after, limit = min(max(after, 0), _MOST), min(max(limit, 0), _MOST)
    rows = connection.execute(_SQL["read"], (run_id.bytes, after, limit))
    return [
        RunLogLine(
            number=number,
            at=from_microseconds(at),
            level=LogLevel(level),
            event=event,
            fields=from_json(fields, dict),
            attempt=attempt,
        )
        for number, at, level, event, fields, attempt in rows
    ]


def delete_run(connection: sqlite3.Connection, *, run_id: UUID) -> int:
    """Delete a run's lines; returns 1 if it had any."""
    connection.execute(_SQL["delete_lines"], (run_id.bytes,))
    return connection.execute(_SQL["delete_log"], (run_id.bytes,)).rowcount


def _write_batch(connection: sqlite3.Connection, run_id: UUID, batch: Batch, bounds: LogBounds) -> bool:
    # May run twice, the first time undone: it changes nothing but the file.
    connection.execute(_SQL["open"], (run_id.bytes,))
    log, lines, size, dropped = connection.execute(_SQL["account"], (run_id.bytes,)).fetchone()
    rows = [*batch.rows, _note(LOST, batch.lost, batch)] if batch.lost and not batch.over else batch.rows
    kept = [] if dropped else _fitting(rows, bounds.lines_per_run - lines, bounds.bytes_per_run - size)
    is_noted = len(kept) > len(batch.rows)
    dropped += batch.over + max(0, len(batch.rows) - len(kept)) + (0 if is_noted else batch.lost)
    _insert(connection, log, lines, kept)
    lines += len(kept)
    if dropped:
        _insert(connection, log, lines, [_note(OVER, dropped, batch)])
    connection.execute(_SQL["settle"], (lines, size + sum(row.size for row in kept), dropped, log))
    return bool(dropped)


def _fitting(rows: Sequence[Row], lines: int, size: int) -> list[Row]:
    """Give the first rows that fit; after one that does not, none."""
    kept: list[Row] = []
    for row in rows[: max(0, lines)]:
        size -= row.size
        if size < 0:
            break
        kept.append(row)
    return kept


def _note(event: str, count: int, batch: Batch) -> Row:
    fields = to_json({"dropped": count}).decode()
    return Row(batch.last_at, LogLevel.WARNING.value, event, fields, batch.last_attempt, len(event) + len(fields))


def _insert(connection: sqlite3.Connection, log: int, lines: int, rows: Iterable[Row]) -> None:
    connection.executemany(
        _SQL["write"],
        (
            (log, number, row.at, row.level, row.event, row.fields, row.attempt)
            for number, row in enumerate(rows, start=lines + 1)
        ),
    )
