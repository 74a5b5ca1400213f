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
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from host.contracts.host import BackupReport, ConfigurationFiles
from host.contracts.maintenance import StoreMaintenance, StoreSize
from host.errors import HostError, InvalidRequestError, StoreCorruptError, StoreUnavailableError
from host.kernel import backup
from host.kernel.backup import ArchiveBackup, FileKind, RestoreReport, read_archive, restore_archive
from host.testing.clock import FakeClock


class SqliteStore(StoreMaintenance):
    """A store of one table in one SQLite file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def store_name(self) -> str:
        return self.path.stem

    async def size(self) -> StoreSize:
        return StoreSize(bytes=self.path.stat().st_size)

    async def verify(self) -> Sequence[str]:
        return ()

    async def optimise(self, *, hold_at_most: timedelta = timedelta(milliseconds=20)) -> str:
        return "nothing to do"

    async def backup(self, folder: Path) -> Sequence[Path]:
        copy = folder / self.path.name
        with closing(sqlite3.connect(self.path)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        return [copy]

    def restore(self, folder: Path) -> Sequence[Path]:
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
        damage = bytearray(copy.read_bytes())
        damage[4096:8192] = b"\xee" * 4096
        copy.write_bytes(damage)
        return [copy]


class FullStore(SqliteStore):
    """A store that finds no room for its copy."""

    async def backup(self, folder: Path) -> Sequence[Path]:
        (folder / "half").write_bytes(b"half")
        raise OSError(28, "No space left on device", str(folder / "half"))


class UnwritableStore(SqliteStore):
    """A store that cannot be put back."""

    def restore(self, folder: Path) -> Sequence[Path]:
        raise PermissionError(13, "Permission denied", str(self.path))


class Files(ConfigurationFiles):
    def __init__(self, *files: Path) -> None:
        self._files = files

    def files(self) -> Sequence[Path]:
        return self._files


class Place:
    """A host's folders with two stores and two configuration files."""

    def __init__(self, root: Path) -> None:
        self.data = root / "data"
        self.folder = root / "backups"
        self.data.mkdir()
        self.config = [root / "santedb.config.xml", root / "jobs.xml"]
        for path in self.config:
            path.write_text(f"<{path.stem}/>")
        self.runs, self.registry = SqliteStore(self.data / "runs.db"), SqliteStore(self.data / "registry.db")
        for store in (self.runs, self.registry):
            store.write("kept")
        self.clock = FakeClock()

    def create(self, *stores: StoreMaintenance, keep: int = 7) -> BackupReport:
        chosen = stores or (self.runs, self.registry)
        return asyncio.run(ArchiveBackup(chosen, Files(*self.config), self.clock).create(self.folder, keep=keep))

    def restore(self, archive: Path, *stores: StoreMaintenance) -> RestoreReport:
        chosen = stores or (self.runs, self.registry)
        return restore_archive(archive, stores=chosen, data_directory=self.data, clock=self.clock)

    def archives(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("*"))

    def snapshot(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in sorted(self.data.rglob("*")) if path.is_file()}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def members(archive: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(archive) as tar:
        return [(info, tar.extractfile(info).read()) for info in tar]  # type: ignore[union-attr]  # all are files


def rewrite(archive: Path, change: Callable[[dict[str, object], list[tuple[tarfile.TarInfo, bytes]]], None]) -> None:
    """Write the archive anew after ``change`` had its way with the manifest and the members."""
    (first, text), *rest = members(archive)
    manifest = json.loads(text)
    change(manifest, rest)
    text = json.dumps(manifest).encode()
    first.size = len(text)
    with tarfile.open(archive, "w:gz") as tar:
        for info, data in [(first, text), *rest]:
            tar.addfile(info, io.BytesIO(data))


def forged(name: str, data: bytes, *, kind: str = "store") -> dict[str, object]:
    return {"name": name, "bytes": len(data), "sha256": sha256(data).hexdigest(), "kind": kind, "original": None}


def refused(place: Place, archive: Path, expected: type[HostError] = StoreCorruptError) -> str:
    """Check that the archive is refused, with nothing changed; give the message."""
    before = place.snapshot()
    with pytest.raises(expected) as caught:
        place.restore(archive)
    assert place.snapshot() == before
    assert not list(place.data.glob(".restoring-*"))
    return str(caught.value)


def test_an_archive_lists_configuration_then_stores_with_sizes_and_hashes(place: Place) -> None:
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
    assert (report.files, report.bytes) == (4, Path(report.archive).stat().st_size)
    for (info, data), file in zip(members(Path(report.archive))[1:], manifest.files, strict=True):
        assert (info.name, len(data), sha256(data).hexdigest()) == (file.name, file.bytes, file.sha256)


def test_an_archive_is_readable_by_its_owner_alone(place: Place) -> None:
    assert Path(place.create().archive).stat().st_mode & 0o777 == 0o600


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


def test_the_tenth_archive_of_a_second_is_newer_than_the_second(place: Place) -> None:
    reports = [place.create(keep=20) for _ in range(10)]
    assert place.create(keep=2).deleted[0] == reports[8].archive


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


def test_a_damaged_store_makes_no_archive_and_costs_no_older_one(place: Place) -> None:
    first = place.create()
    damaged = DamagedStore(place.data / "runs.db")
    for number in range(2000):
        damaged.write(str(number)) if number < 3 else None
    with pytest.raises(StoreCorruptError, match="integrity check"):
        place.create(damaged, keep=1)
    assert place.archives() == [".jobhost-backup.lock", Path(first.archive).name]


def test_a_full_disk_leaves_older_archives_and_no_temporary_file(place: Place) -> None:
    first = place.create()
    with pytest.raises(StoreUnavailableError, match="No space left on device"):
        place.create(FullStore(place.data / "runs.db"), keep=1)
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

    report = place.create(Meanwhile(place.data / "runs.db"))
    assert read_archive(Path(report.archive)).of(FileKind.STORE)


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
    assert datetime.fromisoformat(marker["created_at"]) == datetime(2026, 1, 1, tzinfo=UTC)
    assert datetime.fromisoformat(marker["restored_at"]) == datetime(2026, 1, 1, 1, tzinfo=UTC)


def test_a_store_that_is_not_in_the_archive_stays_as_it_is(place: Place) -> None:
    archive = Path(place.create(place.runs).archive)
    place.registry.write("new")
    place.restore(archive)
    assert place.registry.read() == ["kept", "new"]


def test_a_store_that_is_not_configured_is_refused(place: Place) -> None:
    archive = Path(place.create().archive)
    before = place.snapshot()
    with pytest.raises(InvalidRequestError, match="registry"):
        place.restore(archive, place.runs)
    assert place.snapshot() == before


def test_a_store_that_cannot_be_put_back_is_named_and_the_host_still_starts_paused(place: Place) -> None:
    archive = Path(place.create().archive)
    with pytest.raises(StoreUnavailableError, match=r"'registry' was not put back.*put back before it: .*runs\.db"):
        place.restore(archive, place.runs, UnwritableStore(place.registry.path))
    assert (place.data / "restored").exists()


def test_every_flipped_byte_is_found(place: Place) -> None:
    archive = Path(place.create(place.runs).archive)
    whole = archive.read_bytes()
    unseen = []
    for position in range(10, len(whole), max(1, len(whole) // 60)):  # the first ten are gzip's header
        damaged = bytearray(whole)
        damaged[position] ^= 0x10
        archive.write_bytes(damaged)
        try:
            read_archive(archive)
        except StoreCorruptError:
            continue
        unseen.append(position)
    assert unseen == []


@pytest.mark.parametrize("part", [0, 0.01, 0.5, 0.99])
def test_a_truncated_archive_is_refused(place: Place, part: float) -> None:
    archive = Path(place.create().archive)
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * part)])
    refused(place, archive)


def test_an_archive_without_its_last_byte_is_refused(place: Place) -> None:
    archive = Path(place.create().archive)
    archive.write_bytes(archive.read_bytes()[:-1])
    refused(place, archive)


def test_a_file_that_is_no_archive_is_refused(place: Place, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"<xml/>")
    refused(place, tmp_path / "other")
    refused(place, tmp_path / "absent", StoreUnavailableError)


def test_changed_content_is_refused(place: Place) -> None:
    archive = Path(place.create().archive)

    def change(_: dict[str, object], rest: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        rest[0] = (rest[0][0], rest[0][1].replace(b"santedb", b"santeDB"))

    rewrite(archive, change)
    assert "SHA-256 differs" in refused(place, archive)


@pytest.mark.parametrize("field", ["name", "bytes", "sha256", "kind"])
def test_a_manifest_without_a_field_is_refused(place: Place, field: str) -> None:
    archive = Path(place.create().archive)
    rewrite(archive, lambda manifest, _: manifest["files"][0].pop(field))  # type: ignore[index]  # plain JSON
    assert "malformed" in refused(place, archive)


def test_an_unknown_format_is_refused(place: Place) -> None:
    archive = Path(place.create().archive)
    rewrite(archive, lambda manifest, _: manifest.update(format=2))
    assert "its format is 2" in refused(place, archive)


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

    def change(manifest: dict[str, object], rest: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        manifest["files"] = [*manifest["files"], forged(name, b"x")]  # type: ignore[misc]  # plain JSON
        info = tarfile.TarInfo(name)
        info.size = 1
        rest.append((info, b"x"))

    rewrite(archive, change)
    assert "leads out of its folder" in refused(place, archive)
    assert not list(place.data.parent.rglob("escaped"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_anything_but_a_plain_file_is_refused(place: Place, kind: bytes) -> None:
    archive = Path(place.create().archive)

    def change(_: dict[str, object], rest: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        info = rest[2][0]
        info.type, info.linkname, info.size = kind, "/etc/passwd", 0
        rest[2] = (info, b"")

    rewrite(archive, change)
    refused(place, archive)


def test_a_file_that_the_manifest_does_not_list_is_refused(place: Place) -> None:
    archive = Path(place.create().archive)

    def change(_: dict[str, object], rest: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        rest.append((tarfile.TarInfo("stores/runs/more"), b""))

    rewrite(archive, change)
    assert "something follows" in refused(place, archive)


def test_a_listed_name_twice_is_refused(place: Place) -> None:
    archive = Path(place.create().archive)

    def change(manifest: dict[str, object], rest: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        manifest["files"] = [*manifest["files"], manifest["files"][0]]  # type: ignore[misc,index]  # plain JSON
        rest.append(rest[0])

    rewrite(archive, change)
    assert "lists a name twice" in refused(place, archive)


def test_a_bomb_is_refused_before_it_is_unpacked(place: Place) -> None:
    archive, zeros = Path(place.create(place.runs).archive), bytes(4_000_000)

    def change(manifest: dict[str, object], rest: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        manifest["files"] = [forged("stores/runs/zeros", zeros)]
        info = tarfile.TarInfo("stores/runs/zeros")
        info.size = len(zeros)
        rest[:] = [(info, zeros)]

    rewrite(archive, change)
    assert archive.stat().st_size < 10_000
    with pytest.raises(StoreCorruptError, match="unpacks to 4,000,000 bytes"):
        read_archive(archive, max_bytes=1_000_000)


def test_a_claim_to_more_than_the_disk_holds_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = Path(place.create().archive)
    monkeypatch.setattr(backup.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    assert "0 are free" in refused(place, archive, StoreUnavailableError)


def test_a_member_larger_than_the_manifest_says_is_refused(place: Place) -> None:
    archive = Path(place.create().archive)

    def change(_: dict[str, object], rest: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        info = rest[0][0]
        info.size += 1
        rest[0] = (info, rest[0][1] + b"x")

    rewrite(archive, change)
    assert "are expected" in refused(place, archive)


def test_a_huge_manifest_is_refused(place: Place) -> None:
    archive = Path(place.create().archive)
    rewrite(archive, lambda manifest, _: manifest.update(padding=" " * 5_000_000))
    assert "'manifest.json' has" in refused(place, archive)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
@pytest.mark.parametrize("size", [b"77777777777\0", b"\xff" * 4 + struct.pack(">q", -512), b"00000100000\0"])
def test_a_header_of_absurd_length_is_refused(place: Place, tmp_path: Path, kind: bytes, size: bytes) -> None:
    header = bytearray(tarfile.TarInfo("long").tobuf(tarfile.USTAR_FORMAT))
    header[124:136], header[156:157], header[148:156] = size, kind, b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    archive = tmp_path / "evil.tar.gz"
    archive.write_bytes(gzip.compress(bytes(header) + bytes(20_000)))
    refused(place, archive)


def test_endless_nested_headers_are_refused(place: Place, tmp_path: Path) -> None:
    header = bytearray(tarfile.TarInfo("long").tobuf(tarfile.USTAR_FORMAT))
    header[156:157], header[148:156] = tarfile.GNUTYPE_LONGNAME, b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    archive = tmp_path / "deep.tar.gz"
    archive.write_bytes(gzip.compress(bytes(header) * 5000))
    refused(place, archive)
