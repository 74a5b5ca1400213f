"""The SQLite run log meets the suite; memory and disk have their bounds."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from structlog.testing import capture_logs

from host.contracts.contract import Service
from host.errors import StoreUnavailableError
from host.local.directory import DataDirectorySettings, LocalDataDirectory
from host.local.log_rows import LOST
from host.local.logs import FILE_NAME, RunLogSettings, SqliteRunLog
from host.model.logs import LogLevel, RunLogLine
from host.testing.contracts.logs import NOON, OTHER, RUN, NewLog, RunLogSuite, lines
from host.testing.contracts.services import ServiceSuite, running

T = TypeVar("T")


class TestSqliteRunLog(RunLogSuite, ServiceSuite):
    @pytest.fixture
    def new_log(self, tmp_path: Path) -> NewLog:
        return lambda: log_in(tmp_path)

    @pytest.fixture
    def new_small_log(self, tmp_path: Path) -> NewLog:
        return lambda: log_in(tmp_path, RunLogSettings(max_lines_per_run=100))

    @pytest.fixture
    def new_service(self, tmp_path: Path) -> Callable[[], Service]:
        return lambda: log_in(tmp_path)

    def test_past_a_runs_bytes_lines_are_counted(self, tmp_path: Path) -> None:
        async def check() -> None:
            async with running(log_in(tmp_path, RunLogSettings(max_bytes_per_run=1000))) as log:
                log.append(RUN, lines(*["x" * 98] * 8))
                await log.read(RUN)
                log.append(RUN, lines(*["x" * 98] * 8, "y"))
                read = await log.read(RUN)
                assert len(read) == 11
                assert read[-1].fields == {"dropped": 7}

        asyncio.run(check())

    @pytest.mark.parametrize("limit", [10, 100, 1000])
    def test_a_stored_line_is_never_longer_than_its_bound(self, tmp_path: Path, limit: int) -> None:
        async def check() -> None:
            async with running(log_in(tmp_path, RunLogSettings(max_line_bytes=limit))) as log:
                for text in ("ä" * 2000, '"\\' * 1000, "\x01" * 2000):
                    log.append(RUN, [RunLogLine(at=NOON, level=LogLevel.INFO, event=text, fields={})])
                    log.append(RUN, [RunLogLine(at=NOON, level=LogLevel.INFO, event="", fields={"f": text})])
                    log.append(RUN, [RunLogLine(at=NOON, level=LogLevel.INFO, event=text, fields={"f": text})])
                assert len(await log.read(RUN)) == 9
            query = "SELECT max(length(CAST(event AS BLOB)) + length(CAST(fields AS BLOB))) FROM line"
            assert _query(tmp_path, query) <= max(limit, 32)

        asyncio.run(check())

    @pytest.mark.parametrize("settings", [RunLogSettings(buffer_lines=10), RunLogSettings(buffer_bytes=20)])
    def test_without_room_in_memory_new_lines_are_dropped_and_noted(
        self, tmp_path: Path, settings: RunLogSettings
    ) -> None:
        async def check() -> None:
            async with running(log_in(tmp_path, settings)) as log:
                await log.read(RUN)
                log.append(RUN, lines(*"0123456789"))
                log.append(RUN, lines(*"abc"))
                log.append(OTHER, lines(*"abcd"))
                read = await log.read(RUN)
                kept = len(read) - 1
                assert [line.event for line in read] == [*"0123456789"[:kept], LOST]
                assert read[-1].fields == {"dropped": 13 - kept}
                assert [line.fields for line in await log.read(OTHER)] == [{"dropped": 4}]
                log.append(RUN, lines("later"))
                assert (await log.read(RUN))[-1].event == "later"

        asyncio.run(check())

    def test_lines_from_before_the_start_are_written(self, tmp_path: Path) -> None:
        async def check() -> None:
            log = log_in(tmp_path)
            log.append(RUN, lines("early"))
            async with running(log):
                assert [line.event for line in await log.read(RUN)] == ["early"]

        asyncio.run(check())

    @pytest.mark.slow
    def test_lines_are_written_soon_without_a_reader(self, tmp_path: Path) -> None:
        async def check() -> None:
            async with running(log_in(tmp_path)) as log:
                log.append(RUN, lines("a"))
                async with asyncio.timeout(60):
                    while not _query(tmp_path, "SELECT count(*) FROM line"):
                        await asyncio.sleep(0.02)

        asyncio.run(check())

    def test_many_lines_are_written_at_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("host.local.log_flusher.FLUSH_SECONDS", 3600)

        async def check() -> None:
            async with running(log_in(tmp_path)) as log:
                log.append(RUN, lines(*["x"] * 500))
                async with asyncio.timeout(60):
                    while not _query(tmp_path, "SELECT count(*) FROM line"):
                        await asyncio.sleep(0.005)

        asyncio.run(check())

    def test_append_never_waits_for_the_disk(self, tmp_path: Path) -> None:
        async def check() -> None:
            async with running(log_in(tmp_path)) as log:
                other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
                other.execute("BEGIN IMMEDIATE")
                log.append(RUN, lines(*["x"] * 1000))
                reader = asyncio.ensure_future(log.read(RUN, limit=2000))
                await asyncio.sleep(0.05)
                log.append(RUN, lines(*["y"] * 1000))
                assert not reader.done()
                other.execute("ROLLBACK")
                other.close()
                assert [line.event for line in await reader][:1000] == ["x"] * 1000
                assert len(await log.read(RUN, limit=5000)) == 2000

        asyncio.run(check())

    @pytest.mark.slow
    def test_lines_wait_while_the_store_refuses_them(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        async def check() -> None:
            async with running(log_in(tmp_path)) as log:
                await log.read(RUN)
                write = log._database.write

                async def refuse(_: Callable[[sqlite3.Connection], T]) -> T:
                    raise StoreUnavailableError("the disk is full")

                monkeypatch.setattr(log._database, "write", refuse)
                log.append(RUN, lines("a"))
                with pytest.raises(StoreUnavailableError):
                    await log.read(RUN)
                assert "the disk is full" in log.check()[0].message
                log.append(RUN, lines("b"))
                monkeypatch.setattr(log._database, "write", write)
                assert [line.event for line in await log.read(RUN)] == ["a", "b"]
                assert list(log.check()) == []

        with capture_logs() as logs:
            asyncio.run(check())
        assert [entry["event"] for entry in logs] == ["lines of runs cannot be written"]

    def test_a_defect_of_the_writer_is_told_to_all(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        async def check() -> None:
            async with running(log_in(tmp_path)) as log:
                await log.read(RUN)

                async def fail(_: Callable[[sqlite3.Connection], T]) -> T:
                    raise ZeroDivisionError

                monkeypatch.setattr(log._database, "write", fail)
                log.append(RUN, lines("a"))
                for _ in range(2):
                    with pytest.raises(StoreUnavailableError):
                        await log.read(RUN)
                log.append(RUN, lines("b"))
                assert isinstance(log.background()[0].exception(), ZeroDivisionError)
                assert log.check()[0].is_failure
                assert "ZeroDivisionError" in log.check()[0].message

        asyncio.run(check())

    def test_a_stopped_log_refuses_to_read(self, tmp_path: Path) -> None:
        async def check() -> None:
            log = log_in(tmp_path)
            with pytest.raises(StoreUnavailableError):
                await log.read(RUN)
            async with running(log):
                pass
            log.append(RUN, lines("too late"))
            with pytest.raises(StoreUnavailableError):
                await log.read(RUN)

        asyncio.run(check())

    def test_nothing_is_kept_of_followers_that_left(self, tmp_path: Path) -> None:
        async def check() -> None:
            async with running(log_in(tmp_path)) as log:
                log.append(RUN, lines("a"))
                following = log.follow(RUN)
                await anext(following)
                assert RUN in log._followers
                await following.aclose()  # type: ignore[attr-defined]  # an asynchronous generator
                assert log._followers == {}

        asyncio.run(check())

    def test_a_backup_holds_what_was_appended_and_can_be_restored(self, tmp_path: Path) -> None:
        async def check() -> None:
            (tmp_path / "copy").mkdir()
            async with running(log_in(tmp_path)) as log:
                log.append(RUN, lines("a"))
                assert await log.backup(tmp_path / "copy") == [tmp_path / "copy" / FILE_NAME]
                log.append(RUN, lines("b"))
            log_in(tmp_path).restore(tmp_path / "copy")
            async with running(log_in(tmp_path)) as log:
                assert [line.event for line in await log.read(RUN)] == ["a"]
                assert list(await log.verify()) == []
                assert (await log.size()).bytes > 0
                assert FILE_NAME in await log.optimise()

        asyncio.run(check())


def log_in(path: Path, settings: RunLogSettings | None = None) -> SqliteRunLog:
    return SqliteRunLog(LocalDataDirectory(DataDirectorySettings(path=path)), settings or RunLogSettings())


def _query(path: Path, query: str) -> int:
    connection = sqlite3.connect(path / FILE_NAME)
    try:
        return int(connection.execute(query).fetchone()[0] or 0)
    finally:
        connection.close()
