"""xcron.xml on disk: damage changes nothing, and no crash tears the file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from host.errors import InvalidRequestError, InvalidScheduleError, StoreCorruptError, StoreUnavailableError
from host.local.xcron_file import XcronFile
from host.model.schedules import JobSchedule
from tests.unit.local.xcron_desk import (
    AUDIT,
    BROKEN,
    HOURLY,
    OPTIMIZE,
    SANTEDBS,
    Desk,
    at_desk,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "xcron.xml"


@pytest.mark.parametrize(
    "damaged",
    [
        BROKEN,
        b"",
        SANTEDBS[: len(SANTEDBS) // 2],
        SANTEDBS + b"\0",
        b"<ArrayOfJobItemConfiguration xmlns='http://santedb.org/configuration'/>",
        b"<!DOCTYPE a [<!ENTITY e 'x'>]><ArrayOfJobItemConfiguration/>",
        SANTEDBS.replace(b"OptimizeDatabaseJob", b"Optimize\xff"),
    ],
)
def test_a_damaged_edit_leaves_the_last_good_version_in_force(path: Path, damaged: bytes) -> None:
    path.write_bytes(SANTEDBS)

    async def body(desk: Desk) -> None:
        path.write_bytes(damaged)
        await desk.until(lambda: bool(desk.findings()))
        (finding,) = desk.findings()
        assert finding.startswith(f"{path}")
        assert "the last good version is in force" in finding
        assert len(await desk.manager.all()) == 4
        with pytest.raises(StoreUnavailableError, match="damaged"):
            await desk.manager.replace(OPTIMIZE, [HOURLY])
        with pytest.raises(StoreUnavailableError, match="damaged"):
            await desk.manager.remove(OPTIMIZE)
        assert path.read_bytes() == damaged
        assert desk.heard == []
        path.write_bytes(SANTEDBS)
        await desk.until(lambda: not desk.findings())
        await desk.manager.replace(OPTIMIZE, [HOURLY])

    at_desk(path, body)


def test_damage_is_told_with_its_line(path: Path) -> None:
    path.write_bytes(SANTEDBS)

    async def body(desk: Desk) -> None:
        path.write_bytes(BROKEN)
        await desk.until(lambda: bool(desk.findings()))
        assert desk.findings()[0].startswith(f"{path}:6: not well-formed XML")
        assert list(await desk.manager.verify()) == [desk.findings()[0].partition("; the last")[0]]

    at_desk(path, body)


def test_a_file_that_cannot_be_read_for_a_while_recovers(path: Path) -> None:
    path.write_bytes(SANTEDBS)
    file = XcronFile(path)
    file.open()
    path.unlink()
    path.mkdir()
    file.refresh()
    assert file.damage is not None
    assert len(file.in_force.entries) == 4
    path.rmdir()
    path.write_bytes(SANTEDBS)
    file.refresh()
    assert file.damage is None


def test_at_start_the_backup_stands_in_for_a_damaged_file(path: Path) -> None:
    path.write_bytes(SANTEDBS)

    async def use(desk: Desk) -> None:
        await desk.manager.replace(OPTIMIZE, [HOURLY])
        await desk.manager.replace("new:Job", [HOURLY])

    async def body(desk: Desk) -> None:
        assert await desk.schedules(OPTIMIZE) == (HOURLY,)
        assert "not well-formed XML" in desk.findings()[0]
        with pytest.raises(StoreUnavailableError):
            await desk.manager.clear(AUDIT)
        assert path.read_bytes() == BROKEN

    at_desk(path, use)
    path.write_bytes(BROKEN)
    at_desk(path, body)


def test_damage_done_while_running_costs_the_next_start_nothing(path: Path) -> None:
    path.write_bytes(SANTEDBS)

    async def damage(desk: Desk) -> None:
        await desk.manager.replace("new:Job", [HOURLY])
        path.write_bytes(BROKEN)
        await desk.until(lambda: bool(desk.findings()))

    async def body(desk: Desk) -> None:
        assert await desk.schedules("new:Job") == (HOURLY,)

    at_desk(path, damage)
    at_desk(path, body)


@pytest.mark.parametrize("backup", [None, b"", BROKEN])
def test_without_a_sound_backup_a_damaged_file_refuses_the_start(path: Path, backup: bytes | None) -> None:
    path.write_bytes(BROKEN)
    if backup is not None:
        path.with_name("xcron.xml.bak").write_bytes(backup)
    with pytest.raises(StoreCorruptError, match="not well-formed") as caught:
        at_desk(path, lambda _: asyncio.sleep(0))
    assert caught.value.where == f"{path}:6"
    assert path.read_bytes() == BROKEN


class Crash(BaseException):
    """The process ends here."""


@contextmanager
def crash_at(step: int) -> Iterator[list[str]]:
    """End at this call to the file system, counted from 0; gives the calls that were made."""
    calls: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in ((Path, "open"), (Path, "chmod"), (Path, "replace"), (os, "fsync"), (os, "open")):
            original: Any = getattr(owner, name)

            def call(*args: Any, _original: Any = original, _name: str = name, **kwargs: Any) -> Any:
                if len(calls) == step:
                    raise Crash
                calls.append(_name)
                return _original(*args, **kwargs)

            patch.setattr(owner, name, call)
        yield calls


def test_a_crash_at_any_step_leaves_the_whole_old_or_the_whole_new_file(tmp_path: Path) -> None:
    outcomes = []
    for step in range(100):
        path = tmp_path / str(step) / "xcron.xml"
        path.parent.mkdir()
        path.write_bytes(SANTEDBS)
        file = XcronFile(path)
        file.open()
        file.replace("first:Job", [HOURLY], expected_version=None)
        old = path.read_bytes()
        try:
            with crash_at(step) as calls:
                file.replace("second:Job", [HOURLY], expected_version=None)
        except Crash:
            after = XcronFile(path)
            after.open()
            assert after.damage is None
            assert (path.read_bytes() == old) is ("second:Job" not in after.in_force.entries)
            assert len(after.in_force.entries) == 5 + ("second:Job" in after.in_force.entries)
            outcomes.append("second:Job" in after.in_force.entries)
        else:
            assert calls.count("replace") == 2
            break
    assert outcomes == sorted(outcomes)
    assert set(outcomes) == {False, True}


@pytest.mark.parametrize("name", ["fsync", "open"])
def test_a_failed_write_changes_nothing_and_is_told(path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path.write_bytes(SANTEDBS)

    async def body(desk: Desk) -> None:
        before = list(await desk.manager.all())

        def fail(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail) if name == "fsync" else patch.setattr(Path, "open", fail)
            with pytest.raises(StoreUnavailableError, match="No space left"):
                await desk.manager.replace(OPTIMIZE, [HOURLY])
        assert list(await desk.manager.all()) == before
        assert path.read_bytes() == SANTEDBS
        assert sorted(file.name for file in path.parent.iterdir()) == ["xcron.xml", "xcron.xml.bak"]
        await desk.manager.replace(OPTIMIZE, [HOURLY])

    at_desk(path, body)


def test_a_read_only_file_is_refused(path: Path) -> None:
    path.write_bytes(SANTEDBS)
    path.chmod(0o444)

    async def body(desk: Desk) -> None:
        with pytest.raises(StoreUnavailableError, match="read-only") as caught:
            await desk.manager.replace(OPTIMIZE, [HOURLY])
        assert caught.value.where == str(path)
        assert await desk.schedules(OPTIMIZE) != (HOURLY,)

    at_desk(path, body)
    assert path.read_bytes() == SANTEDBS


def test_a_read_only_folder_is_refused(path: Path) -> None:
    path.write_bytes(SANTEDBS)
    path.parent.chmod(0o555)
    if os.access(path.parent, os.W_OK):
        pytest.skip("this user writes into every folder")

    async def body(desk: Desk) -> None:
        assert len(await desk.manager.all()) == 4
        with pytest.raises(StoreUnavailableError, match="Permission denied"):
            await desk.manager.replace(OPTIMIZE, [HOURLY])
        assert await desk.schedules(OPTIMIZE) != (HOURLY,)

    at_desk(path, body)
    assert path.read_bytes() == SANTEDBS


def test_a_folder_that_takes_no_files_is_refused() -> None:
    async def body(desk: Desk) -> None:
        with pytest.raises(StoreUnavailableError, match="cannot be written"):
            await desk.manager.replace(OPTIMIZE, [HOURLY])
        assert list(await desk.manager.all()) == []

    at_desk(Path("/proc/self/xcron.xml"), body)


def test_permissions_of_the_file_are_kept_and_shared_by_its_backup(path: Path) -> None:
    path.write_bytes(SANTEDBS)
    path.chmod(0o600)

    async def body(desk: Desk) -> None:
        await desk.manager.replace(OPTIMIZE, [HOURLY])

    at_desk(path, body)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.with_name("xcron.xml.bak").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("job_type", ["", " ", "a:\0"])
def test_a_job_type_that_xml_cannot_hold_is_refused(path: Path, job_type: str) -> None:
    async def body(desk: Desk) -> None:
        with pytest.raises(InvalidRequestError):
            await desk.manager.replace(job_type, [HOURLY])

    at_desk(path, body)
    assert not path.exists()


def test_a_schedule_that_cannot_be_stored_creates_no_file(path: Path) -> None:
    async def body(desk: Desk) -> None:
        with pytest.raises(InvalidScheduleError):
            await desk.manager.replace("a:B", [HOURLY, JobSchedule.cron("@never")])

    at_desk(path, body)
    assert not path.exists()


def test_it_works_before_start_too(path: Path) -> None:
    path.write_bytes(SANTEDBS)

    async def run() -> None:
        desk = Desk(path)
        await desk.manager.replace(OPTIMIZE, [HOURLY])
        assert await desk.schedules(OPTIMIZE) == (HOURLY,)

    asyncio.run(run())
    assert b'interval="3600"' in path.read_bytes()
