"""Who did what, in an SQLite file of its own in the data directory."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from host.contracts.contract import Finding, Service
from host.contracts.host import DataDirectory
from host.contracts.maintenance import StoreMaintenance, StoreSize
from host.contracts.security import AuditTrail
from host.local.audit_rows import delete_events, read_page, write_events
from host.local.sql_text import migrations
from host.local.sqlite import SqliteDatabase
from host.local.sqlite_file import connect, look, restore_file, store_error
from host.model.ids import to_microseconds
from host.model.security import AuditEvent, AuditFilter, AuditPage

FILE_NAME = "audit.sqlite"
APPLICATION_ID = 0x6A684155
"""``jhAU``, in the file's header."""
_MIGRATIONS = migrations("audit")


class SqliteAuditTrail(AuditTrail, StoreMaintenance, Service):
    """Keeps events in ``audit.sqlite``; the events of one call are kept by one commit, all or none.

    Events are listed by their instant, those of one instant by their number. Numbers grow, and none is given
    twice, whatever was deleted. Texts longer than 2000 characters are cut. A page may end before its limit when
    a filter finds little in 50 ms; its cursor goes on. Raises StoreUnavailableError when the file cannot be
    read or written, and while the trail is stopped.
    """

    is_default = True

    def __init__(self, directory: DataDirectory) -> None:
        self._path = directory.path() / FILE_NAME
        self._database = SqliteDatabase(self._path, migrations=_MIGRATIONS, application_id=APPLICATION_ID)

    async def start(self) -> None:
        """Open the file, creating it if it is missing."""
        await self._database.start()

    async def stop(self) -> None:
        """Close the file."""
        await self._database.stop()

    def check(self) -> Sequence[Finding]:
        """Say whether the last events could not be written."""
        failure = self._database.failure
        return [Finding(message=f"{self._path}: {failure}", is_failure=True)] if failure else []

    async def record(self, events: Sequence[AuditEvent]) -> None:
        """Keep events, in one commit; none changes nothing."""
        if events:
            await self._database.write(partial(write_events, events=tuple(events)))

    async def events(
        self, where: AuditFilter | None = None, *, cursor: str | None = None, limit: int = 50
    ) -> AuditPage:
        """Give one page, newest first."""
        return await self._database.read(partial(read_page, where=where or AuditFilter(), cursor=cursor, limit=limit))

    async def prune(self, *, before: datetime, limit: int = 500) -> int:
        """Delete the oldest events from before an instant."""
        return await self._database.write(partial(delete_events, before=to_microseconds(before), limit=limit))

    @property
    def store_name(self) -> str:
        """``audit``."""
        return "audit"

    async def size(self) -> StoreSize:
        """Give the size of the file with its log."""
        return StoreSize(bytes=self._database.bytes_on_disk())

    async def verify(self) -> Sequence[str]:
        """Check the whole file."""
        return await self._database.verify()

    async def optimise(self, *, hold_at_most: timedelta = timedelta(milliseconds=20)) -> str:
        """Refresh statistics and return free space."""
        return await self._database.optimise(hold_at_most)

    async def backup(self, folder: Path) -> Sequence[Path]:
        """Write a checked copy named ``audit.sqlite``."""
        await self._database.backup(folder / FILE_NAME)
        return [folder / FILE_NAME]

    def restore(self, folder: Path) -> Sequence[Path]:
        """Put the copy in place; StoreCorruptError for one that is missing or unsound, which changes nothing."""
        return restore_file(self._path, folder / FILE_NAME, versions=len(_MIGRATIONS), application_id=APPLICATION_ID)


def kept_events(data_directory: Path, where: AuditFilter, *, cursor: str | None = None, limit: int = 50) -> AuditPage:
    """Give one page of the trail in a data directory that no host uses, without changing it; empty without a trail.

    Raises StoreCorruptError for a file that is damaged or not ours, StoreUnavailableError for one that cannot be
    read, InvalidRequestError for a cursor that no page gave.
    """
    path = data_directory / FILE_NAME
    if not path.exists():
        return AuditPage(events=(), next_cursor=None)
    look(path, versions=len(_MIGRATIONS), application_id=APPLICATION_ID)
    log = path.with_name(f"{path.name}-wal")
    is_clean = not log.exists() or log.stat().st_size == 0
    try:
        connection = connect(path, read_only=True, immutable=is_clean)
        try:
            return read_page(connection, where=where, cursor=cursor, limit=limit)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise store_error(error, path) or error from error
