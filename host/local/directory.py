"""The folder a host keeps everything in, owned by one process at a time through a lock on ``host.lock``."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import secrets
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from host.contracts.contract import Service, Settings
from host.contracts.host import DataDirectory
from host.errors import DataDirectoryLockedError, StoreUnavailableError

LOCK_NAME = "host.lock"
CHILDREN_SECONDS = 5.0
"""How long a host that starts waits for the children of one that was killed: they end within two seconds."""
LOOK_SECONDS = 0.02
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataDirectorySettings(Settings):
    """Where the data directory is."""

    section: ClassVar[str] = "DataDirectoryConfigurationSection"

    path: Path = Path("data")


class LocalDataDirectory(DataDirectory, Service):
    """A folder of this machine. The lock lasts until ``stop`` and until every child that inherited it has ended.

    ``start`` raises DataDirectoryLockedError while another process owns the folder, or after five seconds if only
    children of an ended one do; StoreUnavailableError if it cannot be created or written. The lock file is never
    deleted: a deleted one could be owned twice.
    """

    is_default = True

    def __init__(self, settings: DataDirectorySettings) -> None:
        self._path = settings.path.absolute()
        self._descriptor: int | None = None
        self._node: str | None = None

    def path(self) -> Path:
        """Give the folder, absolute."""
        return self._path

    def node(self) -> str:
        """Give ``host name/boot/random``; a new one after each ``stop``."""
        if self._node is None:
            self._node = f"{socket.gethostname()}/{_boot()}/{secrets.token_hex(4)}"
        return self._node

    @property
    def lock_descriptor(self) -> int | None:
        """Give the open lock; a child that is to keep the folder owned must be started with it (``pass_fds``)."""
        return self._descriptor

    async def start(self) -> None:
        """Create the folder (0700) if it is missing, and own it."""
        if self._descriptor is not None:
            return
        descriptor = self._open()
        try:
            await self._lock(descriptor)
            self._own(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    async def stop(self) -> None:
        """Give the folder up; children that inherited the lock still hold it."""
        # Invariant: close, never LOCK_UN, which would take the lock from the children too.
        descriptor, self._descriptor, self._node = self._descriptor, None, None
        if descriptor is not None:
            os.close(descriptor)

    def _open(self) -> int:
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(self._path, os.W_OK | os.X_OK):
                is_read_only = os.statvfs(self._path).f_flag & os.ST_RDONLY
                code = errno.EROFS if is_read_only else errno.EACCES
                raise OSError(code, os.strerror(code))
            return os.open(self._path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise self._unusable(error) from error

    async def _lock(self, descriptor: int) -> None:
        end = time.monotonic() + CHILDREN_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError as error:
                pid, _ = _owner(descriptor)
                if time.monotonic() > end or not _has_ended(pid):
                    raise self._locked(descriptor) from error
            except OSError as error:
                raise self._unusable(error) from error
            await asyncio.sleep(LOOK_SECONDS)

    def _own(self, descriptor: int) -> None:
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n{self.node()}\n".encode(), 0)
        except OSError as error:
            raise self._unusable(error) from error
        os.set_inheritable(descriptor, True)

    def _unusable(self, error: OSError) -> StoreUnavailableError:
        return StoreUnavailableError(
            f"the data directory cannot be used: {error.strerror or error}",
            where=str(self._path),
            hint=f"let user {os.geteuid()} write there, or set path in section {DataDirectorySettings.section}",
        )

    def _locked(self, descriptor: int) -> DataDirectoryLockedError:
        pid, node = _owner(descriptor)
        if _has_ended(pid):
            message = f"the data directory is still held by a child of process {pid}, which has ended"
            hint = f"wait for that child or end it; `fuser {self._path / LOCK_NAME}` names it"
        else:
            message = f"the data directory is owned by process {pid}" + (f" ({node})" if node else "")
            hint = "stop that host, or give this one another directory; do not delete the lock file"
        return DataDirectoryLockedError(message, where=str(self._path / LOCK_NAME), hint=hint)


def _boot() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii")[:8]
    except OSError:
        return secrets.token_hex(4)


def _owner(descriptor: int) -> tuple[str, str | None]:
    """Give process id and node of who owns the folder, or did last, as the lock file tells them."""
    pid, *node = os.pread(descriptor, 1000, 0).decode("utf-8", "replace").split() or ["unknown"]
    return pid, node[0] if node else None


def _has_ended(pid: str) -> bool:
    if not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False
