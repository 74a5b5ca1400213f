"""The audit trail's file: kept in one commit, searched in bounded time, copied, and read where no host runs."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from host.errors import InvalidRequestError, StoreCorruptError, StoreUnavailableError
from host.local import audit_rows
from host.local.audit import FILE_NAME, SqliteAuditTrail, kept_events
from host.local.directory import DataDirectorySettings, LocalDataDirectory
from host.local.sql_text import statements
from host.model.security import AuditEvent, AuditFilter, AuditOutcome
from host.testing.contracts.services import running

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVENT = AuditEvent(at=NOON, by="kim", face="cli", action="RunControl.cancel", outcome=AuditOutcome.SUCCESS)


def trail_in(folder: Path) -> SqliteAuditTrail:
    return SqliteAuditTrail(LocalDataDirectory(DataDirectorySettings(path=folder)))


def with_trail(folder: Path, check: Callable[[SqliteAuditTrail], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), running(trail_in(folder)) as trail:
            await check(trail)

    asyncio.run(main())


def events(number: int) -> list[AuditEvent]:
    return [replace(EVENT, at=NOON + timedelta(seconds=n), by=f"p{n % 10}") for n in range(number)]


def test_an_event_is_refused_while_the_trail_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError):
        asyncio.run(trail_in(tmp_path).record([EVENT]))


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    async def check(trail: SqliteAuditTrail) -> None:
        await trail.record([EVENT])
        assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600

    with_trail(tmp_path, check)


def test_of_a_call_that_cannot_be_kept_nothing_is(tmp_path: Path) -> None:
    async def check(trail: SqliteAuditTrail) -> None:
        with pytest.raises(OverflowError):
            await trail.record([EVENT, replace(EVENT, status=1 << 70)])
        assert (await trail.events()).events == ()
        await trail.record([EVENT])
        assert len((await trail.events()).events) == 1

    with_trail(tmp_path, check)


def test_many_events_of_one_call_are_one_commit(tmp_path: Path) -> None:
    async def check(trail: SqliteAuditTrail) -> None:
        reader = sqlite3.connect(tmp_path / FILE_NAME)
        try:
            sizes = {0}
            recording = asyncio.ensure_future(trail.record(events(5_000)))
            while not recording.done():
                sizes.add(reader.execute("SELECT count(*) FROM event").fetchone()[0])
                await asyncio.sleep(0)
            await recording
            sizes.add(reader.execute("SELECT count(*) FROM event").fetchone()[0])
            assert sizes == {0, 5_000}
        finally:
            reader.close()

    with_trail(tmp_path, check)


def test_a_search_that_takes_too_long_gives_what_it_has_and_a_cursor_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_rows, "SEARCH_SECONDS", 0)
    monkeypatch.setattr(audit_rows, "_WINDOW", 30)

    async def check(trail: SqliteAuditTrail) -> None:
        await trail.record(events(100))
        where = AuditFilter(by="p3")
        pages = [await trail.events(where)]
        while pages[-1].next_cursor is not None:
            pages.append(await trail.events(where, cursor=pages[-1].next_cursor))
        found = [[event.number for event in page.events] for page in pages]
        assert found == [[94, 84, 74], [64, 54, 44], [34, 24, 14], [4]]

    with_trail(tmp_path, check)


def test_a_search_over_several_windows_finds_what_one_query_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_rows, "_WINDOW", 7)

    async def check(trail: SqliteAuditTrail) -> None:
        await trail.record(events(100))
        where = AuditFilter(by="p3", since=NOON + timedelta(seconds=13), until=NOON + timedelta(seconds=83))
        page = await trail.events(where, limit=4)
        assert [event.number for event in page.events] == [74, 64, 54, 44]
        page = await trail.events(where, cursor=page.next_cursor, limit=4)
        assert ([event.number for event in page.events], page.next_cursor) == ([34, 24, 14], None)

    with_trail(tmp_path, check)


@pytest.mark.parametrize("name", ["page", "window", "prune"])
def test_statements_walk_the_index_and_sort_nothing(tmp_path: Path, name: str) -> None:
    async def check(_: SqliteAuditTrail) -> None:
        text = statements("audit.sql")[name].replace("{text}", "0")
        connection = sqlite3.connect(tmp_path / FILE_NAME)
        try:
            values = (1, 2) if "?" in text else dict.fromkeys(NAMED, 1)
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", values)]
        finally:
            connection.close()
        assert any("event_at ((at,number)>(?,?) AND (at,number)<(?,?))" in step or "at<?" in step for step in plan)
        assert not [step for step in plan if "TEMP B-TREE" in step or step.startswith("SCAN")]

    with_trail(tmp_path, check)


NAMED = (
    *("below_at", "below_number", "floor_at", "floor_number", "principal", "face", "outcome", "text"),
    *("limit", "window"),
)


def test_a_backup_can_be_restored(tmp_path: Path) -> None:
    async def check(trail: SqliteAuditTrail) -> None:
        await trail.record([EVENT])
        (tmp_path / "copy").mkdir()
        assert await trail.backup(tmp_path / "copy") == [tmp_path / "copy" / FILE_NAME]
        await trail.record([EVENT])

    async def check_again(trail: SqliteAuditTrail) -> None:
        assert [event.number for event in (await trail.events()).events] == [1]
        assert list(await trail.verify()) == []
        assert (tmp_path / f"{FILE_NAME}.before-restore").exists()

    with_trail(tmp_path, check)
    trail_in(tmp_path).restore(tmp_path / "copy")
    with_trail(tmp_path, check_again)


def test_a_missing_backup_changes_nothing(tmp_path: Path) -> None:
    async def check(trail: SqliteAuditTrail) -> None:
        await trail.record([EVENT])

    with_trail(tmp_path, check)
    with pytest.raises(StoreCorruptError):
        trail_in(tmp_path).restore(tmp_path / "copy")
    assert len(kept_events(tmp_path, AuditFilter()).events) == 1


def test_its_size_and_upkeep_are_told(tmp_path: Path) -> None:
    async def check(trail: SqliteAuditTrail) -> None:
        await trail.record([EVENT])
        assert (await trail.size()).bytes >= (tmp_path / FILE_NAME).stat().st_size > 0
        assert FILE_NAME in await trail.optimise()
        assert trail.check() == []

    with_trail(tmp_path, check)


def test_a_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("CREATE TABLE other (x)")
    connection.close()
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(StoreCorruptError):
        asyncio.run(trail_in(tmp_path).start())
    with pytest.raises(StoreCorruptError):
        kept_events(tmp_path, AuditFilter())
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_without_a_host_the_trail_is_read_as_it_was_left(tmp_path: Path) -> None:
    async def check(trail: SqliteAuditTrail) -> None:
        await trail.record(events(3))

    assert kept_events(tmp_path, AuditFilter()).events == ()
    assert list(tmp_path.iterdir()) == []
    with_trail(tmp_path, check)
    before = sorted(tmp_path.iterdir())
    page = kept_events(tmp_path, AuditFilter(), limit=2)
    assert [event.number for event in page.events] == [3, 2]
    page = kept_events(tmp_path, AuditFilter(), cursor=page.next_cursor)
    assert [event.number for event in page.events] == [1]
    with pytest.raises(InvalidRequestError):
        kept_events(tmp_path, AuditFilter(), cursor="x")
    assert sorted(tmp_path.iterdir()) == before


def test_what_a_killed_host_left_in_its_log_is_read_too(tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    killed.mkdir()

    async def check(trail: SqliteAuditTrail) -> None:
        await trail.record(events(3))
        for suffix in ("", "-wal"):
            name = f"{FILE_NAME}{suffix}"
            (killed / name).write_bytes((tmp_path / name).read_bytes())

    with_trail(tmp_path, check)
    assert [event.number for event in kept_events(killed, AuditFilter()).events] == [3, 2, 1]
