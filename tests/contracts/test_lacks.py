"""What a host that runs jobs itself offers to its faces lacks nothing, and refuses nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from host.contracts.contract import Contract
from host.contracts.jobs import JobManagerService, RunControl
from host.contracts.logs import RunLog
from host.contracts.runs import JobRunReader
from host.contracts.schedules import JobScheduleManager
from host.testing.clock import FakeClock
from host.testing.contracts.lacks import LacksSuite, NewProvider, calls_of
from host.testing.hosted_place import place_host


class Local(LacksSuite):
    contract: ClassVar[type[Contract]]

    @pytest.fixture
    def new_provider(self, tmp_path: Path) -> NewProvider:
        @asynccontextmanager
        async def new_provider() -> AsyncIterator[Contract]:
            async with place_host(tmp_path, FakeClock()) as kit:
                provider = kit.get(self.contract)
                methods = {name for name in calls_of(provider) if "." not in name}
                assert methods == self.contract.__abstractmethods__
                assert provider.lacks == frozenset()
                yield provider

        return new_provider


class TestHostedJobManager(Local):
    contract = JobManagerService


class TestHostedRunControl(Local):
    contract = RunControl


class TestXmlJobScheduleManager(Local):
    contract = JobScheduleManager


class TestSqliteJobRunStore(Local):
    contract = JobRunReader


class TestSqliteRunLog(Local):
    contract = RunLog
