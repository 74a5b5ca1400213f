"""One SQLite file on disk: looking before touching, opening, migrating, restoring; and what its errors mean."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from host.errors import HostError, StoreCorruptError, StoreUnavailableError

BUSY_MILLISECONDS = 5000
BEFORE_RESTORE = ".before-restore"
_MAGIC = b"SQLite format 3\0"
_CHECKED_BYTES = 8 * 1024 * 1024
"""A file up to this size is checked whole before it is opened: about 4 ms a megabyte."""
_CHECKED_BYTES_UNCLEAN = 32 * 1024 * 1024
_HINTS: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_FULL: ("the disk is full", "free space; the next write tries again"),
    sqlite3.SQLITE_IOERR: ("reading or writing the disk failed", "look at the disk; the next write tries again"),
    sqlite3.SQLITE_READONLY: ("it cannot be written", "check the permissions of the file and its folder"),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", "check the permissions of the file and its folder"),
    sqlite3.SQLITE_PERM: ("it cannot be opened", "check the permissions of the file and its folder"),
    sqlite3.SQLITE_BUSY: ("another process holds it", "end the process that has it open"),
    sqlite3.SQLITE_LOCKED: ("another process holds it", "end the process that has it open"),
    sqlite3.SQLITE_INTERRUPT: ("the query took too long", "narrow the filter"),
    sqlite3.SQLITE_NOMEM: ("memory is exhausted", "give the process more memory"),
}


def store_error(error: sqlite3.Error, path: Path) -> HostError | None:
    """Say what an SQLite error means for a caller; None for one that only a defect of ours can cause."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreCorruptError(f"the store is damaged: {error}", where=str(path), hint="restore a backup")
    if code not in _HINTS:
        return None
    message, hint = _HINTS[code]
    return StoreUnavailableError(f"{message}: {error}", where=str(path), hint=hint)


def look(path: Path, *, versions: int, application_id: int) -> None:
    """Refuse a file that is no store of ours, is truncated, damaged or newer, without modifying it.

    Raises StoreCorruptError, or StoreUnavailableError if it cannot be read. A missing or empty file is fine.
    """
    if not path.exists() or path.stat().st_size == 0:
        return
    is_unclean = _check_header(path)
    try:
        connection = connect(path, read_only=True, immutable=not is_unclean)
        try:
            _check_identity(connection, path, versions, application_id)
            if path.stat().st_size <= (_CHECKED_BYTES_UNCLEAN if is_unclean else _CHECKED_BYTES):
                _refuse_findings(connection.execute("PRAGMA quick_check(1)").fetchall(), path)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise store_error(error, path) or error from error


def connect(path: Path, *, read_only: bool, immutable: bool = False) -> sqlite3.Connection:
    """Open a connection that any one thread at a time may use; transactions are written out in SQL.

    An ``immutable`` file must be nobody's else and have no write-ahead log; then no file appears beside it.
    """
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode={'ro' if read_only else 'rw'}{'&immutable=1' if immutable else ''}",
        uri=True,
        isolation_level=None,
        timeout=BUSY_MILLISECONDS / 1000,
        check_same_thread=False,
        cached_statements=512,
    )
    connection.execute("PRAGMA temp_store=MEMORY")
    connection.execute("PRAGMA foreign_keys=OFF")
    return connection


def open_for_writing(
    path: Path, *, migrations: Sequence[str], synchronous: str, application_id: int
) -> sqlite3.Connection:
    """Create the file if need be, bring it to the newest version and give its one writing connection.

    Raises StoreUnavailableError if it cannot be written.
    """
    connection: sqlite3.Connection | None = None
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = connect(path, read_only=False)
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # takes effect in a new file only
        connection.execute("PRAGMA journal_mode=WAL").fetchone()
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("PRAGMA journal_size_limit=1048576")
        connection.execute("PRAGMA cache_size=-8192")
        _migrate(connection, migrations, application_id)
    except OSError as error:
        raise StoreUnavailableError(
            f"it cannot be written: {error.strerror}",
            where=str(path),
            hint="check the permissions of the file and its folder",
        ) from error
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise store_error(error, path) or error from error
    return connection


def restore_file(path: Path, copy: Path, *, versions: int, application_id: int) -> list[Path]:
    """Put a copy in the place of a store that nobody has open; gives the files replaced.

    The previous file, with its write-ahead log, stays beside it with the suffix ``.before-restore``. Raises
    StoreCorruptError if the copy is missing or unsound, StoreUnavailableError if it cannot be written; then
    nothing changed.
    """
    if not copy.exists() or copy.stat().st_size == 0:
        raise StoreCorruptError("there is no copy of this store", where=str(copy), hint="name another backup")
    look(copy, versions=versions, application_id=application_id)
    temporary = path.with_name(f".{path.name}.restore")
    try:
        shutil.copyfile(copy, temporary)
        temporary.chmod(0o600)
        _flush(temporary)
        _keep_previous(path, path.with_name(path.name + BEFORE_RESTORE))
        temporary.replace(path)
        _flush(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreUnavailableError(f"cannot be restored: {error.strerror}", where=str(path)) from error
    return [path]


def copy_database(source: sqlite3.Connection, target: Path) -> None:
    """Write a consistent, checked copy; an existing ``target`` is replaced once the copy is whole."""
    temporary = target.with_name(f".{target.name}.tmp")
    temporary.unlink(missing_ok=True)
    connection = sqlite3.connect(temporary, isolation_level=None)
    try:
        source.backup(connection)
        connection.execute("PRAGMA journal_mode=DELETE").fetchone()
        _refuse_findings(connection.execute("PRAGMA quick_check").fetchall(), temporary)
    except BaseException:
        connection.close()
        temporary.unlink(missing_ok=True)
        raise
    connection.close()
    temporary.chmod(0o600)
    _flush(temporary)
    temporary.replace(target)
    _flush(target.parent)


def _check_header(path: Path) -> bool:
    """Check the first 100 bytes (sqlite.org/fileformat2.html); say whether a write-ahead log was left behind."""
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except OSError as error:
        raise StoreUnavailableError(f"it cannot be read: {error.strerror}", where=str(path)) from error
    if len(header) < 100 or header[:16] != _MAGIC:
        raise StoreCorruptError("this is no SQLite file", where=str(path), hint="restore a backup or move it away")
    log = path.with_name(path.name + "-wal")
    is_unclean = log.exists() and log.stat().st_size > 0
    page_size = int.from_bytes(header[16:18], "big")
    expected = int.from_bytes(header[28:32], "big") * (65536 if page_size == 1 else page_size)
    if not is_unclean and header[24:28] == header[92:96] and path.stat().st_size < expected:
        raise StoreCorruptError(
            f"the file is truncated: {path.stat().st_size:,} bytes instead of {expected:,}",
            where=str(path),
            hint="restore a backup",
        )
    return is_unclean


def _check_identity(connection: sqlite3.Connection, path: Path, versions: int, application_id: int) -> None:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    found: int = connection.execute("PRAGMA application_id").fetchone()[0]
    tables: int = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if found != application_id and (found or version or tables):
        raise StoreCorruptError("this SQLite file is another program's", where=str(path), hint="move it away")
    if version > versions:
        raise StoreCorruptError(
            f"the store has version {version}; this program knows versions up to {versions}",
            where=str(path),
            hint="use the newer program, or restore a backup made by this one",
        )


def _refuse_findings(rows: Sequence[tuple[str]], path: Path) -> None:
    if rows != [("ok",)]:
        raise StoreCorruptError(f"the store is damaged: {rows[0][0]}", where=str(path), hint="restore a backup")


def _migrate(connection: sqlite3.Connection, migrations: Sequence[str], application_id: int) -> None:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    for number, script in enumerate(migrations[version:], start=version + 1):
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{script}\n;PRAGMA application_id={application_id};"
                f"PRAGMA user_version={number};COMMIT;"
            )
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _keep_previous(path: Path, previous: Path) -> None:
    """Keep the present file under a second name; ``path`` itself stays until it is replaced."""
    if not path.exists():
        return
    _fold_log(path)
    for suffix in ("", "-wal", "-shm"):
        previous.with_name(previous.name + suffix).unlink(missing_ok=True)
    os.link(path, previous)
    log = path.with_name(path.name + "-wal")
    if log.exists():
        log.replace(previous.with_name(previous.name + "-wal"))
    path.with_name(path.name + "-shm").unlink(missing_ok=True)


def _fold_log(path: Path) -> None:
    try:
        connection = connect(path, read_only=False)
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            connection.close()
    except sqlite3.Error:
        return  # a damaged store is kept as it is, with its log beside it


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
