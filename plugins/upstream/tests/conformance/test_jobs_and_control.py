"""Jobs and runs of an upstream are managed as if they were here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from host.testing.contracts.control import RunControlSuite
from host.testing.contracts.jobs import JobManagerSuite
from host.testing.contracts.lacks import LacksSuite, NewProvider
from host.testing.contracts.services import running
from host.testing.place import Backstage, JobPlace, NewJobPlace
from host.wire import proxy
from plugins.upstream.tests.conformance.proxies import Proxies, opened
from plugins.upstream.tests.conformance.upstream import UpstreamProcess


@pytest.fixture
def new_place(upstream: UpstreamProcess, new_proxies: Callable[[], Proxies]) -> NewJobPlace:
    """The first place is the upstream as it began; the next ones are its next starts."""
    was_opened = False

    @asynccontextmanager
    async def new_place() -> AsyncIterator[JobPlace]:
        nonlocal was_opened
        if was_opened:
            upstream.begin(is_clean=False)
        was_opened = True
        async with upstream.connection() as connection, running(new_proxies()) as proxies:
            yield JobPlace(manager=proxies.manager, control=proxies.control, backstage=proxy(Backstage, connection))

    return new_place


class TestUpstreamJobManager(JobManagerSuite, LacksSuite):
    @pytest.fixture
    def new_place(self, new_place: NewJobPlace) -> NewJobPlace:
        return new_place

    @pytest.fixture
    def new_provider(self, new_proxies: Callable[[], Proxies]) -> NewProvider:
        return opened(new_proxies, lambda proxies: proxies.manager)


class TestUpstreamRunControl(RunControlSuite, LacksSuite):
    @pytest.fixture
    def new_place(self, new_place: NewJobPlace) -> NewJobPlace:
        return new_place

    @pytest.fixture
    def new_provider(self, new_proxies: Callable[[], Proxies]) -> NewProvider:
        return opened(new_proxies, lambda proxies: proxies.control)
