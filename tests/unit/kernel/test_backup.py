"""Archives: written whole, verified, kept few; damaged or hostile ones refused with nothing changed."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import shutil
import sqlite3
import struct
import tarfile
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

import pytest

from host.contracts.host import BackupReport, ConfigurationFiles
from host.contracts.maintenance import StoreMaintenance
from host.errors import HostError, InvalidRequestError, StoreCorruptError, StoreUnavailableError
from host.kernel.backup import ArchiveBackup, FileKind, read_archive
from host.kernel.restore import RestoreReport, restore_archive
from host.testing.clock import FakeClock

Members = list[tuple[tarfile.TarInfo, bytes]]
Manifest = dict[str, Any]
Change = Callable[[Manifest, Members], object]

TAMPERED: dict[str, tuple[str, Change]] = {
    "an unknown format": ("its format is 2", lambda manifest, _: manifest.update(format=2)),
    "a manifest of 5 MB": ("'manifest.json' has", lambda manifest, _: manifest.update(padding=" " * 5_000_000)),
    "a file shorter than listed": (
        "size or SHA-256 differs",
        lambda manifest, _: manifest["files"][0].update(bytes=99),
    ),
    "a file longer than listed": ("at most 1 are expected", lambda manifest, _: manifest["files"][0].update(bytes=1)),
    "a file of another name": ("expected the file", lambda _, rest: setattr(rest[0][0], "name", "configuration/1/x")),
    "other content": ("SHA-256 differs", lambda _, rest: rest.__setitem__(0, (rest[0][0], b"<santedb_config/>"))),
    "a file not listed": ("something follows", lambda _, rest: rest.append((tarfile.TarInfo("stores/runs/x"), b""))),
    "a name listed twice": ("a name twice", lambda manifest, _: manifest["files"].append(manifest["files"][0])),
    "no format": ("malformed", lambda manifest, _: manifest.pop("format")),
    "no list": ("malformed", lambda manifest, _: manifest.pop("files")),
    "a file without a name": ("malformed", lambda manifest, _: manifest["files"][0].pop("name")),
    "a file with a negative size": ("no size or hash", lambda manifest, _: manifest["files"][0].update(bytes=-1)),
    "a file without a hash": ("malformed", lambda manifest, _: manifest["files"][0].pop("sha256")),
    "a file of no kind": ("malformed", lambda manifest, _: manifest["files"][0].pop("kind")),
}


class SqliteStore(StoreMaintenance):
    """A store of one table in one SQLite file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def store_name(self) -> str:
        return self.path.stem

    async def size(self, **_: object) -> NoReturn:
        raise NotImplementedError

    verify = optimise = size

    async def backup(self, folder: Path) -> Sequence[Path]:
        copy = folder / self.path.name
        with closing(sqlite3.connect(self.path)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        return [copy]

    def restore(self, folder: Path) -> Sequence[Path]:
        assert list(folder.iterdir()) == [folder / self.path.name], "nothing is there but the copy"
        if self.path.exists():
            self.path.rename(self.path.with_name(f"{self.path.name}.before-restore"))
        shutil.copyfile(folder / self.path.name, self.path)
        return [self.path]

    def write(self, text: str) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("CREATE TABLE IF NOT EXISTS line (text)")
            connection.execute("INSERT INTO line VALUES (?)", [text])

    def read(self) -> list[str]:
        with closing(sqlite3.connect(self.path)) as connection:
            return [text for (text,) in connection.execute("SELECT text FROM line ORDER BY rowid")]


class DamagedStore(SqliteStore):
    """A store whose copy has a page of garbage, as from a failing disk."""

    async def backup(self, folder: Path) -> Sequence[Path]:
        [copy] = await super().backup(folder)
        copy.write_bytes(copy.read_bytes()[:4096] + b"\xee" * 4096)
        return [copy]


class FullStore(SqliteStore):
    """A store that finds no room for its copy, nor for putting one back."""

    async def backup(self, folder: Path) -> Sequence[Path]:
        (folder / "half").write_bytes(b"half")
        return self.restore(folder)

    def restore(self, folder: Path) -> Sequence[Path]:
        raise OSError(28, "No space left on device", str(self.path))


class Files(ConfigurationFiles):
    def __init__(self, *files: Path) -> None:
        self._files = files

    def files(self) -> Sequence[Path]:
        return self._files


class Place:
    """A host's folders with two stores and two configuration files."""

    def __init__(self, root: Path) -> None:
        self.data, self.folder = root / "data", root / "backups"
        self.data.mkdir()
        self.config = [root / "santedb.config.xml", root / "jobs.xml"]
        for path in self.config:
            path.write_text(f"<{path.stem}/>")
        self.runs, self.registry = SqliteStore(self.data / "runs.db"), SqliteStore(self.data / "registry.db")
        self.stores = (self.runs, self.registry)
        for store in self.stores:
            store.write("kept")
        self.clock = FakeClock()

    def create(self, *stores: StoreMaintenance, keep: int = 7) -> BackupReport:
        work = ArchiveBackup(stores or self.stores, Files(*self.config), self.clock)
        return asyncio.run(work.create(self.folder, keep=keep))

    def restore(self, archive: Path, *stores: StoreMaintenance) -> RestoreReport:
        return restore_archive(archive, stores=stores or self.stores, data_directory=self.data, clock=self.clock)

    def archives(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("*"))

    def snapshot(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in sorted(self.data.rglob("*")) if path.is_file()}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def members(archive: Path) -> Members:
    with tarfile.open(archive) as tar:
        return [(info, file.read()) for info in tar if (file := tar.extractfile(info))]


def rewrite(archive: Path, change: Change) -> None:
    """Write the archive anew after ``change`` had its way with the manifest and the members."""
    (first, text), *rest = members(archive)
    manifest = json.loads(text)
    change(manifest, rest)
    text = json.dumps(manifest).encode()
    first.size = len(text)
    with tarfile.open(archive, "w:gz") as tar:
        for info, data in [(first, text), *rest]:
            tar.addfile(info, io.BytesIO(data))


def add(archive: Path, name: str, data: bytes) -> None:
    """Append a file to the archive and to its manifest."""

    def change(manifest: Manifest, rest: Members) -> None:
        facts = {"name": name, "bytes": len(data), "sha256": sha256(data).hexdigest(), "kind": "store"}
        manifest["files"].append(facts)
        info = tarfile.TarInfo(name)
        info.size = len(data)
        rest.append((info, data))

    rewrite(archive, change)


def refused(place: Place, archive: Path, expected: type[HostError] = StoreCorruptError, *stores: SqliteStore) -> str:
    """Check that the archive is refused, with nothing changed; give the message."""
    before = place.snapshot()
    with pytest.raises(expected) as caught:
        place.restore(archive, *stores)
    assert place.snapshot() == before
    assert not list(place.data.glob(".restoring-*"))
    return str(caught.value)


def test_an_archive_lists_all_files_with_sizes_and_hashes_for_its_owner_alone(place: Place) -> None:
    report = place.create()
    manifest = read_archive(Path(report.archive))
    assert [file.name for file in manifest.files] == [
        "configuration/1/santedb.config.xml",
        "configuration/2/jobs.xml",
        "stores/runs/runs.db",
        "stores/registry/registry.db",
    ]
    assert [file.original for file in manifest.of(FileKind.CONFIGURATION)] == [str(path) for path in place.config]
    assert manifest.created_at == place.clock.now()
    status = Path(report.archive).stat()
    assert (report.files, report.bytes, status.st_mode & 0o777) == (4, status.st_size, 0o600)
    for (info, data), file in zip(members(Path(report.archive))[1:], manifest.files, strict=True):
        assert (info.name, len(data), sha256(data).hexdigest()) == (file.name, file.bytes, file.sha256)


def test_archives_of_one_second_have_different_names(place: Place) -> None:
    names = [Path(place.create().archive).name for _ in range(3)]
    stem = "jobhost-backup-20260101T000000Z"
    assert names == [f"{stem}.tar.gz", f"{stem}-2.tar.gz", f"{stem}-3.tar.gz"]


def test_only_the_newest_archives_are_kept(place: Place) -> None:
    for _ in range(3):
        place.create()
        place.clock.move(1)
    (place.folder / "notes.tar.gz").write_text("mine")
    report = place.create(keep=2)
    assert [Path(name).name for name in report.deleted] == [
        "jobhost-backup-20260101T000001Z.tar.gz",
        "jobhost-backup-20260101T000000Z.tar.gz",
    ]
    assert place.archives() == [
        ".jobhost-backup.lock",
        "jobhost-backup-20260101T000002Z.tar.gz",
        "jobhost-backup-20260101T000003Z.tar.gz",
        "notes.tar.gz",
    ]


def test_the_tenth_archive_of_a_second_is_newer_than_the_others(place: Place) -> None:
    for _ in range(10):
        tenth = place.create(keep=20).archive
    eleventh = place.create(keep=2).archive
    assert set(place.folder.glob("*.tar.gz")) == {Path(tenth), Path(eleventh)}


def test_a_new_archive_is_kept_though_the_clock_went_back(place: Place) -> None:
    newer = place.create(keep=1)
    place.clock.step(-86400)
    older = place.create(keep=1)
    assert older.deleted == (newer.archive,)
    assert Path(older.archive).exists()


def test_keeping_no_archive_is_refused(place: Place) -> None:
    with pytest.raises(InvalidRequestError):
        place.create(keep=0)
    assert not place.folder.exists()


@pytest.mark.parametrize(
    ("store", "words"), [(DamagedStore, "fails SQLite's integrity check"), (FullStore, "No space left on device")]
)
def test_a_failed_backup_leaves_older_archives_alone(place: Place, store: type[SqliteStore], words: str) -> None:
    first = place.create()
    with pytest.raises((StoreCorruptError, StoreUnavailableError), match=words):
        place.create(store(place.runs.path), keep=1)
    assert place.archives() == [".jobhost-backup.lock", Path(first.archive).name]


def test_a_missing_configuration_file_is_named(place: Place) -> None:
    place.config[1].unlink()
    with pytest.raises(StoreUnavailableError, match=r"jobs\.xml"):
        place.create()
    assert place.archives() == [".jobhost-backup.lock"]


def test_a_second_writer_is_refused_and_disturbs_nothing(place: Place) -> None:
    class Meanwhile(SqliteStore):
        async def backup(self, folder: Path) -> Sequence[Path]:
            other = ArchiveBackup([place.runs], Files(), place.clock)
            with pytest.raises(StoreUnavailableError, match="a backup is being written"):
                await other.create(place.folder)
            return await super().backup(folder)

    assert place.create(Meanwhile(place.data / "runs.db")).files == 3


def test_what_a_killed_backup_left_is_swept(place: Place) -> None:
    left = place.folder / ".jobhost-backup-killed" / "content"
    left.mkdir(parents=True)
    place.create()
    assert not left.parent.exists()


def test_a_cancelled_backup_leaves_no_archive_and_frees_the_folder(place: Place) -> None:
    class Slow(SqliteStore):
        async def backup(self, folder: Path) -> Sequence[Path]:
            started.set()
            await asyncio.Event().wait()
            return ()

    started = asyncio.Event()

    async def cancel() -> None:
        work = ArchiveBackup([Slow(place.data / "runs.db")], Files(), place.clock).create(place.folder)
        task = asyncio.ensure_future(work)
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert place.archives() == [".jobhost-backup.lock"]
    place.create()


def test_cancelling_waits_for_the_step_at_hand(place: Place) -> None:
    class Blocking(Files):
        def files(self) -> Sequence[Path]:
            loop.call_soon_threadsafe(started.set)
            assert go_on.wait(60)
            return ()

    async def cancel() -> None:
        work = ArchiveBackup([], Blocking(), place.clock).create(place.folder)
        task = loop.create_task(work)
        await started.wait()
        task.cancel()
        await asyncio.wait([task], timeout=0.01)
        assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    started, go_on = asyncio.Event(), threading.Event()
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        runner.run(cancel())
    assert place.archives() == [".jobhost-backup.lock", "jobhost-backup-20260101T000000Z.tar.gz"]


def test_restoring_brings_back_what_the_stores_held(place: Place) -> None:
    archive = Path(place.create().archive)
    place.runs.write("lost")
    report = place.restore(archive)
    assert place.runs.read() == ["kept"]
    assert SqliteStore(place.data / "runs.db.before-restore").read() == ["kept", "lost"]
    assert report.files == (str(place.runs.path), str(place.registry.path))
    assert report.created_at == place.clock.now()


def test_restored_configuration_is_kept_aside(place: Place) -> None:
    archive = Path(place.create().archive)
    place.config[0].write_text("<changed/>")
    report = place.restore(archive)
    aside = place.data / "restored-configuration"
    assert report.configuration == (str(aside / "1" / "santedb.config.xml"), str(aside / "2" / "jobs.xml"))
    assert (aside / "1" / "santedb.config.xml").read_text() == "<santedb.config/>"
    assert place.config[0].read_text() == "<changed/>"
    (aside / "1" / "santedb.config.xml").write_text("<edited/>")
    place.restore(archive)
    assert (place.data / "restored-configuration.before-restore/1/santedb.config.xml").read_text() == "<edited/>"


def test_a_restored_host_is_marked_to_start_paused(place: Place) -> None:
    archive = Path(place.create().archive)
    place.clock.move(3600)
    place.restore(archive)
    marker = json.loads((place.data / "restored").read_text())
    assert marker["archive"] == str(archive)
    times = [datetime.fromisoformat(marker[name]) for name in ("created_at", "restored_at")]
    assert times == [datetime(2026, 1, 1, 0, tzinfo=UTC), datetime(2026, 1, 1, 1, tzinfo=UTC)]


def test_a_store_that_is_not_in_the_archive_stays_as_it_is(place: Place) -> None:
    archive = Path(place.create(place.runs).archive)
    place.registry.write("new")
    place.restore(archive)
    assert place.registry.read() == ["kept", "new"]


def test_a_store_that_is_not_configured_is_refused(place: Place) -> None:
    archive = Path(place.create().archive)
    assert "no store for registry" in refused(place, archive, InvalidRequestError, place.runs)


def test_a_store_that_cannot_be_put_back_is_named_and_the_host_still_starts_paused(place: Place) -> None:
    archive = Path(place.create().archive)
    with pytest.raises(StoreUnavailableError, match=r"'registry' was not put back.*put back before it: .*runs\.db"):
        place.restore(archive, place.runs, FullStore(place.registry.path))
    assert (place.data / "restored").exists()


def test_a_flipped_bit_is_found_unless_it_inflates_to_the_same_bytes(place: Place) -> None:
    archive = Path(place.create(place.runs).archive)
    whole = archive.read_bytes()
    content, found = gzip.decompress(whole), 0
    for position in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[position] ^= 0x10
        archive.write_bytes(damaged)
        try:
            read_archive(archive)
        except StoreCorruptError:
            found += 1
        else:
            assert gzip.decompress(damaged) == content
    assert found > len(whole) // 10


@pytest.mark.parametrize("kept", [slice(0), slice(20), slice(-300), slice(-9), slice(-1)])
def test_a_truncated_archive_is_refused(place: Place, kept: slice) -> None:
    archive = Path(place.create().archive)
    archive.write_bytes(archive.read_bytes()[kept])
    refused(place, archive)


def test_a_file_that_is_no_archive_is_refused(place: Place, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"<xml/>")
    refused(place, tmp_path / "other")
    refused(place, tmp_path / "absent", StoreUnavailableError)


@pytest.mark.parametrize("what", TAMPERED)
def test_a_tampered_archive_is_refused(place: Place, what: str) -> None:
    archive, (words, change) = Path(place.create().archive), TAMPERED[what]
    rewrite(archive, change)
    assert words in refused(place, archive)


@pytest.mark.parametrize(
    "name",
    [
        "../../escaped",
        "/tmp/escaped",
        "stores/../escaped",
        "stores/runs/../../../escaped",
        "stores/runs/./escaped",
        "stores//escaped",
        "stores/escaped",
        "stores/runs/a\0b",
        "configuration/1/escaped",
    ],
)
def test_a_name_that_leads_out_of_its_folder_is_refused(place: Place, name: str) -> None:
    archive = Path(place.create().archive)
    add(archive, name, b"x")
    assert "leads out of its folder" in refused(place, archive)
    assert not list(place.data.parent.rglob("escaped"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_anything_but_a_plain_file_is_refused(place: Place, kind: bytes) -> None:
    archive = Path(place.create().archive)

    def change(_: Manifest, rest: Members) -> None:
        info = rest[2][0]
        info.type, info.linkname, info.size = kind, "/etc/passwd", 0
        rest[2] = (info, b"")

    rewrite(archive, change)
    assert "expected the file" in refused(place, archive)


def test_a_bomb_is_refused_before_it_is_unpacked(place: Place) -> None:
    archive = Path(place.create().archive)
    add(archive, "stores/runs/zeros", bytes(4_000_000))
    assert archive.stat().st_size < 10_000
    with pytest.raises(StoreCorruptError, match=r"unpacks to 4,0.* at most 1,000,000"):
        read_archive(archive, max_bytes=1_000_000)


def test_a_claim_to_more_than_the_disk_holds_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = Path(place.create().archive)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    assert "0 are free" in refused(place, archive, StoreUnavailableError)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
@pytest.mark.parametrize(
    ("size", "words"),
    [
        (b"77777777777\0", "a header claims"),
        (b"\xff" * 4 + struct.pack(">q", -512), "a header claims"),
        (b"0" * 12, "recursion"),
    ],
)
def test_absurd_headers_are_refused(place: Place, tmp_path: Path, kind: bytes, size: bytes, words: str) -> None:
    header = bytearray(tarfile.TarInfo("long").tobuf(tarfile.USTAR_FORMAT))
    header[124:136], header[156:157], header[148:156] = size, kind, b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    archive = tmp_path / "evil.tar.gz"
    archive.write_bytes(gzip.compress(bytes(header) * 5000))
    assert words in refused(place, archive)


def test_a_sparse_map_that_never_ends_is_refused(place: Place, tmp_path: Path) -> None:
    info = tarfile.TarInfo("sparse")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
    archive = tmp_path / "evil.tar.gz"
    archive.write_bytes(gzip.compress(info.tobuf() + b"1\n" + b"1" * 510))
    assert "cut off" in refused(place, archive)
