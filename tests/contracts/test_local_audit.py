"""The SQLite audit trail meets the suite."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from host.contracts.contract import Service
from host.local.audit import SqliteAuditTrail
from host.local.directory import DataDirectorySettings, LocalDataDirectory
from host.testing.contracts.audit import AuditTrailSuite, NewTrail, NewTrails
from host.testing.contracts.services import ServiceSuite


class TestSqliteAuditTrail(AuditTrailSuite, ServiceSuite):
    @pytest.fixture
    def new_trail(self, tmp_path: Path) -> NewTrail:
        return lambda: trail_in(tmp_path)

    @pytest.fixture
    def new_trails(self, tmp_path: Path) -> NewTrails:
        numbers = itertools.count()

        def new_place() -> NewTrail:
            folder = tmp_path / str(next(numbers))
            folder.mkdir()
            return lambda: trail_in(folder)

        return new_place

    @pytest.fixture
    def new_service(self, tmp_path: Path) -> Callable[[], Service]:
        return lambda: trail_in(tmp_path)


def trail_in(path: Path) -> SqliteAuditTrail:
    return SqliteAuditTrail(LocalDataDirectory(DataDirectorySettings(path=path)))
