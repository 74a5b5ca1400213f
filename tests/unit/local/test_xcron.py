"""xcron.xml as a value: what others wrote stays, and one wrong entry harms no other."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from host.model.schedules import JobSchedule
from host.xmlfile import canonical, elements, parse_xml, read_xml
from tests.unit.local.xcron_desk import (
    AUDIT,
    HOURLY,
    NIGHTLY,
    OPTIMIZE,
    SANTEDBS,
    Desk,
    at_desk,
    entry,
    fast,
    xml,
)

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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "xcron.xml"


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
