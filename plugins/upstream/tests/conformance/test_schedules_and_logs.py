"""Schedules are stored at an upstream as if it were here, and the lines of its runs are read and followed so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from host.contracts.logs import RunLog
from host.testing.contracts.lacks import LacksSuite, NewProvider
from host.testing.contracts.logs import OTHER, RUN, NewLog, RunLogSuite
from host.testing.contracts.schedules import JobScheduleManagerSuite, NewManager
from plugins.upstream.tests.conformance.behind import BackedLog, StartedSchedules
from plugins.upstream.tests.conformance.proxies import Proxies, opened
from plugins.upstream.tests.conformance.upstream import UpstreamProcess

SMALL = '<section xsi:type="RunLogConfigurationSection" maxLinesPerRun="100" />'


class TestUpstreamJobScheduleManager(JobScheduleManagerSuite, LacksSuite):
    @pytest.fixture
    def new_manager(self, upstream: UpstreamProcess, tmp_path: Path) -> NewManager:
        return lambda bus: StartedSchedules(Proxies(tmp_path, upstream, bus))

    @pytest.fixture
    def new_provider(self, new_proxies: Callable[[], Proxies]) -> NewProvider:
        return opened(new_proxies, lambda proxies: proxies.schedules)


class TestUpstreamRunLog(RunLogSuite, LacksSuite):
    @pytest.fixture
    def new_log(self, upstream: UpstreamProcess, new_proxies: Callable[[], Proxies]) -> NewLog:
        return logs(upstream, new_proxies)

    @pytest.fixture
    def new_small_log(self, upstream: UpstreamProcess, new_proxies: Callable[[], Proxies]) -> NewLog:
        upstream.begin(sections=SMALL)
        return logs(upstream, new_proxies, sections=SMALL)

    @pytest.fixture
    def new_provider(self, new_proxies: Callable[[], Proxies]) -> NewProvider:
        return opened(new_proxies, lambda proxies: proxies.log)


def logs(upstream: UpstreamProcess, new_proxies: Callable[[], Proxies], *, sections: str = "") -> NewLog:
    """Give what builds the log of the upstream as it began, and then that of its next starts."""
    was_built = False

    def new_log() -> RunLog:
        nonlocal was_built
        if was_built:
            upstream.begin(is_clean=False, sections=sections)
        was_built = True
        return BackedLog(new_proxies(), upstream, runs=[RUN, OTHER])

    return new_log
