"""The pump: idle without listeners, not dependent on the bus, and not put off by a store that fails for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from host.contracts.clock import Clock
from host.contracts.jobs import JobManagerService
from host.contracts.runs import JobRunReader
from host.errors import StoreUnavailableError
from host.model.runs import JobRun
from host.testing.host import running_host
from host.testing.kit import HostKit
from host_rest.events import feed as feeds
from host_rest.events.feed import RunFeed
from host_rest.events.outlet import Outlet
from host_rest.events.selection import Selection
from host_rest.events.shown import ShownRuns
from plugins.rest.tests.events.listener import PATIENCE_SECONDS, Quick

ALL = Selection()


class Watched:
    """A reader whose looks are counted, and which fails when told to."""

    def __init__(self, reader: JobRunReader) -> None:
        self._reader = reader
        self.looks = 0
        self.fails = False

    async def changes(self, after: int, *, limit: int = 500) -> Sequence[JobRun]:
        self.looks += 1
        if self.fails:
            raise StoreUnavailableError("the store is away")
        return await self._reader.changes(after, limit=limit)


@asynccontextmanager
async def pumping(folder: Path) -> AsyncIterator[tuple[HostKit, RunFeed, Watched]]:
    async with running_host(folder, jobs=[Quick]) as host:
        reader: Any = Watched(host.runs)
        feed = RunFeed(reader, ShownRuns(host.get(JobManagerService)), host.get(Clock))
        task = asyncio.create_task(feed.run())
        try:
            yield host, feed, reader
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def take_until(outlet: Outlet, text: bytes) -> bytes:
    told = b""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while text not in told:
            told += await outlet.take() or b""
    return told


def go(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(work())


def test_nothing_is_read_while_nobody_listens(tmp_path: Path) -> None:
    async def check() -> None:
        async with pumping(tmp_path) as (host, feed, reader):
            feed.look()
            await host.perform(Quick)
            feed.look()
            await host.perform(Quick)
            assert reader.looks == 0

    go(check)


@pytest.mark.slow
def test_changes_are_told_without_a_word_from_the_bus(tmp_path: Path) -> None:
    async def check() -> None:
        async with pumping(tmp_path) as (host, feed, _), listening(feed) as outlet:
            run = await host.perform(Quick)
            told = await take_until(outlet, b'"state":"completed"')
            assert str(run.id).encode() in told

    go(check)


@pytest.mark.slow
def test_who_listens_anew_hears_nothing_of_what_happened_while_nobody_did(tmp_path: Path) -> None:
    async def check() -> None:
        async with pumping(tmp_path) as (host, feed, _):
            async with listening(feed) as outlet:
                await host.perform(Quick)
                await take_until(outlet, b'"state":"completed"')
            unheard = await host.perform(Quick)
            async with listening(feed) as outlet:
                run = await host.perform(Quick)
                told = await take_until(outlet, str(run.id).encode())
                assert str(unheard.id).encode() not in told

    go(check)


@pytest.mark.slow
def test_a_store_that_fails_for_a_while_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "RETRY_SECONDS", 0.01)

    async def check() -> None:
        async with pumping(tmp_path) as (host, feed, reader), listening(feed) as outlet:
            reader.fails = True
            run = await host.perform(Quick)
            before = reader.looks
            async with asyncio.timeout(PATIENCE_SECONDS):
                while reader.looks < before + 3:
                    await asyncio.sleep(0.005)
            reader.fails = False
            assert str(run.id).encode() in await take_until(outlet, b'"state":"completed"')

    go(check)


def test_an_outlet_is_not_attached_where_something_would_be_missed(tmp_path: Path) -> None:
    async def check() -> None:
        async with pumping(tmp_path) as (host, feed, _):
            first = await host.perform(Quick)
            await host.perform(Quick)
            outlet = Outlet()
            with feed.listening():
                newest = await feed.begin()
                assert not feed.attach(ALL, outlet, first.change)
                page, after = await feed.missed(ALL, first.change)
                assert (page.count(b"event: run\n"), after) == (1, newest)
                assert feed.attach(ALL, outlet, after)

    go(check)


def test_a_mark_says_nothing_of_what_a_client_is_still_to_be_told(tmp_path: Path) -> None:
    async def check() -> None:
        async with pumping(tmp_path) as (host, feed, _):
            outlets = [Outlet() for _ in range(4 * feeds.SLICE)]
            with feed.listening():
                begin = await feed.begin()
                for outlet in outlets:
                    assert feed.attach(ALL, outlet, begin)
                performing = asyncio.create_task(host.perform(Quick))
                between = 0
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while not performing.done() or any(outlet.is_idle for outlet in outlets):
                        await asyncio.sleep(0)
                        idle = [outlet for outlet in outlets if outlet.is_idle]
                        if 0 < len(idle) < len(outlets):
                            between += 1
                            assert feed.mark(idle[0]) == b"id: %d\n\n" % begin
                assert between
                run = await performing
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while feed.mark(outlets[0]) != b"id: %d\n\n" % run.change:
                        await asyncio.sleep(0.005)

    go(check)


@asynccontextmanager
async def listening(feed: RunFeed) -> AsyncIterator[Outlet]:
    outlet = Outlet()
    with feed.listening():
        assert feed.attach(ALL, outlet, await feed.begin())
        try:
            yield outlet
        finally:
            feed.detach(ALL, outlet)
