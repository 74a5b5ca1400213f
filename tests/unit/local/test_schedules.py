"""xcron.xml as a file: what others wrote stays, nothing is torn, damage harms nobody."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from host.errors import InvalidRequestError, InvalidScheduleError, StoreCorruptError, StoreUnavailableError
from host.local.bus import LocalMessageBus
from host.local.directory import DataDirectorySettings, LocalDataDirectory
from host.local.schedules import XmlJobScheduleManager, XmlJobScheduleSettings
from host.local.xcron_file import XcronFile
from host.model.messages import ScheduleChanged
from host.model.schedules import JobSchedule
from host.santedb.attributes import ATTRIBUTES
from host.testing.clock import FakeClock
from host.testing.contracts.services import running
from host.xmlfile import canonical, elements, parse_xml, read_xml

SANTEDBS = (Path(__file__).parents[2] / "fixtures" / "santedb" / "xcron.xml").read_bytes()
OPTIMIZE = "SanteDB.Persistence.Data.Jobs.OptimizeDatabaseJob, SanteDB.Persistence.Data"
AUDIT = "SanteDB.Persistence.Auditing.ADO.Jobs.AuditRetentionJob, SanteDB.Persistence.Auditing.ADO"
HOURLY, NIGHTLY = JobSchedule.every(timedelta(hours=1)), JobSchedule.cron("0 3 * * *", timezone="Europe/Prague")
EDITED = b"""<?xml version="1.0" encoding="utf-8"?>
<!-- before the root -->
<ArrayOfJobItemConfiguration xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:o="urn:other" o:mark="1">
  <!-- before the entry -->
  <JobItemConfiguration type="a:B" startType="immediate" o:owner="Eva">
    <!-- in the entry -->
    <schedule xmlns="http://santedb.org/configuration" o:seen="yes">
      <!-- in the schedule -->
      <add type="interval" start="0001-01-01T00:00:00" interval="60" />
      <o:note>kept</o:note>
    </schedule>
    <parameters><int>5</int></parameters>
  </JobItemConfiguration>
  <o:unknown><deep/></o:unknown>
  <JobItemConfiguration type="c:D"    startType='never'><schedule xmlns="http://santedb.org/configuration"/></JobItemConfiguration>
</ArrayOfJobItemConfiguration>
<!-- after the root -->
"""


class Desk:
    """A started manager over one file, with what it says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = FakeClock()
        self.bus = LocalMessageBus()
        self.heard: list[str | None] = []
        directory = LocalDataDirectory(DataDirectorySettings(path=path.parent))
        self.manager = XmlJobScheduleManager(directory, self.bus, self.clock, XmlJobScheduleSettings(path=path))

    def findings(self) -> list[str]:
        return [finding.message for finding in self.manager.check()]

    async def schedules(self, job_type: str) -> tuple[JobSchedule, ...] | None:
        entry = await self.manager.get(job_type)
        return entry and entry.schedules

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await self.clock.advance(0.5)
                await asyncio.sleep(0.002)

    async def looks(self, times: int = 3) -> None:
        """Let the manager look at the file this often."""
        for _ in range(times):
            await self.clock.advance(0.5)
            await asyncio.sleep(0.02)


def at_desk(path: Path, body: Callable[[Desk], Awaitable[None]]) -> None:
    async def run() -> None:
        desk = Desk(path)
        desk.bus.subscribe(ScheduleChanged, lambda message: desk.heard.append(message.job_type))
        async with running(desk.manager):
            await body(desk)

    asyncio.run(run())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "xcron.xml"


def xml(*entries: str) -> bytes:
    return ("<ArrayOfJobItemConfiguration>\n" + "\n".join(entries) + "\n</ArrayOfJobItemConfiguration>").encode()


def entry(job_type: str, rows: str) -> str:
    return f'<JobItemConfiguration type="{job_type}"><schedule xmlns="http://santedb.org/configuration">{rows}</schedule></JobItemConfiguration>'


def fast(seconds: int) -> str:
    return f'<add type="interval" interval="{seconds}"/>'


# Files of others


def test_santedbs_file_is_read(path: Path) -> None:
    path.write_bytes(SANTEDBS)

    async def body(desk: Desk) -> None:
        found = {entry.job_type: len(entry.schedules) for entry in await desk.manager.all()}
        assert found == {OPTIMIZE: 1, AUDIT: 1, "X.EmptyDays, X": 1, "X.NoSched, X": 0}
        assert [entry.source for entry in await desk.manager.all()][:2] == [f"{path}:3", f"{path}:8"]
        assert desk.findings() == []

    at_desk(path, body)
    assert path.read_bytes() == SANTEDBS


@pytest.mark.parametrize("job_type", [OPTIMIZE, AUDIT, "X.NoSched, X", "new:Job"])
def test_changing_one_entry_leaves_the_others_canonically_equal(path: Path, job_type: str) -> None:
    path.write_bytes(SANTEDBS)

    async def body(desk: Desk) -> None:
        await desk.manager.replace(job_type, [NIGHTLY])

    at_desk(path, body)
    before = {element.get("type"): canonical(element) for element in elements(parse_xml(SANTEDBS, name="x"))}
    after = {element.get("type"): canonical(element) for element in elements(read_xml(path))}
    assert before.pop(job_type, None) != after.pop(job_type)
    assert before == after


def test_changing_an_entry_and_back_gives_santedbs_file_again(path: Path) -> None:
    path.write_bytes(SANTEDBS)

    async def body(desk: Desk) -> None:
        kept = await desk.schedules(OPTIMIZE)
        assert kept is not None
        await desk.manager.replace(OPTIMIZE, [NIGHTLY])
        await desk.manager.replace(OPTIMIZE, kept)
        await desk.manager.clear("new:Job")
        assert await desk.manager.remove("new:Job")

    at_desk(path, body)
    assert path.read_bytes() == SANTEDBS.replace(b" />", b"/>")


def test_a_new_file_has_santedbs_form(path: Path) -> None:
    async def body(desk: Desk) -> None:
        await desk.manager.replace(OPTIMIZE, [HOURLY, NIGHTLY])
        await desk.manager.clear("host_maintenance.jobs:Prune")

    at_desk(path, body)
    assert (
        path.read_text()
        == f"""<?xml version="1.0"?>
<ArrayOfJobItemConfiguration xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:jh="urn:jobhost:xcron:1">
  <JobItemConfiguration type="{OPTIMIZE}" startType="immediate">
    <schedule xmlns="http://santedb.org/configuration">
      <add type="interval" start="0001-01-01T00:00:00" interval="3600"/>
      <jh:add type="cron" expression="0 3 * * *" timezone="Europe/Prague"/>
    </schedule>
  </JobItemConfiguration>
  <JobItemConfiguration type="host_maintenance.jobs:Prune" startType="immediate">
    <schedule xmlns="http://santedb.org/configuration"/>
  </JobItemConfiguration>
</ArrayOfJobItemConfiguration>
"""
    )


def test_comments_and_unknown_parts_are_kept(path: Path) -> None:
    path.write_bytes(EDITED)

    async def body(desk: Desk) -> None:
        await desk.manager.replace("a:B", [NIGHTLY])

    at_desk(path, body)
    expected = EDITED.replace(
        b'      <add type="interval" start="0001-01-01T00:00:00" interval="60" />\n      <o:note>kept</o:note>\n',
        b"      <o:note>kept</o:note>\n"
        b'      <jh:add xmlns:jh="urn:jobhost:xcron:1" type="cron" expression="0 3 * * *" timezone="Europe/Prague"/>\n',
    ).replace(b"""type="c:D"    startType='never'""", b'type="c:D" startType="never"')
    assert path.read_bytes() == expected


def test_line_ends_and_the_byte_order_mark_of_windows_are_kept(path: Path) -> None:
    windows = b"\xef\xbb\xbf" + SANTEDBS.replace(b" />", b"/>").replace(b"\n", b"\r\n")
    path.write_bytes(windows)

    async def body(desk: Desk) -> None:
        await desk.manager.clear("new:Job")
        assert b"new:Job" in path.read_bytes()
        await desk.manager.remove("new:Job")

    at_desk(path, body)
    assert path.read_bytes() == windows


def test_version_parts_of_a_net_name_do_not_matter(path: Path) -> None:
    written = "A.B, Asm, Version=1.0.0.0, Culture=neutral, PublicKeyToken=null"
    path.write_bytes(xml(entry(written, fast(60))))

    async def body(desk: Desk) -> None:
        found = await desk.manager.get("A.B, Asm")
        assert found is not None
        assert found.job_type == "A.B, Asm"
        assert await desk.manager.get(written) == found
        await desk.manager.replace("A.B, Asm, Version=2.0.0.0", [HOURLY])
        assert [entry.job_type for entry in await desk.manager.all()] == ["A.B, Asm"]

    at_desk(path, body)
    assert f'type="{written}"'.encode() in path.read_bytes()


def test_an_equal_replace_does_not_touch_the_file(path: Path) -> None:
    path.write_bytes(EDITED)
    before = path.stat()

    async def body(desk: Desk) -> None:
        kept = await desk.schedules("a:B")
        assert kept is not None
        await desk.manager.replace("a:B", kept)
        assert not await desk.manager.remove("no:Job")

    at_desk(path, body)
    assert path.stat().st_ino == before.st_ino
    assert path.read_bytes() == EDITED


def test_a_link_is_followed_not_replaced(tmp_path: Path, path: Path) -> None:
    target = tmp_path / "elsewhere.xml"
    target.write_bytes(SANTEDBS)
    path.symlink_to(target)

    async def body(desk: Desk) -> None:
        await desk.manager.clear("new:Job")

    at_desk(path, body)
    assert path.is_symlink()
    assert b"new:Job" in target.read_bytes()


# Edits while the host runs


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


# Damage

BROKEN = SANTEDBS.replace(b"</schedule>", b"</shedule>", 1)


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


# Entries that are wrong in themselves

WRONG = xml(
    entry("a:Good", fast(60)),
    entry("a:Day", '\n<add type="interval" interval="5"/>\n<add days="monday" start="2026-01-01T00:00:00"/>'),
    entry("a:Never", '<jh:add xmlns:jh="urn:jobhost:xcron:1" type="cron" expression="0 0 31 2 *"/>'),
    '<JobItemConfiguration type="a:Bare"><schedule><add interval="5"/></schedule></JobItemConfiguration>',
    entry("a:Good", fast(1)),
    "<JobItemConfiguration/>",
    '<JobItemConfiguration xmlns="http://santedb.org/configuration" type="a:Lost"/>',
    entry("a:Also", fast(60)),
)


def test_a_wrong_entry_is_out_of_force_and_harms_no_other(path: Path) -> None:
    path.write_bytes(WRONG)

    async def body(desk: Desk) -> None:
        found = {entry.job_type: len(entry.schedules) for entry in await desk.manager.all()}
        assert found == {"a:Good": 1, "a:Day": 0, "a:Never": 0, "a:Bare": 0, "a:Also": 1}
        findings = [finding.removeprefix(f"entry out of force: {path}:") for finding in desk.findings()]
        assert [finding.partition(":")[0] for finding in findings] == ["5", "6", "7", "8", "9", "10"]
        assert "did you mean Monday?" in findings[0]
        assert "lacks SanteDB's namespace" in findings[2]
        assert "has an entry already at" in findings[3]
        assert await desk.schedules("a:Good") == (JobSchedule.every(timedelta(minutes=1)),)

    at_desk(path, body)
    assert path.read_bytes() == WRONG


def test_a_wrong_entry_is_mended_by_replacing_it(path: Path) -> None:
    path.write_bytes(WRONG)

    async def body(desk: Desk) -> None:
        await desk.manager.clear("a:Day")
        for job_type in ("a:Never", "a:Bare", "a:Good"):
            await desk.manager.replace(job_type, [NIGHTLY])
        assert len(desk.findings()) == 2
        for job_type in ("a:Never", "a:Bare", "a:Good"):
            assert await desk.schedules(job_type) == (NIGHTLY,)

    at_desk(path, body)
    assert path.read_bytes().count(b'type="a:Good"') == 1


def test_many_wrong_entries_are_not_all_listed(path: Path) -> None:
    path.write_bytes(xml(*(entry(f"a:J{number}", "<add/>") for number in range(30))))

    async def body(desk: Desk) -> None:
        assert len(desk.findings()) == 21
        assert "10 more entries" in desk.findings()[-1]
        assert len(await desk.manager.verify()) == 30

    at_desk(path, body)


# Writing


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


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes into every folder")
def test_a_read_only_folder_is_refused(path: Path) -> None:
    path.write_bytes(SANTEDBS)
    path.parent.chmod(0o555)

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


# Maintenance


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


# The page for operators

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
