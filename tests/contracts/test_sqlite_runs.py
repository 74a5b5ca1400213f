"""The embedded run store meets the suite."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from host.contracts.contract import Service
from host.contracts.host import DataDirectory
from host.local.runs import SqliteJobRunStore, SqliteRunStoreSettings, Synchronous
from host.testing.clock import FakeClock
from host.testing.contracts.runs import JobRunSuite
from host.testing.contracts.services import ServiceSuite
from host.testing.run_desk import Advance, NewPlace, NewRuns

_INCARNATIONS = itertools.count(1)


class Folder(DataDirectory):
    """A folder for one incarnation."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._node = f"node/{next(_INCARNATIONS)}"

    def path(self) -> Path:
        return self._path

    def node(self) -> str:
        return self._node


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


class TestSqliteJobRunStore(JobRunSuite):
    @pytest.fixture
    def new_place(self, tmp_path: Path, clock: FakeClock) -> NewPlace:
        settings = SqliteRunStoreSettings(synchronous=Synchronous.NORMAL)
        numbers = itertools.count()

        def new_place() -> NewRuns:
            folder = tmp_path / str(next(numbers))
            folder.mkdir()
            return lambda: SqliteJobRunStore(Folder(folder), clock, settings)

        return new_place

    @pytest.fixture
    def new_leased_runs(self, tmp_path: Path, clock: FakeClock) -> NewRuns:
        settings = SqliteRunStoreSettings(lease=timedelta(seconds=30))
        return lambda: SqliteJobRunStore(Folder(tmp_path), clock, settings)

    @pytest.fixture
    def advance(self, clock: FakeClock) -> Advance:
        return clock.advance


class TestSqliteJobRunStoreService(ServiceSuite):
    @pytest.fixture
    def new_service(self, tmp_path: Path, clock: FakeClock) -> Callable[[], Service]:
        return lambda: SqliteJobRunStore(Folder(tmp_path), clock, SqliteRunStoreSettings())
