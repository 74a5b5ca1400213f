"""Two real hosts, one before the other: what is asked of the front one is done by the other, once, whatever ends."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import count
from typing import TypeVar

import pytest

from host.cli.connect import ConnectedHost, connect
from host.cli.watch import follow_log, wait_final
from host.errors import UpstreamUnavailableError
from host.local.control_audit import account_name
from host.model.logs import RunLogLine
from host.model.runs import RunFilter, RunState
from host.model.schedules import JobSchedule
from host.model.submissions import RunSubmission
from tests.acceptance.hostprocess import HostProcess
from tests.acceptance.test_http_server import free_port

pytestmark = pytest.mark.slow

PROVIDERS = """
      <add type="host_rest.server.server:HttpServer" />
      <add type="host_rest.oauth.mount:OAuthMount" />
      <add type="host_rest.api.mount:RestMount" />
      <add type="host_rest.events.mount:EventsMount" />"""
FRONT = """<?xml version="1.0" encoding="utf-8"?>
<SanteDBConfiguration xmlns="http://santedb.org/configuration" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <section xsi:type="ApplicationServiceContextConfigurationSection">
    <serviceProviders>
      <add type="SanteDB.Client.Upstream.Management.UpstreamJobManager, SanteDB.Client" />
    </serviceProviders>
  </section>
  <section xsi:type="UpstreamConfigurationSection">
    <realm domain="127.0.0.1" port="{port}" tls="false" />
    <credentials convey="secret" type="app" name="front"><secret>secret:upstream</secret></credentials>
  </section>
  <section xsi:type="DataDirectoryConfigurationSection" path="data" />
</SanteDBConfiguration>
"""
T = TypeVar("T")
NewHost = Callable[..., HostProcess]
PATIENCE_SECONDS = 120


def two_hosts(make_host: NewHost) -> tuple[HostProcess, HostProcess]:
    """Give a host that runs the probe jobs, and one before it; both run."""
    port = free_port()
    zone = '<section xsi:type="SchedulerConfigurationSection" timezone="Asia/Tokyo" />'
    server = f'<section xsi:type="HttpServerConfigurationSection" port="{port}" />'
    behind = make_host(providers=PROVIDERS, sections=f"{server}{zone}")
    client = behind.json("clients", "add", "front", "--role", "administrator")
    assert isinstance(client, dict)
    behind.start()
    front = make_host()
    front.config.write_text(FRONT.format(port=port), encoding="utf-8")
    secret = front.folder / "secrets" / "upstream"
    secret.parent.mkdir()
    secret.write_text(client["secret"], encoding="utf-8")
    secret.chmod(0o600)
    front.start()
    return behind, front


async def until(is_it: Callable[[], bool]) -> None:
    while not is_it():
        await asyncio.sleep(0.01)


async def outlasting(ask: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await ask()
        except UpstreamUnavailableError:
            await asyncio.sleep(0.1)


def test_the_front_host_does_all_that_the_other_can(make_host: NewHost) -> None:
    behind, front = two_hosts(make_host)

    async def check(here: ConnectedHost, there: ConnectedHost) -> None:
        assert list(await here.jobs.jobs()) == list(await there.jobs.jobs())
        (run_id,) = await here.control.submit([RunSubmission(job="Progressing", parameters=[3, 0.0], owner="carla")])
        run = await wait_final(here, run_id)
        assert (run.state, run.owner) == (RunState.COMPLETED, "carla")
        assert list(await here.log.read(run_id)) == list(await there.log.read(run_id)) != []
        (gated,) = await here.control.submit([RunSubmission(job="Gated")])
        await here.control.cancel(gated)
        assert (await wait_final(here, gated)).state is RunState.CANCELLED
        await here.jobs.set_job_schedule("Free", [JobSchedule.cron("0 3 * * *")])
        assert await here.schedules.all() == await there.schedules.all() != []
        await here.control.pause("job:Free", reason="moving")
        status = await here.host.status()
        assert [pause.reason for pause in status.pauses] == ["moving"]
        assert status.timezone == "Asia/Tokyo"
        cancelled = next(event for event in (await there.audit.events()).events if "cancel" in event.action)
        assert (cancelled.by, cancelled.detail["for"]) == ("front", account_name(os.getuid()))

    async def connected() -> None:
        async with asyncio.timeout(PATIENCE_SECONDS), connect(front.data) as here, connect(behind.data) as there:
            await check(here, there)

    asyncio.run(connected())
    assert "(at 03:00 every day), Asia/Tokyo" in front.run("schedule", "list").stdout


def test_the_end_of_the_upstream_loses_no_line_and_makes_no_run_twice(make_host: NewHost) -> None:
    behind, front = two_hosts(make_host)

    async def submit(host: ConnectedHost, accepted: list[int]) -> None:
        for number in count():
            try:
                await host.control.submit([RunSubmission(job="Free", priority=number, hold=True)])
                accepted.append(number)
            except UpstreamUnavailableError:  # whether it was heard, nobody knows
                await asyncio.sleep(0.1)

    async def check(host: ConnectedHost) -> None:
        (run_id,) = await host.control.submit([RunSubmission(job="Progressing", parameters=[40, 0.03])])
        seen: list[RunLogLine] = []
        following = asyncio.create_task(follow_log(host, run_id, seen.append))
        accepted: list[int] = []
        submitting = asyncio.create_task(submit(host, accepted))
        await until(lambda: len(seen) >= 5 and len(accepted) >= 20)
        await asyncio.to_thread(behind.kill)
        await asyncio.to_thread(behind.start)
        before = len(accepted)
        await until(lambda: len(accepted) >= before + 5)
        submitting.cancel()
        await asyncio.wait([submitting])
        await following
        assert [line.number for line in seen] == list(range(1, len(seen) + 1))
        assert seen == list(await outlasting(lambda: host.log.read(run_id)))
        held = RunFilter(states=frozenset({RunState.PENDING}))
        page = await outlasting(lambda: host.runs.runs(held, limit=1000))
        made = Counter(run.priority for run in page.runs)
        assert page.next_cursor is None
        assert set(made.values()) == {1}
        assert set(accepted) <= set(made)

    async def connected() -> None:
        async with asyncio.timeout(PATIENCE_SECONDS), connect(front.data) as host:
            await check(host)

    asyncio.run(connected())
