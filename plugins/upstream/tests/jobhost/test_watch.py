"""The upstream's changes on this host's bus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from host.local.bus import LocalMessageBus
from host.model.messages import JobsChanged, PausesChanged, RunsChanged, ScheduleChanged
from host.model.schedules import JobSchedule
from host.model.submissions import RunSubmission
from host_rest.api.mount import RestMount
from host_upstream.settings import UpstreamRealm, UpstreamSettings
from host_upstream.upstream import OneUpstream
from plugins.upstream.tests.jobhost.desk import Desk, desk

KINDS = (RunsChanged, ScheduleChanged, JobsChanged, PausesChanged)


class Heard:
    """What the bus has said so far."""

    def __init__(self, bus: LocalMessageBus) -> None:
        self.messages: list[object] = []
        for kind in KINDS:
            bus.subscribe(kind, self.messages.append)

    async def wait_for(self, is_it: Callable[[object], bool]) -> None:
        while not any(map(is_it, self.messages)):
            await asyncio.sleep(0.01)
        self.messages.clear()

    async def wait_for_all_kinds(self) -> None:
        while {type(message) for message in self.messages} != set(KINDS):
            await asyncio.sleep(0.01)
        self.messages.clear()


@asynccontextmanager
async def watched(at: Desk) -> AsyncIterator[tuple[OneUpstream, Heard]]:
    """Give an upstream that is followed, and what is heard of it."""
    bus = LocalMessageBus()
    heard = Heard(bus)
    settings = UpstreamSettings(realm=UpstreamRealm(domain="127.0.0.1", port=1, tls=False), cache=timedelta(hours=1))
    upstream = OneUpstream(at.link, settings, at.clock, bus)
    await upstream.start()
    await upstream.start()
    try:
        yield upstream, heard
    finally:
        await upstream.stop()
        await upstream.stop()


def _is(kind: type) -> Callable[[object], bool]:
    return lambda message: isinstance(message, kind)


def test_changes_are_told_as_they_happen(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at, watched(at) as (upstream, heard):
            await heard.wait_for_all_kinds()
            await at.kit.control.submit([RunSubmission(job="Fail", hold=True)])
            await heard.wait_for(_is(RunsChanged))
            greet = await at.kit.jobs.get_job("Greet")
            faces = await upstream.faces()
            assert (await faces.jobs.get_job_schedules("Greet")).schedules == ()
            await at.kit.jobs.set_job_schedule("Greet", [JobSchedule.every(timedelta(hours=1))])
            await heard.wait_for(lambda message: message == ScheduleChanged(job_type=greet.job_type))
            assert len((await faces.jobs.get_job_schedules("Greet")).schedules) == 1  # not from the cache
            assert await faces.pauses() == ()
            await at.kit.control.pause("all", reason="moving")
            await heard.wait_for(_is(JobsChanged))
            assert len(await faces.pauses()) == 1

    asyncio.run(check())


@pytest.mark.slow
def test_an_upstream_without_events_is_looked_at(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, mounts=(RestMount,)) as at, watched(at) as (_, heard):
            await heard.wait_for_all_kinds()
            await at.kit.control.submit([RunSubmission(job="Fail", hold=True)])
            await heard.wait_for(_is(RunsChanged))

    asyncio.run(check())


def test_an_upstream_that_is_down_is_waited_for_quietly(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path) as at:
            at.link.is_down = True
            async with watched(at) as (upstream, heard):
                while at.link.refused < 3:
                    await asyncio.sleep(0.01)
                assert not heard.messages
                assert not any(task.done() for task in upstream.background())
                at.link.is_down = False
                await heard.wait_for_all_kinds()

    asyncio.run(check())
