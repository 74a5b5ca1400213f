"""Accounts and signing keys as a store: in the host's backups, and put back by a restore."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from host.contracts.maintenance import StoreMaintenance, StoreSize
from host.errors import HostError, StoreCorruptError, StoreUnavailableError
from host_rest.security import account_file, sessions, signing_keys
from host_rest.security.account_file import AccountFile
from host_rest.security.private_files import locked, read_private, replace_private
from host_rest.security.signing_keys import SigningKeys

BEFORE_RESTORE = ".before-restore"
_FILES = (signing_keys.FILE_NAME, account_file.FILE_NAME)
"""In the order they are put back."""


class AccountStore(StoreMaintenance):
    """``accounts.json`` and ``signing-keys.json`` of a data directory; either may be missing.

    Sessions are in no backup. A restore ends them all: older accounts would make those valid again that have ended
    since, with a password that was changed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def store_name(self) -> str:
        """``accounts``."""
        return "accounts"

    async def size(self) -> StoreSize:
        """Give the size of both files."""
        return StoreSize(bytes=sum(path.stat().st_size for path in self._paths(self._folder) if path.exists()))

    async def verify(self) -> Sequence[str]:
        """Read both files."""
        return await asyncio.to_thread(lambda: [text for name in _FILES if (text := self._fault(name)) is not None])

    async def optimise(self, *, hold_at_most: timedelta = timedelta(milliseconds=20)) -> str:
        """Do nothing: the files are written whole."""
        return "nothing to do"

    async def backup(self, folder: Path) -> Sequence[Path]:
        """Write checked copies under the same names."""
        return await asyncio.to_thread(self._copy, folder)

    def restore(self, folder: Path) -> Sequence[Path]:
        """Put the copies in place and end all sessions.

        StoreCorruptError for a copy that is unsound changes nothing.
        """
        copies = {path.name: _sound(path) for path in self._paths(folder) if path.exists()}
        with locked(self._folder / account_file.FILE_NAME):
            self._end_sessions()
            for name, data in copies.items():
                self._keep_previous(name)
                replace_private(self._folder / name, data)
        return [self._folder / name for name in copies]

    def _copy(self, folder: Path) -> Sequence[Path]:
        copies = []
        for path in self._paths(self._folder):
            if path.exists():
                replace_private(folder / path.name, _sound(path))
                copies.append(folder / path.name)
        return copies

    def _fault(self, name: str) -> str | None:
        path = self._folder / name
        try:
            if path.exists():
                _sound(path)
        except HostError as error:
            return f"{path}: {error.message}"
        return None

    def _end_sessions(self) -> None:
        for part in ("-wal", "-shm", ""):
            self._rename(sessions.FILE_NAME + part, f"{sessions.FILE_NAME}{BEFORE_RESTORE}{part}")

    def _keep_previous(self, name: str) -> None:
        found = read_private(self._folder / name)
        if found is not None:
            replace_private(self._folder / f"{name}{BEFORE_RESTORE}", found[0])

    def _rename(self, name: str, new_name: str) -> None:
        try:
            (self._folder / new_name).unlink(missing_ok=True)
            if (self._folder / name).exists():
                (self._folder / name).rename(self._folder / new_name)
        except OSError as error:
            where = str(self._folder / name)
            raise StoreUnavailableError(f"cannot be put aside: {error.strerror}", where=where) from error

    def _paths(self, folder: Path) -> Sequence[Path]:
        return [folder / name for name in _FILES]


def _sound(path: Path) -> bytes:
    """Give what a file holds, if it can be used; raises StoreCorruptError, StoreUnavailableError."""
    found = read_private(path)
    if found is None:
        raise StoreCorruptError("has gone", where=str(path))
    if path.name == account_file.FILE_NAME:
        AccountFile(path).parse(found[0])
    else:
        SigningKeys(path, kept_for=timedelta(0)).parse(found[0])
    return found[0]
