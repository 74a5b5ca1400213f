"""The manager of a host that runs jobs itself keeps the promises of its contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.testing.clock import FakeClock
from host.testing.contracts.jobs import JobManagerSuite
from host.testing.hosted_place import hosted_place
from host.testing.place import NewJobPlace


class TestHostedJobManager(JobManagerSuite):
    @pytest.fixture
    def new_place(self, tmp_path: Path) -> NewJobPlace:
        clock = FakeClock()
        return lambda: hosted_place(tmp_path, clock)
