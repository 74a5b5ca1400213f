"""The XML schedule store keeps the promises of its contracts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from host.contracts.bus import MessageBus
from host.contracts.contract import Service
from host.contracts.schedules import JobScheduleManager
from host.local.bus import LocalMessageBus
from host.local.directory import DataDirectorySettings, LocalDataDirectory
from host.local.schedules import XmlJobScheduleManager, XmlJobScheduleSettings
from host.testing.clock import FakeClock
from host.testing.contracts.schedules import Advance, JobScheduleManagerSuite, NewManager
from host.testing.contracts.services import ServiceSuite


def build(folder: Path, bus: MessageBus, clock: FakeClock) -> XmlJobScheduleManager:
    directory = LocalDataDirectory(DataDirectorySettings(path=folder))
    return XmlJobScheduleManager(directory, bus, clock, XmlJobScheduleSettings())


class TestXmlJobScheduleManager(JobScheduleManagerSuite):
    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def new_manager(self, tmp_path: Path, clock: FakeClock) -> NewManager:
        def new(bus: MessageBus) -> JobScheduleManager:
            return build(tmp_path, bus, clock)

        return new

    @pytest.fixture
    def advance(self, clock: FakeClock) -> Advance:
        return clock.advance


class TestXmlJobScheduleManagerService(ServiceSuite):
    @pytest.fixture
    def new_service(self, tmp_path: Path) -> Callable[[], Service]:
        return lambda: build(tmp_path, LocalMessageBus(), FakeClock())
