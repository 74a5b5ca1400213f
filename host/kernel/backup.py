"""Archives of everything needed to bring a host back: their format, writing, checking and restoring them.

An archive is a gzip-compressed tar: ``manifest.json``, then the files it lists, in its order:
``configuration/<n>/<file>`` and ``stores/<store name>/<file>``. It is neither encrypted nor signed.
"""

from __future__ import annotations

import asyncio
import fcntl
import gzip
import io
import json
import os
import re
import shutil
import sqlite3
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from hashlib import file_digest, sha256
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from host.contracts.clock import Clock
from host.contracts.host import BackupReport, ConfigurationFiles, HostBackup
from host.contracts.maintenance import StoreMaintenance
from host.errors import InvalidRequestError, StoreCorruptError, StoreUnavailableError

FORMAT = 1
MAX_FILES = 10_000
MAX_BYTES = 256 * 1024**3
"""What an archive may unpack to."""

_MANIFEST = "manifest.json"
_MANIFEST_BYTES = 4 * 1024**2
_LOCK = ".jobhost-backup.lock"
_WORKSPACE = ".jobhost-backup-"
_ARCHIVE = re.compile(r"jobhost-backup-(\d{8}T\d{6}Z)(?:-(\d+))?\.tar\.gz")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PIECE = 16 * 1024
_private = partial(os.open, mode=0o600)
_DAMAGE = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError, RecursionError)

R = TypeVar("R")


class FileKind(StrEnum):
    """What a file in an archive is."""

    CONFIGURATION = "configuration"
    STORE = "store"

    @property
    def folder(self) -> str:
        """Give the folder in the archive that holds files of this kind."""
        return "stores" if self is FileKind.STORE else "configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFile:
    """One file in an archive."""

    name: str
    """Its path in the archive."""
    bytes: int
    sha256: str
    kind: FileKind
    original: str | None = None
    """Where a configuration file stood, absolute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an archive holds."""

    created_at: datetime
    host_version: str
    files: tuple[ArchivedFile, ...]
    """In the order they stand in the archive."""

    def of(self, kind: FileKind) -> tuple[ArchivedFile, ...]:
        """Give the files of one kind, in order."""
        return tuple(file for file in self.files if file.kind is kind)


class ArchiveBackup(HostBackup):
    """Writes ``jobhost-backup-<UTC>.tar.gz`` (0600) from the configured stores and the configuration files.

    A folder serves one host: a second writer at the same time is refused with StoreUnavailableError. Needs room
    for one uncompressed copy beside the new archive. Cancelling takes effect after the step at hand.
    """

    is_default = True

    def __init__(self, stores: Sequence[StoreMaintenance], files: ConfigurationFiles, clock: Clock) -> None:
        self._stores = stores
        self._files = files
        self._clock = clock

    async def create(self, folder: Path, *, keep: int = 7) -> BackupReport:
        """Write and verify an archive, then delete all but the newest ``keep``; the new one stays in any case."""
        if keep < 1:
            raise InvalidRequestError(f"keep is {keep}", hint="at least the new archive is kept; give 1 or more")
        workspace = _Workspace(folder)
        try:
            await in_thread(workspace.open)
            copies: list[Path] = []
            for store in self._stores:
                target = workspace.content / FileKind.STORE.folder / store.store_name
                await in_thread(partial(target.mkdir, parents=True))
                copies += await store.backup(target)
            return await in_thread(partial(self._finish, workspace, copies, keep))
        except OSError as error:
            raise unavailable("the backup was not completed", error, folder) from error
        finally:
            await in_thread(workspace.close)

    def _finish(self, workspace: _Workspace, copies: Sequence[Path], keep: int) -> BackupReport:
        content = workspace.content
        manifest = Manifest(
            created_at=self._clock.now().astimezone(UTC),
            host_version=version("jobhost"),
            files=(
                *_copy_configuration(self._files.files(), content),
                *(_describe(content, copy, FileKind.STORE) for copy in copies),
            ),
        )
        _write_archive(workspace.archive, content, manifest)
        shutil.rmtree(content, ignore_errors=True)
        # Invariant: no archive bears its final name before every byte of it was read back and found right.
        try:
            read_archive(workspace.archive, scratch=workspace.path)
        except StoreCorruptError as error:
            message = f"the new archive failed its verification and was deleted: {error.message}"
            raise StoreCorruptError(message, where=str(workspace.folder), hint=error.hint) from error
        archive = workspace.publish(manifest.created_at)
        deleted = _delete_old(archive, keep)
        return BackupReport(
            archive=str(archive), bytes=archive.stat().st_size, files=len(manifest.files), deleted=tuple(deleted)
        )


def read_archive(archive: Path, *, scratch: Path | None = None, max_bytes: int = MAX_BYTES) -> Manifest:
    """Check every byte of an archive, and the SQLite files in it for integrity; keeps nothing.

    Unpacks into a folder of its own in ``scratch`` (default: the system's temporary folder). Raises
    StoreCorruptError for anything but a whole, unchanged archive of at most ``max_bytes`` of content,
    StoreUnavailableError if it cannot be read or there is no room to unpack it.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="jobhost-archive-", dir=scratch) as folder:
            return unpack(archive, Path(folder), max_bytes)
    except OSError as error:
        raise unavailable("the archive cannot be read", error, archive) from error


class _Workspace:
    """A private folder beside the archives, and the lock that makes its owner the only writer there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder
        self._lock: int | None = None

    @property
    def content(self) -> Path:
        return self.path / "content"

    @property
    def archive(self) -> Path:
        return self.path / "archive.tar.gz"

    def open(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            hint = "wait for it; hosts must not share a folder for backups"
            raise StoreUnavailableError("a backup is being written here", where=str(self.folder), hint=hint) from error
        for left in self.folder.glob(f"{_WORKSPACE}*"):
            shutil.rmtree(left, ignore_errors=True)
        self.path = Path(tempfile.mkdtemp(prefix=_WORKSPACE, dir=self.folder))
        self.content.mkdir()

    def publish(self, created_at: datetime) -> Path:
        stem = f"jobhost-backup-{created_at:%Y%m%dT%H%M%SZ}"
        names = (f"{stem}-{number}.tar.gz" if number > 1 else f"{stem}.tar.gz" for number in count(1))
        target = next(path for path in map(self.folder.joinpath, names) if not path.exists())
        self.archive.rename(target)
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return target

    def close(self) -> None:
        if self.path != self.folder:
            shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class _Pieces(io.RawIOBase):
    """What tarfile reads an archive through: small pieces only, and an early end is an error.

    Otherwise tarfile reads a header of any claimed length into memory, takes some negative ones, and takes a
    cut-off file for the end of the archive.
    """

    def __init__(self, inflated: gzip.GzipFile) -> None:
        self._inflated = inflated

    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= _PIECE:
            raise tarfile.ReadError(f"a header claims {size:,} bytes")
        data = self._inflated.read(size)
        if len(data) < size:
            raise EOFError("it is cut off")
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._inflated.seek(offset, whence)

    def tell(self) -> int:
        return self._inflated.tell()


async def in_thread(work: Callable[[], R]) -> R:
    """Do blocking work; when cancelled, wait for it first, since a thread cannot be stopped."""
    future = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        future.exception()
        raise


def _copy_configuration(files: Sequence[Path], content: Path) -> Iterator[ArchivedFile]:
    for number, file in enumerate(files, 1):
        copy = content / FileKind.CONFIGURATION.folder / str(number) / file.name
        copy.parent.mkdir(parents=True)
        shutil.copyfile(file, copy)
        yield _describe(content, copy, FileKind.CONFIGURATION, original=str(file))


def _describe(content: Path, copy: Path, kind: FileKind, *, original: str | None = None) -> ArchivedFile:
    with copy.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    name = copy.relative_to(content).as_posix()
    return ArchivedFile(name=name, bytes=copy.stat().st_size, sha256=digest, kind=kind, original=original)


def _write_archive(archive: Path, content: Path, manifest: Manifest) -> None:
    fields = {"format": FORMAT, **asdict(manifest), "created_at": manifest.created_at.isoformat()}
    text = json.dumps(fields, indent=1).encode()
    seconds = int(manifest.created_at.timestamp())
    with open(archive, "xb", opener=_private) as file:
        with (
            gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6, mtime=seconds) as deflated,
            tarfile.open(fileobj=deflated, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            _add(tar, _MANIFEST, len(text), seconds, io.BytesIO(text))
            for entry in manifest.files:
                with (content / entry.name).open("rb") as source:
                    _add(tar, entry.name, entry.bytes, seconds, source)
        file.flush()
        os.fsync(file.fileno())


def _add(tar: tarfile.TarFile, name: str, size: int, seconds: int, source: BinaryIO) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, seconds, 0o600
    tar.addfile(info, source)


def _delete_old(newest: Path, keep: int) -> Iterator[str]:
    """Delete the oldest archives beside ``newest``, by their names; ``newest`` counts whatever its name says."""
    found = ((_ARCHIVE.fullmatch(path.name), path) for path in newest.parent.iterdir() if path != newest)
    others = sorted(((match[1], int(match[2] or 1), path) for match, path in found if match), reverse=True)
    for _, _, path in others[keep - 1 :]:
        path.unlink(missing_ok=True)
        yield str(path)


def unpack(archive: Path, target: Path, max_bytes: int) -> Manifest:
    """Unpack a whole, unchanged archive into a folder; raises StoreCorruptError for any other."""
    try:
        with gzip.open(archive, "rb") as inflated:
            stream = _Pieces(inflated)
            with tarfile.open(fileobj=stream, mode="r:") as tar:
                manifest = _parse_manifest(b"".join(_member(tar, stream, _MANIFEST, most=_MANIFEST_BYTES)))
                _check_room(manifest, target, max_bytes)
                for entry in manifest.files:
                    _extract(_member(tar, stream, entry.name, most=entry.bytes), entry, target)
            # A tar ends in less than a record of zeros; reading past them also checks gzip's own checksum.
            rest = inflated.read(_PIECE)
            if len(rest) == _PIECE or any(rest):
                raise tarfile.ReadError("something follows the last file that the manifest lists")
    except _DAMAGE as error:
        raise StoreCorruptError(
            f"the archive cannot be used: {error or type(error).__name__}", where=str(archive), hint="use another one"
        ) from error
    for entry in manifest.of(FileKind.STORE):
        _check_sqlite(target / entry.name, entry.name, archive)
    return manifest


def _member(tar: tarfile.TarFile, stream: _Pieces, name: str, *, most: int) -> Iterator[bytes]:
    """Read the next member, which must be the plain file ``name`` of at most ``most`` bytes, piece by piece."""
    info = tar.next()
    if info is None or info.name != name or not info.isreg() or info.issparse():
        raise tarfile.ReadError(f"expected the file {name!r}, found {info.name if info else 'nothing'!r}")
    if not 0 <= info.size <= most:
        raise tarfile.ReadError(f"{name!r} has {info.size:,} bytes, at most {most:,} are expected")
    stream.seek(info.offset_data)
    for start in range(0, info.size, _PIECE):
        yield stream.read(min(_PIECE, info.size - start))


def _parse_manifest(text: bytes) -> Manifest:
    try:
        fields = json.loads(text)
        if fields["format"] != FORMAT:
            raise ValueError(f"its format is {fields['format']!r}; this version reads format {FORMAT}")
        files = tuple(_parse_file(item) for item in fields["files"])
        created_at, host_version = datetime.fromisoformat(fields["created_at"]), str(fields["host_version"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"its manifest is malformed: {error!r}") from error
    if len(files) > MAX_FILES or len({file.name for file in files}) < len(files):
        raise ValueError(f"its manifest lists a name twice, or more than {MAX_FILES:,} files")
    return Manifest(created_at=created_at.astimezone(UTC), host_version=host_version, files=files)


def _parse_file(item: dict[str, Any]) -> ArchivedFile:
    entry = ArchivedFile(**{**item, "kind": FileKind(item["kind"])})
    first, *rest = entry.name.split("/")
    if (
        first != entry.kind.folder
        or len(rest) < 2
        or any(part in {"", ".", ".."} for part in rest)
        or "\0" in entry.name
    ):
        raise ValueError(f"the name {entry.name!r} leads out of its folder")
    if not isinstance(entry.bytes, int) or entry.bytes < 0 or not _SHA256.fullmatch(entry.sha256):
        raise ValueError(f"its manifest gives no size or hash for {entry.name!r}")
    return entry


def _check_room(manifest: Manifest, target: Path, max_bytes: int) -> None:
    total, free = sum(file.bytes for file in manifest.files), shutil.disk_usage(target).free
    if total > max_bytes:
        raise ValueError(f"it unpacks to {total:,} bytes; at most {max_bytes:,} are allowed")
    if total > free:
        raise StoreUnavailableError(f"unpacking needs {total:,} bytes, {free:,} are free", where=str(target))


def _extract(pieces: Iterator[bytes], entry: ArchivedFile, target: Path) -> None:
    path, digest, size = target / entry.name, sha256(), 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "xb", opener=_private) as file:
        for piece in pieces:
            digest.update(piece)
            size += file.write(piece)
    if size != entry.bytes or digest.hexdigest() != entry.sha256:
        raise ValueError(f"{entry.name!r} is not what was written: its size or SHA-256 differs")


def _check_sqlite(path: Path, name: str, archive: Path) -> None:
    with path.open("rb") as file:
        if file.read(16) != b"SQLite format 3\0":
            return
    before = set(path.parent.iterdir())
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            findings = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
    except sqlite3.DatabaseError as error:
        findings = [str(error)]
    for left in set(path.parent.iterdir()) - before:  # -wal and -shm of a file in WAL mode
        left.unlink()
    if findings != ["ok"]:
        raise StoreCorruptError(
            f"{name} fails SQLite's integrity check: {'; '.join(findings)}",
            where=str(archive),
            hint="the store was damaged when it was copied; use an older archive, and check the store",
        )


def unavailable(message: str, error: OSError, where: Path) -> StoreUnavailableError:
    """Give the error for what the operating system refuses."""
    place = error.filename if isinstance(error.filename, str) else str(where)
    return StoreUnavailableError(f"{message}: {error.strerror or error}", where=place)
