"""Log lines on their way to the disk: made fit for a row, and kept within bounds while they wait."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import NamedTuple
from uuid import UUID

from host.errors import WireError
from host.model.ids import to_microseconds
from host.model.json import JsonValue
from host.model.logs import RunLogLine
from host.wire import to_json

MAX_FULL_RUNS = 10_000
_MARK_BYTES = 32
"""What ``{"truncated":""}`` takes, and some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogBounds:
    """How much is kept."""

    lines_per_run: int
    bytes_per_run: int
    line_bytes: int
    waiting_lines: int
    waiting_bytes: int


class Row(NamedTuple):
    """A line as it is stored; ``at`` in microseconds."""

    at: int
    level: str
    event: str
    fields: str
    attempt: int
    size: int


@dataclass(slots=True)
class Batch:
    """What one run wrote since the last flush, and how much of it was not taken."""

    rows: list[Row] = field(default_factory=list)
    size: int = 0
    over: int = 0
    """Lines past the run's bound."""
    lost: int = 0
    """Lines for which there was no room in memory; newer than ``rows``."""
    last_at: int = 0
    last_attempt: int = 1


class LineBuffer:
    """Takes lines from any thread; one task takes them out."""

    def __init__(self, bounds: LogBounds) -> None:
        self._bounds = bounds
        self._guard = Lock()
        self._batches: dict[UUID, Batch] = {}
        self._waiting_lines = 0
        self._waiting_bytes = 0
        self._full: dict[UUID, None] = {}

    def add(self, run_id: UUID, lines: Sequence[RunLogLine]) -> int:
        """Take lines, or count them where there is no room; returns how many wait now."""
        is_full = run_id in self._full
        rows = [] if is_full else [_fit(line, self._bounds.line_bytes) for line in lines]
        with self._guard:
            batch = self._batches.setdefault(run_id, Batch())
            batch.last_at, batch.last_attempt = to_microseconds(lines[-1].at), lines[-1].attempt
            if is_full:
                batch.over += len(lines)
            for row in rows:
                self._place(batch, row)
            return self._waiting_lines

    def take(self) -> dict[UUID, Batch]:
        """Give all that waits, and begin anew."""
        with self._guard:
            batches, self._batches = self._batches, {}
            self._waiting_lines = self._waiting_bytes = 0
        return batches

    def put_back(self, batches: Mapping[UUID, Batch]) -> None:
        """Let what was taken wait again, before what came since."""
        with self._guard:
            for run_id, old in batches.items():
                new = self._batches.get(run_id, Batch(last_at=old.last_at, last_attempt=old.last_attempt))
                new.rows[:0] = old.rows
                new.size, new.over, new.lost = new.size + old.size, new.over + old.over, new.lost + old.lost
                self._batches[run_id] = new
                self._waiting_lines += len(old.rows)
                self._waiting_bytes += old.size

    def mark_full(self, run_ids: Iterable[UUID]) -> None:
        """From now on only count the lines of these runs; a flood then costs nearly nothing."""
        with self._guard:
            for run_id in run_ids:
                self._full[run_id] = None
            while len(self._full) > MAX_FULL_RUNS:
                del self._full[next(iter(self._full))]

    def forget(self, run_id: UUID) -> None:
        """Take lines of this run again."""
        with self._guard:
            self._full.pop(run_id, None)

    def _place(self, batch: Batch, row: Row) -> None:
        bounds = self._bounds
        if batch.over or len(batch.rows) >= bounds.lines_per_run or batch.size + row.size > bounds.bytes_per_run:
            batch.over += 1
        elif (
            batch.lost
            or self._waiting_lines >= bounds.waiting_lines
            or self._waiting_bytes + row.size > bounds.waiting_bytes
        ):
            batch.lost += 1
        else:
            batch.rows.append(row)
            batch.size += row.size
            self._waiting_lines += 1
            self._waiting_bytes += row.size


def _fit(line: RunLogLine, limit: int) -> Row:
    fields = _json_of(line.fields) if line.fields else "{}"
    event = _cut(line.event, max(0, limit - (_MARK_BYTES if line.fields else 2)))
    room = limit - _size(event)
    if _size(fields) > room:
        # Quoting a JSON text at most doubles it.
        fields = to_json({"truncated": _cut(fields, max(0, room - _MARK_BYTES) // 2)}).decode()
    size = _size(event) + _size(fields)
    return Row(to_microseconds(line.at), line.level.value, event, fields, line.attempt, size)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit and text.isascii():
        return text
    return text[:limit].encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")


def _json_of(fields: Mapping[str, JsonValue]) -> str:
    try:
        return to_json(fields).decode()
    except WireError:
        return to_json({_clean(str(name)): _plain(value) for name, value in fields.items()}).decode()


def _plain(value: JsonValue) -> JsonValue:
    """Give what cannot be JSON as the text a developer would see."""
    try:
        to_json(value)
    except WireError:
        return _clean(value if isinstance(value, str) else repr(value))
    return value


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
