"""The upstream's processes, one of each kind for all tests of a worker; every test begins with a clean host inside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plugins.upstream.tests.conformance.proxies import Proxies
from plugins.upstream.tests.conformance.upstream import UpstreamProcess, upstream_process


@pytest.fixture(scope="session")
def process() -> Iterator[UpstreamProcess]:
    with upstream_process() as process:
        yield process


@pytest.fixture(scope="session")
def ami_process() -> Iterator[UpstreamProcess]:
    with upstream_process("ami") as process:
        yield process


@pytest.fixture
def upstream(process: UpstreamProcess) -> UpstreamProcess:
    process.begin()
    return process


@pytest.fixture
def new_proxies(upstream: UpstreamProcess, tmp_path: Path) -> Callable[[], Proxies]:
    return lambda: Proxies(tmp_path, upstream)
