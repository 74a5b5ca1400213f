"""Schedules in SanteDB's xcron.xml."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import structlog

from host.contracts.bus import MessageBus
from host.contracts.clock import Clock
from host.contracts.contract import Finding, Service, Settings
from host.contracts.host import DataDirectory
from host.contracts.maintenance import StoreMaintenance, StoreSize
from host.contracts.schedules import JobScheduleManager
from host.errors import InvalidRequestError, InvalidScheduleError, StoreCorruptError, StoreUnavailableError, XmlError
from host.local.xcron import read_xcron
from host.local.xcron_file import XcronFile
from host.model.messages import ScheduleChanged
from host.model.schedules import JobSchedule, ScheduleEntry
from host.santedb.schedules import read_schedules, write_schedule
from host.santedb.sections import NAMESPACE
from host.santedb.types import XML_SCHEDULES, normalise_type
from host.triggers import check_schedule
from host.xmlfile import Element, elements, new_element, write_atomically

FILE_NAME = "xcron.xml"
LOOK_EVERY_SECONDS = 0.5
MOST_MESSAGES = 16
"""More changed entries than this are told as one message without a job type."""
_MOST_FINDINGS = 20
_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class XmlJobScheduleSettings(Settings):
    """Where the schedules are."""

    section: ClassVar[str] = "XmlJobScheduleConfigurationSection"

    path: Path | None = None
    """None: ``xcron.xml`` in the data directory."""


class XmlJobScheduleManager(JobScheduleManager, StoreMaintenance, Service):
    """Keeps schedules in a file that SanteDB reads too and that may be edited by hand while the host runs.

    An entry with anything wrong in it stays in the file and counts as empty, with a finding. While the file as
    a whole cannot be read, the last good version is in force and every change is refused with
    StoreUnavailableError; at start that version comes from ``<file>.bak``, and without one ``start`` raises
    StoreCorruptError.
    """

    aliases = (XML_SCHEDULES,)
    is_default = True

    def __init__(
        self, directory: DataDirectory, bus: MessageBus, clock: Clock, settings: XmlJobScheduleSettings
    ) -> None:
        self._directory = directory
        self._bus = bus
        self._clock = clock
        self._settings = settings
        self._opened: XcronFile | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the file and begin to watch it."""
        if self._watcher is not None:
            return
        file = XcronFile(self._path())
        await asyncio.to_thread(file.open)
        self._opened = file
        self._watcher = asyncio.get_running_loop().create_task(self._watch(file), name="watch xcron.xml")

    async def stop(self) -> None:
        """End watching."""
        watcher, self._watcher, self._opened = self._watcher, None, None
        if watcher is not None:
            watcher.cancel()
            await asyncio.wait([watcher])
            if not watcher.cancelled():
                watcher.exception()  # told when it happened; no reason not to stop

    def check(self) -> Sequence[Finding]:
        """Tell what is wrong with the file, and with single entries."""
        file = self._opened
        if file is None:
            return ()
        findings = []
        if self._watcher is not None and self._watcher.done():
            findings.append(Finding(message=f"{file.path} is not watched any more", is_failure=True))
        if file.damage is not None:
            findings.append(Finding(message=f"{file.damage}; the last good version is in force"))
        problems = file.in_force.problems
        findings += [Finding(message=f"entry out of force: {problem}") for problem in problems[:_MOST_FINDINGS]]
        if len(problems) > _MOST_FINDINGS:
            findings.append(
                Finding(message=f"{file.path}: {len(problems) - _MOST_FINDINGS} more entries have problems")
            )
        return findings

    async def all(self) -> Sequence[ScheduleEntry]:
        """Give every entry, in file order."""
        return tuple((await self._file()).in_force.entries.values())

    async def get(self, job_type: str) -> ScheduleEntry | None:
        """Give the entry of a job type, version parts of a .NET name aside, or None."""
        return (await self._file()).in_force.entries.get(normalise_type(job_type))

    async def replace(
        self, job_type: str, schedules: Sequence[JobSchedule], *, expected_version: str | None = None
    ) -> ScheduleEntry:
        """Write the job's entry into the file as it is on disk now; an equal list leaves the file untouched."""
        key = normalise_type(job_type)
        if not key:
            raise InvalidRequestError("an entry needs a job type", hint="e.g. package.module:Class")
        stored, rows = _as_stored(schedules)
        file = await self._file()
        try:
            return await asyncio.to_thread(file.replace, key, stored, expected_version=expected_version, rows=rows)
        finally:
            self._tell(file)

    async def clear(self, job_type: str, *, expected_version: str | None = None) -> ScheduleEntry:
        """Write an empty entry."""
        return await self.replace(job_type, (), expected_version=expected_version)

    async def remove(self, job_type: str, *, expected_version: str | None = None) -> bool:
        """Take the job's entry out of the file."""
        file = await self._file()
        try:
            return await asyncio.to_thread(file.remove, normalise_type(job_type), expected_version=expected_version)
        finally:
            self._tell(file)

    @property
    def store_name(self) -> str:
        """Give ``schedules``."""
        return "schedules"

    async def size(self) -> StoreSize:
        """Give the length of the version in force, and its entries as rows."""
        in_force = (await self._file()).in_force
        return StoreSize(bytes=len(in_force.data), rows=len(in_force.entries))

    async def verify(self) -> Sequence[str]:
        """Read the file from disk once more."""
        file = await self._file()
        await asyncio.to_thread(file.refresh)
        self._tell(file)
        damage = [] if file.damage is None else [str(file.damage)]
        return [*damage, *map(str, file.in_force.problems)]

    async def optimise(self, *, hold_at_most: timedelta = timedelta(milliseconds=20)) -> str:
        """Do nothing: every write leaves the file as small as it can be."""
        return "nothing to do"

    async def backup(self, folder: Path) -> Sequence[Path]:
        """Copy the version in force; without a file, one without entries."""
        target = folder / FILE_NAME
        data = (await self._file()).in_force.data
        await asyncio.to_thread(write_atomically, target, data, like=self._path())
        return (target,)

    def restore(self, folder: Path) -> Sequence[Path]:
        """Put the copy in place; raises StoreCorruptError for a missing or unreadable one, then nothing changed."""
        copy, path = folder / FILE_NAME, self._path()
        try:
            data = copy.read_bytes()
            read_xcron(data, name=str(copy))
        except (OSError, XmlError) as error:
            raise StoreCorruptError(f"there is no sound copy of this store: {error}", where=str(copy)) from error
        try:
            previous = path.read_bytes() if path.exists() else None
        except OSError as error:
            raise StoreUnavailableError(f"cannot be read: {error.strerror}", where=str(path)) from error
        if previous is not None:
            write_atomically(path.with_name(f"{path.name}.before-restore"), previous, like=path)
        write_atomically(path.resolve(), data)
        return (path,)

    def _path(self) -> Path:
        return self._settings.path or self._directory.path() / FILE_NAME

    async def _file(self) -> XcronFile:
        if self._opened is None:  # used without start, by a tool that works on the files
            file = XcronFile(self._path())
            await asyncio.to_thread(file.open)
            self._opened = self._opened or file
        return self._opened

    async def _watch(self, file: XcronFile) -> None:
        try:
            while True:
                await self._clock.sleep(LOOK_EVERY_SECONDS)
                await asyncio.to_thread(file.refresh)
                self._tell(file)
        except Exception:
            _logger.exception("schedules file not watched any more", file=str(file.path))
            raise

    def _tell(self, file: XcronFile) -> None:
        changed = sorted(file.take_changes())
        for job_type in changed if len(changed) <= MOST_MESSAGES else [None]:
            self._bus.publish(ScheduleChanged(job_type=job_type))


def _as_stored(schedules: Sequence[JobSchedule]) -> tuple[tuple[JobSchedule, ...], Sequence[Element]]:
    """Give the schedules as they will be read back, and as elements.

    Raises InvalidScheduleError for what cannot be stored or can never fire.
    """
    for schedule in schedules:
        check_schedule(schedule, default_timezone="UTC")
    parent = new_element("schedule", namespace=NAMESPACE, prefixes={None: NAMESPACE})
    parent.extend(write_schedule(schedule) for schedule in schedules)
    try:
        return read_schedules(parent, name="the new schedules"), list(elements(parent))
    except InvalidScheduleError as error:
        raise InvalidScheduleError("; ".join(problem.message for problem in error.problems)) from error
