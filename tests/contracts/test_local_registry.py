"""The SQLite job registry meets the suite, and can be kept healthy."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from host.contracts.contract import Service
from host.contracts.registry import Pause
from host.errors import StoreCorruptError, StoreUnavailableError
from host.local.directory import DataDirectorySettings, LocalDataDirectory
from host.local.registry import FILE_NAME, SqliteJobRegistry
from host.testing.contracts.registry import JobRegistrySuite, NewRegistry
from host.testing.contracts.services import ServiceSuite, running

PAUSE = Pause(scope="all", reason="upkeep", by=None, at=datetime(2026, 3, 1, tzinfo=UTC))


class TestSqliteJobRegistry(JobRegistrySuite, ServiceSuite):
    @pytest.fixture
    def new_registry(self, tmp_path: Path) -> NewRegistry:
        return lambda: registry_in(tmp_path)

    @pytest.fixture
    def new_service(self, tmp_path: Path) -> Callable[[], Service]:
        return lambda: registry_in(tmp_path)

    def test_a_change_is_refused_while_stopped(self, tmp_path: Path) -> None:
        with pytest.raises(StoreUnavailableError):
            asyncio.run(registry_in(tmp_path).pause(PAUSE))

    def test_a_backup_can_be_restored(self, tmp_path: Path) -> None:
        async def check() -> None:
            async with running(registry_in(tmp_path)) as registry:
                await registry.pause(PAUSE)
                (tmp_path / "copy").mkdir()
                assert await registry.backup(tmp_path / "copy") == [tmp_path / "copy" / FILE_NAME]
                await registry.resume("all")
            registry_in(tmp_path).restore(tmp_path / "copy")
            async with running(registry_in(tmp_path)) as registry:
                assert list(await registry.pauses()) == [PAUSE]
                assert list(await registry.verify()) == []
            assert (tmp_path / f"{FILE_NAME}.before-restore").exists()

        asyncio.run(check())

    def test_a_missing_backup_changes_nothing(self, tmp_path: Path) -> None:
        async def check() -> None:
            async with running(registry_in(tmp_path)) as registry:
                await registry.pause(PAUSE)
            with pytest.raises(StoreCorruptError):
                registry_in(tmp_path).restore(tmp_path / "copy")
            async with running(registry_in(tmp_path)) as registry:
                assert list(await registry.pauses()) == [PAUSE]

        asyncio.run(check())

    def test_its_size_and_upkeep_are_told(self, tmp_path: Path) -> None:
        async def check() -> None:
            async with running(registry_in(tmp_path)) as registry:
                await registry.pause(PAUSE)
                size = await registry.size()
                assert size.rows == 1
                assert size.bytes >= (tmp_path / FILE_NAME).stat().st_size > 0
                assert FILE_NAME in await registry.optimise()

        asyncio.run(check())

    def test_a_file_of_another_program_is_left_alone(self, tmp_path: Path) -> None:
        connection = sqlite3.connect(tmp_path / FILE_NAME)
        connection.execute("CREATE TABLE other (x)")
        connection.close()
        before = (tmp_path / FILE_NAME).read_bytes()
        with pytest.raises(StoreCorruptError):
            asyncio.run(registry_in(tmp_path).start())
        assert (tmp_path / FILE_NAME).read_bytes() == before


def registry_in(path: Path) -> SqliteJobRegistry:
    return SqliteJobRegistry(LocalDataDirectory(DataDirectorySettings(path=path)))
