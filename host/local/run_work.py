"""What every write to the run table works with: the transaction, the instant, and what is kept in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias, TypeVar, cast

import msgspec

from host.local.run_rows import json_text, substitute
from host.local.sql_text import statements

SQL = substitute(statements("runs.sql"))
UNKNOWN = -1
"""An earliest instant that must be asked for; being past, it never hides work."""
ENDING = frozenset({"cancel_waiting", "fail_waiting", "skip_overlapping", "finish_final", "finish_again", "rescue"})
"""The statements that make runs final, but for ``insert``."""
_CHUNKS = (256, 64, 16, 4, 1)
"""Numbers of rows a statement may take; the widest row has 30 columns, SQLite takes 32,766 variables."""

Values: TypeAlias = tuple[object, ...]
T = TypeVar("T")


@dataclass(slots=True)
class RunMemory:
    """What the writer remembers so that it need not ask; derived from the table, dropped with a rollback."""

    change: int
    """The highest change number given."""
    has_keys: bool
    """Whether any row with an exclusive key is or was unfinished."""
    has_cancels: bool
    """Whether anybody asked to cancel an active run."""
    has_suspects: bool
    """Whether any unfinished run has crashes."""
    keys_to_check: set[str]
    """Keys whose waiting runs may have to be skipped at the next claim."""
    next_due: int | None = UNKNOWN
    """When the earliest SCHEDULED run is due."""
    next_expiry: int | None = UNKNOWN
    """No unstarted run expires before this."""
    offered: Collection[str] | None = None
    """The job types last offered, as the caller's object."""
    offered_types: frozenset[str] = field(default_factory=frozenset)


def load_memory(connection: sqlite3.Connection) -> RunMemory:
    """Derive the memory from the table."""
    connection.execute(SQL["offered_create"])
    connection.execute(SQL["offered_clear"])

    def number(name: str) -> int:
        found: int = connection.execute(SQL[name]).fetchone()[0]
        return found

    return RunMemory(
        change=number("change_highest"),
        has_keys=bool(number("has_keys")),
        has_cancels=bool(number("has_cancels")),
        has_suspects=bool(number("has_suspects")),
        keys_to_check=set(decode_list(connection.execute(SQL["keys_skippable"]).fetchone()[0], str)),
    )


@dataclass(slots=True, kw_only=True)
class RunWork:
    """One write operation under way."""

    connection: sqlite3.Connection
    memory: RunMemory
    now: int
    node: str
    lease_until: int | None
    """What a lease given or renewed now lasts to; None: as long as the node lives."""
    is_ending: bool = False
    """Whether it may have made runs final."""

    def execute(self, name: str, *parameters: object) -> int:
        """Execute a statement; returns the number of rows it changed."""
        # Counted by the connection: a cursor's rowcount knows no statement that begins with WITH.
        before = self.connection.total_changes
        self.is_ending |= name in ENDING
        self.connection.execute(SQL[name], parameters)
        return self.connection.total_changes - before

    def one(self, name: str, *parameters: object) -> int | None:
        """Execute a statement that gives one number."""
        found: int | None = self.connection.execute(SQL[name], parameters).fetchone()[0]
        return found

    def items(self, name: str, kind: type[T], *parameters: object) -> list[T]:
        """Execute a statement that gives one JSON array."""
        text: str = self.connection.execute(SQL[name], parameters).fetchone()[0]
        return decode_list(text, kind)

    def execute_for(self, name: str, rows: Sequence[Values], *parameters: object) -> int:
        """Execute a statement for many rows of ``{values}``, in few steps; returns the number of rows it changed."""
        before = self.connection.total_changes
        self.is_ending |= name in ENDING and bool(rows)
        for chunk in chunks(rows):
            self.connection.execute(_text(name, len(chunk), len(chunk[0])), _flat(chunk, parameters))
        return self.connection.total_changes - before

    def items_for(self, name: str, kind: type[T], rows: Sequence[Values], *parameters: object) -> list[T]:
        """Execute a statement that gives one JSON array for many rows of ``{values}``."""
        found: list[T] = []
        for chunk in chunks(rows):
            cursor = self.connection.execute(_text(name, len(chunk), len(chunk[0])), _flat(chunk, parameters))
            found += decode_list(cursor.fetchone()[0], kind)
        return found

    def numbers(self, count: int) -> int:
        """Take the next ``count`` change numbers; returns the first."""
        first = self.memory.change + 1
        self.memory.change += count
        return first

    def queue_keys(self, seqs: str) -> None:
        """Let the oldest due run of each key have it, after these rows (a JSON array) became QUEUED."""
        if self.memory.has_keys:
            keys = self.items("keys_of", str, seqs)
            if keys:
                text = json_text(keys)
                self.execute("unhold", text)
                self.execute("settle", text)
                self.memory.keys_to_check.update(keys)

    def release_keys(self, since: int) -> None:
        """Let the next waiting run have each key that rows changed after ``since`` gave up."""
        if self.memory.has_keys:
            keys = self.items("keys_released", str, since)
            if keys:
                self.execute("settle", json_text(keys))


def chunks(rows: Sequence[Values]) -> Iterator[Sequence[Values]]:
    """Cut rows into a few fixed sizes, so that few statements need to be prepared."""
    start = 0
    while start < len(rows):
        size = next(size for size in _CHUNKS if size <= len(rows) - start)
        yield rows[start : start + size]
        start += size


def decode_list(text: str, kind: type[T]) -> list[T]:
    """Decode a JSON array whose items are ``kind``."""
    return cast("list[T]", _decoder(cast("Hashable", kind)).decode(text))


@lru_cache(maxsize=64)
def _decoder(kind: Hashable) -> msgspec.json.Decoder[object]:
    return msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]  # the item type is a value here


@lru_cache(maxsize=256)
def _text(name: str, count: int, width: int) -> str:
    row = f"({', '.join('?' * width)})"
    return SQL[name].replace("{values}", ", ".join([row] * count))


def _flat(rows: Sequence[Values], parameters: Values) -> tuple[object, ...]:
    return (*(value for row in rows for value in row), *parameters)
