"""What operators decided about jobs, in an SQLite file of the data directory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from host.contracts.contract import Finding, Service
from host.contracts.host import DataDirectory
from host.contracts.maintenance import StoreMaintenance, StoreSize
from host.contracts.registry import JobRegistry, Pause, Registration
from host.local.sql_text import migrations, statements
from host.local.sqlite import SqliteDatabase
from host.local.sqlite_file import restore_file
from host.model.ids import from_microseconds, to_microseconds
from host.model.jobs import JobStartType

FILE_NAME = "registry.sqlite"
APPLICATION_ID = 0x6A685247
"""``jhRG``, in the file's header."""
_MIGRATIONS = migrations("registry")
_SQL = statements("registry.sql")


class SqliteJobRegistry(JobRegistry, StoreMaintenance, Service):
    """Keeps registrations and pauses in ``registry.sqlite``; a change is on the disk when the call returns.

    Raises StoreUnavailableError when the file cannot be read or written, and while the registry is stopped.
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
        """Say whether the last change could not be written."""
        failure = self._database.failure
        return [Finding(message=f"{self._path}: {failure}", is_failure=True)] if failure else []

    async def registrations(self) -> Sequence[Registration]:
        """Give all registrations, oldest first."""
        rows = await self._rows("registrations")
        return [
            Registration(job_type=job_type, start_type=JobStartType(start_type), registered_at=from_microseconds(at))
            for job_type, start_type, at in rows
        ]

    async def register(self, registration: Registration) -> bool:
        """Keep a registration; False if the job type has one already."""
        at = to_microseconds(registration.registered_at)
        return await self._change("register", registration.job_type, registration.start_type.value, at)

    async def unregister(self, job_type: str) -> bool:
        """Forget a registration; False if there was none."""
        return await self._change("unregister", job_type)

    async def pauses(self) -> Sequence[Pause]:
        """Give all pauses, oldest first."""
        rows = await self._rows("pauses")
        return [Pause(scope=scope, reason=reason, by=by, at=from_microseconds(at)) for scope, reason, by, at in rows]

    async def pause(self, pause: Pause) -> bool:
        """Keep a pause; False if the scope is paused already."""
        return await self._change("pause", pause.scope, pause.reason, pause.by, to_microseconds(pause.at))

    async def resume(self, scope: str) -> bool:
        """End a pause; False if there was none."""
        return await self._change("resume", scope)

    @property
    def store_name(self) -> str:
        """``registry``."""
        return "registry"

    async def size(self) -> StoreSize:
        """Give the size of the file with its log, and how many registrations and pauses there are."""
        ((rows,),) = await self._rows("count")
        return StoreSize(bytes=self._database.bytes_on_disk(), rows=rows)

    async def verify(self) -> Sequence[str]:
        """Check the whole file."""
        return await self._database.verify()

    async def optimise(self, *, hold_at_most: timedelta = timedelta(milliseconds=20)) -> str:
        """Refresh statistics and return free space."""
        return await self._database.optimise(hold_at_most)

    async def backup(self, folder: Path) -> Sequence[Path]:
        """Write a checked copy named ``registry.sqlite``."""
        await self._database.backup(folder / FILE_NAME)
        return [folder / FILE_NAME]

    def restore(self, folder: Path) -> Sequence[Path]:
        """Put the copy in place; StoreCorruptError for one that is missing or unsound, which changes nothing."""
        return restore_file(self._path, folder / FILE_NAME, versions=len(_MIGRATIONS), application_id=APPLICATION_ID)

    async def _rows(self, statement: str) -> list[Any]:
        return await self._database.read(lambda connection: connection.execute(_SQL[statement]).fetchall())

    async def _change(self, statement: str, *values: str | int | None) -> bool:
        return await self._database.write(lambda connection: connection.execute(_SQL[statement], values).rowcount > 0)
