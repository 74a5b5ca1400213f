"""Small files that nobody else may read: replaced whole, and locked while they change."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from host.errors import StoreCorruptError, StoreUnavailableError

MAX_BYTES = 16 * 1024 * 1024
LOCK_SECONDS = 10.0
"""How long a change of another process is waited for; it takes milliseconds."""
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW


def read_private(path: Path) -> tuple[bytes, os.stat_result] | None:
    """Read a file and its state at that time; None if there is none.

    Raises StoreCorruptError for what is no plain file of a sensible size, StoreUnavailableError if it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | _FLAGS)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise StoreCorruptError("is a symbolic link; expected a plain file", where=str(path)) from error
        raise StoreUnavailableError(f"cannot be read: {error.strerror}", where=str(path)) from error
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            raise StoreCorruptError("is no plain file", where=str(path))
        if state.st_size > MAX_BYTES:
            raise StoreCorruptError(f"is larger than {MAX_BYTES:,} bytes", where=str(path))
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_BYTES + 1), state
    except OSError as error:
        raise StoreUnavailableError(f"cannot be read: {error.strerror}", where=str(path)) from error
    finally:
        os.close(descriptor)


def replace_private(path: Path, data: bytes) -> None:
    """Replace a file so that after any crash it is wholly the old one or wholly the new one; 0600 from the start.

    Raises StoreUnavailableError; then the old file is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600), "wb") as file:
            _hand_over(file.fileno(), path.parent)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreUnavailableError(f"cannot be written: {error.strerror}", where=str(path)) from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file, ``<file>.lock`` beside it, alone among all processes and threads.

    Makes the folder (0700) if it is missing. Waits for the lock, blocking; raises StoreUnavailableError after 10 s.
    The lock file is never deleted: a deleted one could be held twice.
    """
    lock = path.with_name(f"{path.name}.lock")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
    except OSError as error:
        raise StoreUnavailableError(f"cannot be locked: {error.strerror}", where=str(lock)) from error
    try:
        _hand_over(descriptor, path.parent)
        _wait_for(descriptor, lock)
        yield
    finally:
        os.close(descriptor)


def _hand_over(descriptor: int, folder: Path) -> None:
    """Let a file belong to whom the folder belongs to: what root changes, the host must still be able to read."""
    owner = folder.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _wait_for(descriptor: int, lock: Path) -> None:
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= until:
                message = f"has been held by another process for {LOCK_SECONDS:.0f} s"
                hint = f"`fuser {lock}` names it; nothing was changed"
                raise StoreUnavailableError(message, where=str(lock), hint=hint) from error
            time.sleep(0.01)
        except OSError as error:
            raise StoreUnavailableError(f"cannot be locked: {error.strerror}", where=str(lock)) from error
        else:
            return
