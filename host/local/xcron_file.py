"""xcron.xml on disk: the version in force, its backup, and what others change in the file meanwhile."""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import structlog

from host.errors import (
    InvalidRequestError,
    ScheduleVersionError,
    StoreCorruptError,
    StoreUnavailableError,
    XmlError,
)
from host.local.xcron import EMPTY, Xcron, read_xcron, rewrite
from host.model.schedules import JobSchedule, ScheduleEntry
from host.santedb.schedules import write_schedule
from host.xmlfile import MAX_BYTES, Element, write_atomically

_Signature: TypeAlias = tuple[int, int, int] | tuple[()]
"""Modification time, size and inode; empty for a missing file."""

_MOST_WARNINGS = 20
_UNREAD = b"\0"
_logger = structlog.get_logger(__name__)


class XcronFile:
    """One file and its backup. Most methods block; all may be called from any thread.

    ``in_force`` is the last version that could be read; a file that is damaged later changes nothing but
    ``damage``, and is never written over. The backup, ``<file>.bak``, is at most one of our own changes older.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.backup = path.with_name(f"{path.name}.bak")
        self.in_force = read_xcron(EMPTY, name=str(path))
        self.damage: XmlError | None = None
        """Why the file as it is now cannot be read."""
        self._guard = threading.Lock()  # held for every look at the file and every write
        self._data: bytes | None = None
        self._seen: _Signature | None = None
        self._kept: bytes | None = None
        self._has_vanished = False
        self._changed: deque[str] = deque()  # filled under the guard, emptied without

    def open(self) -> None:
        """Read the file, or its backup if it is damaged; a missing file has no entries.

        Raises StoreCorruptError if the file is damaged and no sound backup is there.
        """
        with self._guard:
            self._seen, self._has_vanished = None, False
            with suppress(OSError):
                self._kept = self.backup.read_bytes()
            try:
                self._data = self._read()
                self._accept(self._data)
            except XmlError as error:
                self._open_backup(error)
            self._changed.clear()
            if self._data is None and self._kept is not None:
                _logger.warning("schedules file missing", file=str(self.path), backup=str(self.backup))

    def refresh(self) -> None:
        """Take in what others changed on disk; costs next to nothing while nothing did."""
        with self._guard:
            self._refresh()

    def take_changes(self) -> set[str]:
        """Give the job types whose entries changed, by anybody, since the last call; never waits."""
        return {self._changed.popleft() for _ in range(len(self._changed))}

    def replace(
        self,
        job_type: str,
        schedules: Sequence[JobSchedule],
        *,
        expected_version: str | None,
        rows: Sequence[Element] | None = None,
    ) -> ScheduleEntry:
        """Write the job's entry, unless it is equal already, into the file as it is on disk now.

        ``rows`` are the schedules as elements, where the caller has them; they become part of the file.
        Raises ScheduleVersionError, and StoreUnavailableError if the file is damaged or cannot be written; then
        nothing changed.
        """
        with self._guard:
            entry = self._find(job_type, expected_version)
            if entry is None or job_type in self.in_force.refused or not _are_equal(entry.schedules, schedules):
                self._write(job_type, [write_schedule(schedule) for schedule in schedules] if rows is None else rows)
            return self.in_force.entries[job_type]

    def remove(self, job_type: str, *, expected_version: str | None) -> bool:
        """Take the job's entry out of the file; False if there is none. Raises as ``replace``."""
        with self._guard:
            entry = self._find(job_type, expected_version)
            if entry is not None:
                self._write(job_type, None)
            return entry is not None

    def _find(self, job_type: str, expected_version: str | None) -> ScheduleEntry | None:
        self._refresh()
        if self.damage is not None:
            raise StoreUnavailableError(
                f"the schedules file is damaged and is not written over: {self.damage.message}",
                where=self.damage.where,
                hint=f"repair it; the last good version is {self.backup}",
            ) from self.damage
        entry = self.in_force.entries.get(job_type)
        if expected_version is not None and expected_version != (entry.version if entry else ""):
            raise ScheduleVersionError(
                f"the schedules of {job_type} are not those you read",
                where=entry.source if entry else str(self.path),
                hint="read them again and repeat the change",
            )
        return entry

    def _write(self, job_type: str, rows: Sequence[Element] | None) -> None:
        try:
            data = rewrite(self.in_force, job_type, rows)
            after = read_xcron(data, name=str(self.path), before=self.in_force, touched=job_type)
        except ValueError as error:
            raise InvalidRequestError(f"job type {job_type!r} cannot be written as XML") from error
        except XmlError as error:
            raise StoreUnavailableError(f"cannot be written: {error.message}", where=error.where) from error
        if self._data is not None:
            self._check_writable()
            self._keep()
        write_atomically(self.path.resolve(), data)
        self._data, self._seen, self.in_force = data, None, after
        self._changed.append(job_type)

    def _check_writable(self) -> None:
        # A rename would replace a read-only file all the same, and root may write to any.
        try:
            is_writable = bool(self.path.stat().st_mode & 0o222) and os.access(self.path, os.W_OK)
        except OSError:
            return
        if not is_writable:
            raise StoreUnavailableError(
                "the schedules file is read-only", where=str(self.path), hint="allow writing it"
            )

    def _refresh(self) -> None:
        signature = self._signature()
        if signature is not None and signature == self._seen:
            return
        if signature == () and self._data is not None and not self._has_vanished:
            self._has_vanished = True  # an editor may stand between its rename and its write
            return
        self._has_vanished = False
        before = self.in_force
        try:
            data = self._read()
            if data == self._data:
                self._seen = signature  # read twice alike: a write within one tick of the file's clock is not missed
                return
            self._data, self._seen = data, None
            self._accept(data)
        except XmlError as error:
            self._report_damage(error)
        self._changed.extend(_differences(before, self.in_force))

    def _signature(self) -> _Signature | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return ()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> bytes | None:
        try:
            if self.path.stat().st_size > MAX_BYTES:
                raise XmlError(f"the file is too large; at most {MAX_BYTES:,} bytes are read", where=str(self.path))
            return self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            self._data, self._seen = _UNREAD, None
            raise XmlError(f"cannot be read: {error.strerror}", where=str(self.path)) from error

    def _accept(self, data: bytes | None) -> None:
        before = self.in_force
        self.in_force = read_xcron(EMPTY if data is None else data, name=str(self.path), before=before)
        if data is None and before.entries:
            _logger.warning("schedules file gone", file=str(self.path), backup=str(self.backup))
        if self.damage is not None:
            _logger.info("schedules file repaired", file=str(self.path))
        self.damage = None
        news = [problem for problem in self.in_force.problems if problem not in before.problems]
        for problem in news[:_MOST_WARNINGS]:
            _logger.warning("schedule entry out of force", where=problem.where, problem=problem.message)
        if len(news) > _MOST_WARNINGS:
            _logger.warning("schedule entries out of force", file=str(self.path), more=len(news) - _MOST_WARNINGS)
        self._try_keep()

    def _report_damage(self, error: XmlError) -> None:
        if self.damage is None or str(self.damage) != str(error):
            _logger.warning(
                "schedules file damaged, last good version in force", where=error.where, problem=error.message
            )
        self.damage = error
        self._try_keep()

    def _open_backup(self, error: XmlError) -> None:
        try:
            if self._kept is None:
                raise XmlError("there is no backup", where=str(self.backup))
            self.in_force = read_xcron(self._kept, name=str(self.backup))
        except XmlError as unusable:
            raise StoreCorruptError(
                f"the schedules file cannot be read: {error.message}",
                where=error.where,
                hint=f"repair it, or put a good copy in its place; its backup cannot help: {unusable}",
            ) from error
        _logger.warning(
            "schedules file damaged, backup in force",
            where=error.where,
            problem=error.message,
            backup=str(self.backup),
        )
        self.damage = error

    def _keep(self) -> None:
        """Make the version in force the backup, unless it is already, or stands for a missing file."""
        if self.in_force.data not in (EMPTY, self._kept):
            write_atomically(self.backup, self.in_force.data, like=self.path)
            self._kept = self.in_force.data

    def _try_keep(self) -> None:
        with suppress(StoreUnavailableError):  # reading must work where nothing may be written
            self._keep()


def _are_equal(some: Sequence[JobSchedule], others: Sequence[JobSchedule]) -> bool:
    return tuple(some) == tuple(others) and [_parameters(one) for one in some] == [_parameters(one) for one in others]


def _parameters(schedule: JobSchedule) -> str:
    return json.dumps(schedule.parameters, sort_keys=True)  # in Python True equals 1, for a job it does not


def _differences(before: Xcron, after: Xcron) -> set[str]:
    names = before.entries.keys() | after.entries.keys()
    return {name for name in names if _version(before, name) != _version(after, name)}


def _version(xcron: Xcron, job_type: str) -> str | None:
    entry = xcron.entries.get(job_type)
    return entry.version if entry else None
