"""Where the upstream's providers cannot be as if everything were here, and how that shows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from host.errors import InvalidRequestError
from host.kernel.catalogue import type_name
from host.model.jobs import JobInfo
from host.model.masking import HIDDEN
from host.model.runs import JobRun
from host.model.schedules import JobSchedule, ScheduleKind
from host.model.submissions import RunSubmission
from host.testing.contracts.schedules import ALPHA
from host.testing.contracts.services import running
from host.testing.place import Backstage
from host.testing.place_jobs import Greet
from host.wire import proxy
from plugins.upstream.tests.conformance.proxies import Proxies
from plugins.upstream.tests.conformance.served import CLIENT
from plugins.upstream.tests.conformance.upstream import UpstreamProcess

GREET = type_name(Greet)
DAILY = JobSchedule(kind=ScheduleKind.CRON, expression="@daily", parameters={"x": 1, "token": "canary-hunter2"})


Look = Callable[[Callable[[Proxies, Backstage], Awaitable[None]]], None]


@pytest.fixture
def look(upstream: UpstreamProcess, new_proxies: Callable[[], Proxies]) -> Look:
    """Give what does a check with the providers, and with what is behind them."""

    def look(check: Callable[[Proxies, Backstage], Awaitable[None]]) -> None:
        async def main() -> None:
            async with upstream.connection() as connection, running(new_proxies()) as proxies:
                await check(proxies, proxy(Backstage, connection))

        asyncio.run(main())

    return look


def test_what_nobody_named_does_is_done_by_this_hosts_account(look: Look) -> None:
    async def check(proxies: Proxies, backstage: Backstage) -> None:
        await proxies.control.pause("all", reason="why not")
        assert [pause.by for pause in await backstage.pauses()] == [CLIENT]
        (held,) = await proxies.control.submit([RunSubmission(job=GREET, parameters=["you"], hold=True)])
        await proxies.control.cancel(held)
        again = await proxies.control.retry(held)
        runs = {run.id: run for run in await backstage.runs()}
        assert (runs[held].cancel_requested_by, runs[again].owner) == (CLIENT, CLIENT)

    look(check)


def test_every_submission_has_a_key_so_that_it_may_be_sent_again(look: Look) -> None:
    async def check(proxies: Proxies, backstage: Backstage) -> None:
        ids = await proxies.control.submit([RunSubmission(job=GREET, parameters=["you"])] * 2)
        keys = {run.idempotency_key for run in await backstage.runs() if run.id in ids}
        assert len(keys) == 2
        assert None not in keys

    look(check)


def test_more_than_ten_thousand_runs_are_not_submitted_at_once(look: Look) -> None:
    async def check(proxies: Proxies, backstage: Backstage) -> None:
        with pytest.raises(InvalidRequestError):
            await proxies.control.submit([RunSubmission(job=GREET, parameters=["you"])] * 10_001)
        assert list(await backstage.runs()) == []

    look(check)


def test_secret_values_are_hidden_and_stay_when_they_are_sent_back(look: Look) -> None:
    async def check(proxies: Proxies, backstage: Backstage) -> None:
        info = await proxies.manager.register_job(ALPHA)
        assert isinstance(info, JobInfo)
        run = await proxies.manager.start_job(ALPHA, {"x": 1, "token": "canary-hunter2"})
        assert isinstance(run, JobRun)
        assert (run.parameters["x"], run.parameters["token"]) == (1, HIDDEN)
        there = next(each for each in await backstage.runs() if each.id == run.id)
        assert there.parameters["token"] == "canary-hunter2"
        entry = await proxies.manager.set_job_schedule(ALPHA, [DAILY])
        assert entry.schedules[0].parameters == {"x": 1, "token": HIDDEN}
        again = await proxies.manager.set_job_schedule(ALPHA, entry.schedules, expected_version=entry.version)
        assert again.version == entry.version
        await backstage.advance(24 * 3600)
        fired = [each for each in await backstage.runs() if each.fire_time is not None]
        assert {each.parameters["token"] for each in fired if each.job_type == ALPHA} == {"canary-hunter2"}

    look(check)


def test_parameters_of_a_job_that_the_upstream_does_not_know_are_hidden_and_stay(look: Look) -> None:
    async def check(proxies: Proxies, _: Backstage) -> None:
        entry = await proxies.schedules.replace("nobody.jobs:None", [DAILY])
        assert entry.schedules[0].parameters == {"x": HIDDEN, "token": HIDDEN}
        again = await proxies.schedules.replace("nobody.jobs:None", entry.schedules, expected_version=entry.version)
        assert again.version == entry.version

    look(check)
