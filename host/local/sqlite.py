"""SQLite as our stores use it: grouped durable writes, reads beside them, upkeep off the commit path."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

import structlog

from host.errors import StoreCorruptError, StoreUnavailableError
from host.local.sqlite_file import BUSY_MILLISECONDS, connect, copy_database, look, open_for_writing, store_error
from host.local.sqlite_writer import SqliteWriter

T = TypeVar("T")

READERS = 3
QUERY_SECONDS = 10.0
"""A read that takes longer is ended with StoreUnavailableError."""
CHECKPOINT_BYTES = 4 * 1024 * 1024
TRUNCATE_BYTES = 64 * 1024 * 1024
_INSTRUCTIONS_PER_LOOK = 20_000

log = structlog.get_logger(__name__)


class SqliteDatabase:
    """One SQLite file with one writer, several readers, and migrations.

    ``migrations`` are SQL texts in order; the file's user_version is how many were applied. Operations are
    plain functions that take a connection; they run on this class's threads. ``on_rollback`` is called on the
    writer's thread whenever written work was undone: forget what was derived from it.
    """

    def __init__(
        self,
        path: Path,
        *,
        migrations: Sequence[str],
        application_id: int,
        synchronous: str = "FULL",
        on_rollback: Callable[[], None] = lambda: None,
    ) -> None:
        self.path = path
        self._migrations = tuple(migrations)
        self._application_id = application_id
        self._synchronous = synchronous
        self._on_rollback = on_rollback
        self._writer: SqliteWriter | None = None
        self._connection: sqlite3.Connection | None = None
        self._readers = _Readers(path)
        self._upkeep: ThreadPoolExecutor | None = None
        self._checkpointed_bytes = 0
        self._is_checkpointing = False

    @property
    def failure(self) -> str | None:
        """What the last write failed with; None while all is well."""
        return self._writer.failure if self._writer else None

    async def start(self) -> None:
        """Open the file, creating or migrating it; a second call does nothing.

        Raises StoreCorruptError for a file that is damaged, not ours or newer, which is left untouched, and
        StoreUnavailableError for one that cannot be read or written.
        """
        if self._writer is not None:
            return
        self._connection = await asyncio.to_thread(self._open)
        self._upkeep = ThreadPoolExecutor(1, thread_name_prefix=f"{self.path.name}-upkeep")
        self._readers.start()
        self._writer = SqliteWriter(self._connection, self.path, self._on_rollback)
        self._writer.after_commit = self._checkpoint_if_due
        self._writer.start()

    async def stop(self) -> None:
        """Perform what is queued, fold the write-ahead log in and close; safe twice and without ``start``."""
        writer, self._writer = self._writer, None
        if writer is not None:
            await asyncio.to_thread(self._close, writer)

    async def write(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Run an operation in a transaction and return its result once it is durable.

        It is whole or nothing; several may share one commit. It may run twice (the first time undone). One
        that raises a HostError must have written nothing. Raises StoreUnavailableError when the file cannot be
        written; the next call tries anew.
        """
        return await self.begin(operation)

    def begin(self, operation: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Queue an operation as ``write`` does, but now, not when awaited.

        Operations run in the order they were queued; those of one turn of the event loop share a commit.
        """
        return cast("asyncio.Future[T]", self._writing().submit(operation))

    def post(
        self, operation: Callable[[sqlite3.Connection], object], *, on_error: Callable[[Exception], None] | None = None
    ) -> None:
        """Run an operation soon, without waiting; a failure is given to ``on_error``, else logged."""
        self._writing().post(operation, on_error or self._log_failure)

    async def read(self, operation: Callable[[sqlite3.Connection], T], *, seconds: float = QUERY_SECONDS) -> T:
        """Run a reading operation on one snapshot that holds everything acknowledged before the call.

        Raises StoreUnavailableError if it takes longer than ``seconds``.
        """
        self._writing()
        return await self._readers.run(operation, seconds)

    async def backup(self, target: Path) -> None:
        """Write a consistent, checked copy to ``target`` while writing goes on."""
        await self._run_upkeep(lambda: self._with_connection(lambda source: copy_database(source, target)))

    async def verify(self) -> list[str]:
        """Check the integrity of the whole file; findings as sentences, empty when sound."""
        try:
            rows = await self._run_upkeep(
                lambda: self._with_connection(lambda source: source.execute("PRAGMA integrity_check(20)").fetchall())
            )
        except StoreCorruptError as error:
            return [str(error)]
        return [] if rows == [("ok",)] else [f"{self.path.name}: {row[0]}" for row in rows]

    async def optimise(self, hold_at_most: timedelta) -> str:
        """Return free pages and fold the log in; writers wait at most ``hold_at_most``.

        Statistics are never gathered: statements name their indexes, and without statistics a plan that was
        tested stays the plan, however the rows are spread.
        """
        freed, is_more = 0, True
        while is_more:
            step, is_more = await self.write(partial(_free_pages, seconds=hold_at_most.total_seconds() / 2))
            freed += step
        await self._run_upkeep(self._checkpoint)
        return f"{self.path.name}: {freed} free pages returned, log folded in"

    def bytes_on_disk(self) -> int:
        """Give the size of the file and its write-ahead log."""
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def _open(self) -> sqlite3.Connection:
        look(self.path, versions=len(self._migrations), application_id=self._application_id)
        return open_for_writing(
            self.path,
            migrations=self._migrations,
            synchronous=self._synchronous,
            application_id=self._application_id,
        )

    def _close(self, writer: SqliteWriter) -> None:
        writer.close()
        if self._upkeep is not None:
            self._upkeep.shutdown(wait=True)
        self._readers.stop()
        if self._connection is not None:
            self._truncate_log()
            self._connection.close()

    def _writing(self) -> SqliteWriter:
        if self._writer is None:
            raise StoreUnavailableError("the store is not open", where=str(self.path))
        return self._writer

    def _log_failure(self, error: Exception) -> None:
        log.error("store write failed", store=str(self.path), error=str(error))

    def _checkpoint_if_due(self) -> None:
        size = _size_of(self.path.with_name(self.path.name + "-wal"))
        self._checkpointed_bytes = min(self._checkpointed_bytes, size)  # less: the log was begun anew
        if size - self._checkpointed_bytes < CHECKPOINT_BYTES:
            return
        if self._is_checkpointing and size <= 2 * TRUNCATE_BYTES:
            return
        self._checkpointed_bytes = size
        if size > TRUNCATE_BYTES:
            # Most of it was copied in the background; under steady writing only the writer can begin it anew.
            # Where the background falls behind, the writer waits for it: that bounds the log.
            self._truncate_log(patience=BUSY_MILLISECONDS if self._is_checkpointing else 0)
            return
        self._is_checkpointing = True
        try:
            if self._upkeep is not None:
                self._upkeep.submit(self._checkpoint)
        except RuntimeError:
            return  # stopping, which folds the log in by itself

    def _truncate_log(self, *, patience: int = 0) -> None:
        """Fold the log in and empty it, unless somebody still reads from it after ``patience`` milliseconds."""
        if self._connection is None:
            return
        try:
            self._connection.execute(f"PRAGMA busy_timeout={patience}")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._connection.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")
        except sqlite3.Error as error:
            log.warning("write-ahead log not folded in", store=str(self.path), error=str(error))

    def _checkpoint(self) -> None:
        try:
            self._with_connection(
                lambda connection: connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall(), read_only=False
            )
        except (sqlite3.Error, StoreUnavailableError) as error:
            log.warning("checkpoint failed", store=str(self.path), error=str(error))
        finally:
            self._is_checkpointing = False

    def _with_connection(self, operation: Callable[[sqlite3.Connection], T], *, read_only: bool = True) -> T:
        try:
            connection = connect(self.path, read_only=read_only)
            try:
                connection.execute("PRAGMA wal_autocheckpoint=0")
                return operation(connection)
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise store_error(error, self.path) or error from error

    async def _run_upkeep(self, operation: Callable[[], T]) -> T:
        self._writing()
        return await asyncio.get_running_loop().run_in_executor(self._upkeep, operation)


class _Readers:
    """A few threads, each with a read-only connection of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pool: ThreadPoolExecutor | None = None
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []

    def start(self) -> None:
        self._local = threading.local()
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix=f"{self._path.name}-reader")

    def stop(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True)
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    async def run(self, operation: Callable[[sqlite3.Connection], T], seconds: float) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, operation, seconds)

    def _read(self, operation: Callable[[sqlite3.Connection], T], seconds: float) -> T:
        try:
            connection = self._connection()
            deadline = time.monotonic() + seconds
            connection.set_progress_handler(lambda: time.monotonic() > deadline, _INSTRUCTIONS_PER_LOOK)
            connection.execute("BEGIN")
            try:
                return operation(connection)
            finally:
                connection.set_progress_handler(None, 0)
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise store_error(error, self._path) or error from error

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = connect(self._path, read_only=True)
            self._local.connection = connection
            self._connections.append(connection)
        return connection


def _free_pages(connection: sqlite3.Connection, *, seconds: float) -> tuple[int, bool]:
    """Return free pages to the file system for so long; give how many, and whether some are left."""
    deadline = time.monotonic() + seconds
    free: int = connection.execute("PRAGMA freelist_count").fetchone()[0]
    freed = 0
    while freed < free and (freed == 0 or time.monotonic() < deadline):
        connection.execute("PRAGMA incremental_vacuum(1)")  # sqlite3 steps it once: it never frees more than one
        freed += 1
    return freed, freed < free


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
