"""Hosts for acceptance tests; every process a test starts ends with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.hostprocess import HostProcess


@pytest.fixture
def make_host(tmp_path: Path) -> Iterator[Callable[..., HostProcess]]:
    hosts: list[HostProcess] = []

    def make(**options: str) -> HostProcess:
        folder = tmp_path / f"host{len(hosts)}"
        folder.mkdir()
        hosts.append(HostProcess(folder, **options))
        return hosts[-1]

    yield make
    for host in hosts:
        host.kill()


@pytest.fixture
def host(make_host: Callable[..., HostProcess]) -> HostProcess:
    """A running host with the probe jobs registered."""
    made = make_host()
    made.start()
    return made
