"""Fixtures for tests of jobs: ``pytest_plugins = ["host.testing.fixtures"]`` in the top ``conftest.py``."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from host.contracts.jobs import Job
from host.testing.clock import FakeClock
from host.testing.host import NewHostKit, running_host
from host.testing.kit import HostKit


@pytest.fixture
def fake_clock() -> FakeClock:
    """Give a clock that stands at 2026-01-01T00:00Z, a Thursday; the one that ``host_kit`` goes by."""
    return FakeClock()


@pytest.fixture
def host_kit(tmp_path: Path, fake_clock: FakeClock) -> NewHostKit:
    """Give ``async with host_kit(MyJob, …) as kit``: a host with these jobs that keeps its files in ``tmp_path``.

    A second one in the same test, after the first has ended, is the host's next start.
    """

    def new(*jobs: type[Job], **options: Any) -> AbstractAsyncContextManager[HostKit]:
        return running_host(tmp_path, jobs=jobs, **{"clock": fake_clock, **options})

    return new
