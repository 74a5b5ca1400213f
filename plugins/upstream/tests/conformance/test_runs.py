"""Runs of an upstream, their changes and their statistics are read as if they were here."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from host.testing.contracts.lacks import LacksSuite, NewProvider
from host.testing.contracts.run_reading import RunReading
from host.testing.contracts.run_statistics import RunStatistics
from host.testing.run_desk import Desk, RunStore
from plugins.upstream.tests.conformance.behind import BackedRuns
from plugins.upstream.tests.conformance.proxies import Proxies, opened
from plugins.upstream.tests.conformance.upstream import UpstreamProcess


class TestUpstreamJobRunReader(RunReading, RunStatistics, LacksSuite):
    @pytest.fixture
    def desk(self, upstream: UpstreamProcess, new_proxies: Callable[[], Proxies]) -> Iterator[Desk]:
        """Give the runs of the upstream as it began; after a crash, those of its next start."""
        was_built = False

        def new_runs() -> RunStore:
            nonlocal was_built
            if was_built:
                upstream.begin(is_clean=False)
            was_built = True
            return BackedRuns(new_proxies(), upstream)

        async def advance(seconds: float) -> None:
            upstream.move(seconds)

        with Desk(new_runs, advance) as desk:
            yield desk

    @pytest.fixture
    def new_provider(self, new_proxies: Callable[[], Proxies]) -> NewProvider:
        return opened(new_proxies, lambda proxies: proxies.reader)
