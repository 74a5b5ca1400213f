"""What runs wrote, in an SQLite file of its own, so that floods of lines never touch the run store."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import ClassVar
from uuid import UUID

from host.contracts.contract import Finding, Service, Settings
from host.contracts.host import DataDirectory
from host.contracts.logs import RunLog
from host.contracts.maintenance import StoreMaintenance, StoreSize
from host.errors import HostError, StoreUnavailableError
from host.local.log_buffer import Batch, LineBuffer, LogBounds
from host.local.log_flusher import Flusher
from host.local.log_rows import delete_run, read_lines, write_batches
from host.local.sql_text import migrations
from host.local.sqlite import SqliteDatabase
from host.local.sqlite_file import restore_file
from host.model.logs import RunLogLine

FILE_NAME = "run-log.sqlite"
APPLICATION_ID = 0x6A684C47
"""``jhLG``, in the file's header."""
FLUSH_LINES = 500
"""So many waiting lines are written without delay."""
_PAGE = 1000
_MIGRATIONS = migrations("logs")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLogSettings(Settings):
    """How much runs may write."""

    section: ClassVar[str] = "RunLogConfigurationSection"

    max_lines_per_run: int = 10_000
    max_bytes_per_run: int = 1_000_000
    max_line_bytes: int = 16_000
    """A longer line is cut."""
    buffer_lines: int = 50_000
    """Lines of all runs that may wait to be written."""
    buffer_bytes: int = 64_000_000


class SqliteRunLog(RunLog, StoreMaintenance, Service):
    """Keeps lines in ``run-log.sqlite``; the last fraction of a second may be lost in a crash.

    The first lines of a run are kept; past its bound one closing line tells how many were dropped, so far.
    ``append`` may be called from any thread; all else belongs to the event loop of ``start``. While the file
    cannot be written, lines wait and ``read``, ``follow`` and ``prune`` raise StoreUnavailableError.
    """

    is_default = True

    def __init__(self, directory: DataDirectory, settings: RunLogSettings) -> None:
        self._path = directory.path() / FILE_NAME
        self._bounds = LogBounds(
            lines_per_run=settings.max_lines_per_run,
            bytes_per_run=settings.max_bytes_per_run,
            line_bytes=settings.max_line_bytes,
            waiting_lines=settings.buffer_lines,
            waiting_bytes=settings.buffer_bytes,
        )
        self._database = SqliteDatabase(
            self._path, migrations=_MIGRATIONS, application_id=APPLICATION_ID, synchronous="NORMAL"
        )
        self._buffer = LineBuffer(self._bounds)
        self._flusher: Flusher | None = None
        self._followers: dict[UUID, set[asyncio.Event]] = {}

    async def start(self) -> None:
        """Open the file, creating it if it is missing, and write what waits."""
        if self._flusher is None:
            await self._database.start()
            self._flusher = Flusher(self._write_waiting)
            self._flusher.stir(is_urgent=True)

    async def stop(self) -> None:
        """Write what waits and close the file."""
        flusher, self._flusher = self._flusher, None
        if flusher is not None:
            await flusher.stop()
        await self._database.stop()

    def background(self) -> Sequence[asyncio.Task[None]]:
        """Give the task that writes lines."""
        return [self._flusher.task] if self._flusher else []

    def check(self) -> Sequence[Finding]:
        """Say whether the last lines could not be written."""
        flusher = self._flusher
        if flusher is None or flusher.failure is None:
            return []
        message = f"lines of runs are not written: {flusher.failure}"
        return [Finding(message=message, is_failure=flusher.task.done())]

    def append(self, run_id: UUID, lines: Sequence[RunLogLine]) -> None:
        """Take lines; those past the run's bound or the buffer's are counted."""
        if not lines:
            return
        waiting = self._buffer.add(run_id, lines)
        if self._flusher is not None:
            self._flusher.stir(is_urgent=waiting >= FLUSH_LINES)

    async def read(self, run_id: UUID, *, after: int = 0, limit: int = _PAGE) -> Sequence[RunLogLine]:
        """Give lines above ``after``, oldest first."""
        await self._flush()
        return await self._database.read(partial(read_lines, run_id=run_id, after=after, limit=limit))

    async def follow(self, run_id: UUID, *, after: int = 0) -> AsyncIterator[RunLogLine]:
        """Give lines above ``after`` and then each new one, until the caller stops."""
        changed = asyncio.Event()
        self._followers.setdefault(run_id, set()).add(changed)
        try:
            while True:
                changed.clear()
                page = await self.read(run_id, after=after, limit=_PAGE)
                for line in page:
                    after = line.number
                    yield line
                if not page:
                    await changed.wait()
        finally:
            self._followers[run_id].discard(changed)
            if not self._followers[run_id]:
                del self._followers[run_id]

    async def prune(self, run_ids: Collection[UUID]) -> int:
        """Delete all lines of these runs; each run's in a transaction of its own."""
        await self._flush()
        count = 0
        for run_id in run_ids:
            count += await self._database.write(partial(delete_run, run_id=run_id))
            self._buffer.forget(run_id)
        return count

    @property
    def store_name(self) -> str:
        """``run-log``."""
        return "run-log"

    async def size(self) -> StoreSize:
        """Give the size of the file with its write-ahead log."""
        return StoreSize(bytes=self._database.bytes_on_disk())

    async def verify(self) -> Sequence[str]:
        """Check the whole file."""
        return await self._database.verify()

    async def optimise(self, *, hold_at_most: timedelta = timedelta(milliseconds=20)) -> str:
        """Refresh statistics and return free space."""
        return await self._database.optimise(hold_at_most)

    async def backup(self, folder: Path) -> Sequence[Path]:
        """Write a checked copy named ``run-log.sqlite``, with all lines appended before the call."""
        await self._flush()
        await self._database.backup(folder / FILE_NAME)
        return [folder / FILE_NAME]

    def restore(self, folder: Path) -> Sequence[Path]:
        """Put the copy in place; StoreCorruptError for one that is missing or unsound, which changes nothing."""
        return restore_file(self._path, folder / FILE_NAME, versions=len(_MIGRATIONS), application_id=APPLICATION_ID)

    async def _flush(self) -> None:
        if self._flusher is None:
            raise StoreUnavailableError("the run log is not open", where=str(self._path))
        await self._flusher.flush()

    async def _write_waiting(self) -> None:
        batches = self._buffer.take()
        if not batches:
            return
        try:
            full = await self._database.write(partial(write_batches, batches=batches, bounds=self._bounds))
        except (HostError, sqlite3.Error):
            self._buffer.put_back(batches)
            raise
        self._buffer.mark_full(full)
        self._tell_followers(batches)

    def _tell_followers(self, batches: Mapping[UUID, Batch]) -> None:
        for run_id in self._followers.keys() & batches.keys():
            for changed in self._followers[run_id]:
                changed.set()
