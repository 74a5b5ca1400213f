"""The schedule manager: edits while it runs, backups, and the page that explains its file."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path

import pytest

from host.errors import StoreCorruptError
from host.local.xcron_file import XcronFile
from host.model.schedules import JobSchedule
from host.santedb.attributes import ATTRIBUTES
from host.xmlfile import canonical, parse_xml, read_xml
from tests.unit.local.xcron_desk import (
    BROKEN,
    HOURLY,
    OPTIMIZE,
    SANTEDBS,
    Desk,
    at_desk,
    entry,
    fast,
    xml,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "xcron.xml"


def test_an_edit_is_in_force_within_a_second(path: Path) -> None:
    path.write_bytes(xml(entry("a:B", fast(60)), entry("c:D", fast(60))))

    async def body(desk: Desk) -> None:
        path.write_bytes(xml(entry("a:B", fast(60)), entry("c:D", fast(61)), entry("e:F", "")))
        await desk.clock.advance(1)
        await desk.until(lambda: len(desk.heard) == 2)
        assert desk.heard == ["c:D", "e:F"]
        assert desk.clock.monotonic() <= 5
        assert await desk.schedules("c:D") == (JobSchedule.every(timedelta(seconds=61)),)
        path.unlink()
        await desk.until(lambda: len(desk.heard) == 5)
        assert list(await desk.manager.all()) == []

    at_desk(path, body)


def test_many_changes_are_one_message(path: Path) -> None:
    async def body(desk: Desk) -> None:
        path.write_bytes(xml(*(entry(f"a:J{number}", "") for number in range(17))))
        await desk.until(lambda: bool(desk.heard))
        await desk.looks()
        assert desk.heard == [None]

    at_desk(path, body)


def test_an_edit_in_the_same_tick_as_the_reading_is_noticed(path: Path) -> None:
    path.write_bytes(xml(entry("a:B", fast(60))))
    file = XcronFile(path)
    file.open()
    before = path.stat()
    with path.open("r+b") as opened:
        opened.write(xml(entry("a:B", fast(61))))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    file.refresh()
    assert file.in_force.entries["a:B"].schedules == (JobSchedule.every(timedelta(seconds=61)),)


def test_a_change_is_applied_to_the_file_as_it_is_now(path: Path) -> None:
    path.write_bytes(xml(entry("a:B", fast(60))))

    async def body(desk: Desk) -> None:
        path.write_bytes(xml(entry("c:D", fast(1)), entry("a:B", fast(60))))
        await desk.manager.replace("a:B", [HOURLY])
        assert [entry.job_type for entry in await desk.manager.all()] == ["c:D", "a:B"]
        assert sorted(map(str, desk.heard)) == []
        await desk.until(lambda: len(desk.heard) == 2)
        assert desk.heard == ["a:B", "c:D"]

    at_desk(path, body)
    assert b"c:D" in path.read_bytes()


def test_a_file_gone_for_a_moment_changes_nothing(path: Path) -> None:
    path.write_bytes(SANTEDBS)
    file = XcronFile(path)
    file.open()
    path.unlink()
    file.refresh()
    assert len(file.in_force.entries) == 4
    path.write_bytes(SANTEDBS)
    file.refresh()
    assert len(file.in_force.entries) == 4
    assert file.take_changes() == set()


def test_a_backup_is_put_back(path: Path, tmp_path: Path) -> None:
    path.write_bytes(SANTEDBS)
    folder = tmp_path / "backup"
    folder.mkdir()

    async def save(desk: Desk) -> None:
        assert list(await desk.manager.backup(folder)) == [folder / "xcron.xml"]
        await desk.manager.replace(OPTIMIZE, [HOURLY])
        size = await desk.manager.size()
        assert (size.bytes, size.rows) == (len(path.read_bytes()), 4)
        assert list(await desk.manager.verify()) == []

    at_desk(path, save)
    changed = path.read_bytes()
    assert list(Desk(path).manager.restore(folder)) == [path]
    assert path.read_bytes() == SANTEDBS
    assert path.with_name("xcron.xml.before-restore").read_bytes() == changed


def test_a_backup_of_no_file_brings_back_no_entries(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    folder.mkdir()

    async def save(desk: Desk) -> None:
        await desk.manager.backup(folder)
        await desk.manager.replace(OPTIMIZE, [HOURLY])

    async def body(desk: Desk) -> None:
        assert list(await desk.manager.all()) == []

    at_desk(path, save)
    Desk(path).manager.restore(folder)
    at_desk(path, body)


@pytest.mark.parametrize("copy", [None, BROKEN])
def test_an_unsound_copy_is_not_put_in_place(path: Path, tmp_path: Path, copy: bytes | None) -> None:
    path.write_bytes(SANTEDBS)
    folder = tmp_path / "backup"
    folder.mkdir()
    if copy is not None:
        (folder / "xcron.xml").write_bytes(copy)
    with pytest.raises(StoreCorruptError):
        Desk(path).manager.restore(folder)
    assert path.read_bytes() == SANTEDBS


PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "xcron.md").read_text(encoding="utf-8")


def test_the_example_of_the_page_is_in_force_without_findings(path: Path) -> None:
    (example,) = (block for block in re.findall(r"```xml\n(.*?)```", PAGE, re.DOTALL) if "<?xml" in block)
    path.write_text(example, encoding="utf-8")

    async def body(desk: Desk) -> None:
        assert desk.findings() == []
        assert [len(entry.schedules) for entry in await desk.manager.all()] == [1, 1, 3, 0]
        for found in await desk.manager.all():
            await desk.manager.clear(found.job_type)
            await desk.manager.replace(found.job_type, found.schedules)

    at_desk(path, body)
    assert canonical(read_xml(path)) == canonical(parse_xml(example.encode(), name="page"))


@pytest.mark.parametrize("name", ["type", *ATTRIBUTES])
def test_the_page_has_every_attribute(name: str) -> None:
    assert f"| `{name}` |" in PAGE or f"| `jh:{name}` |" in PAGE
