"""The page of a job: its facts, schedules and history; pausing, resuming and cancelling."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from host.contracts.clock import Clock
from host.contracts.host import HostControl
from host.contracts.jobs import Job, JobManagerService
from host.model.runs import RunFilter, RunState
from host.model.schedules import JobSchedule, schedule_ids
from host.testing.clock import FakeClock
from plugins.panel.tests.panel_jobs import JOBS, Failing, Plain, Typed, Waiting
from plugins.panel.tests.panelhost import PanelHost, panel_host

pytestmark = pytest.mark.slow
CRON = JobSchedule.cron("30 2 28 3 *", timezone="Europe/Prague")
"""Fires in the hour that the clocks leave out in 2027."""


def check(tmp_path: Path, body: Callable[[PanelHost], Awaitable[None]], *, clock: Clock | None = None) -> None:
    async def run() -> None:
        async with panel_host(tmp_path, jobs=JOBS, clock=clock) as web:
            await body(web)

    asyncio.run(run())


def type_of(job: type[Job]) -> str:
    return f"{job.__module__}:{job.__qualname__}"


async def paused(web: PanelHost) -> dict[str, str]:
    return dict((await web.kit.get(HostControl).status()).paused)


def test_facts_policies_and_parameters_are_told_in_words_and_no_secret(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        page = (await web.open(f"/jobs/{Typed.id}")).text
        for words in (
            "Up to 3, the second after 1.0 s",
            "An attempt may take 20 min.",
            "One run at a time; what comes due meanwhile is skipped.",
            "CancelledError is raised",
            "integer, 10 unless given",
            "string, required",
            type_of(Typed),
            "host.config.xml:",
            "No schedule: it runs when somebody runs it.",
            "Never run.",
        ):
            assert words in page, words
        assert "s3cret-default" not in page

    check(tmp_path, body)


@pytest.mark.parametrize("name", [type_of(Typed), "Typed work", "Typed"])
def test_other_names_lead_to_the_address_by_id(tmp_path: Path, name: str) -> None:
    async def body(web: PanelHost) -> None:
        for rest in ("", "/run"):
            answer = await web.open(f"/jobs/{name}{rest}?from=x")
            assert (answer.status_code, answer.headers["location"]) == (303, f"/jobs/{Typed.id}{rest}?from=x")
        assert (await web.open("/jobs/nobody")).status_code == 404
        assert (await web.open(f"/jobs/{uuid4()}")).status_code == 404

    check(tmp_path, body)


def test_a_schedule_shows_its_next_fires_and_what_the_clocks_do_to_them(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        manager = web.kit.get(JobManagerService)
        await manager.set_job_schedule(type_of(Plain), [CRON])
        page = (await web.open(f"/jobs/{Plain.id}")).text
        assert "cron 30 2 28 3 *" in page
        assert '<span class="number">Sun 2027-03-28 03:00</span>' in page
        assert "⚠</span> 02:30 does not exist on this day (clocks go forward); runs at 03:00" in page
        assert page.count("clocks go") == 1
        assert "-03-28 02:30" in page
        assert "xcron.xml:" in page
        assert f'href="/jobs/{Plain.id}/schedules"' in page
        assert f'href="/jobs/{Plain.id}/schedules"' not in (await web.open(f"/jobs/{Plain.id}", "reader")).text
        await manager.clear_job_schedule(type_of(Plain))
        assert "Its schedules were cleared" in (await web.open(f"/jobs/{Plain.id}")).text

    check(tmp_path, body, clock=FakeClock(datetime(2027, 3, 1, tzinfo=UTC)))


def test_runs_and_a_failing_streak_are_shown_with_their_rows_behind(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        for _ in range(2):
            await web.kit.perform(Failing)
        page = (await web.open(f"/jobs/{Failing.id}")).text
        assert "2 failed in a row" in page
        assert "no &lt;b&gt;luck&lt;/b&gt;" in page
        assert f"/runs?job={Failing.id}" in page
        statistics = (await web.open(f"/jobs/{Failing.id}/statistics")).text
        assert "2 failed" in statistics
        assert '<svg class="trend"' in statistics
        assert '<svg class="heat"' in statistics
        assert "No run ended in the last 30 days" in (await web.open(f"/jobs/{Plain.id}/statistics")).text

    check(tmp_path, body)


def test_a_job_is_paused_with_a_reason_and_the_toast_undoes_it(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        scope = f"job:{type_of(Plain)}"
        answer = await web.send(f"/jobs/{Plain.id}/pause", {"reason": " ", "back": "/jobs"})
        assert (answer.status_code, await paused(web)) == (303, {})
        assert "Nothing was paused" in (await web.open("/jobs")).text
        answer = await web.send(f"/jobs/{Plain.id}/pause", {"reason": "broken <db>", "back": "//evil"}, "operator")
        assert answer.headers["location"] == f"/jobs/{Plain.id}"
        assert await paused(web) == {scope: "broken <db>"}
        page = (await web.open(f"/jobs/{Plain.id}", "operator")).text
        assert "broken &lt;db&gt;" in page
        assert "by <bdi>operator</bdi>" in page
        assert f'action="/jobs/{Plain.id}/resume"' in page
        await web.send(f"/jobs/{Plain.id}/resume", role="operator")
        assert await paused(web) == {}
        assert 'value="broken &lt;db&gt;"' in (await web.open("/jobs", "operator")).text  # what undoing sends

    check(tmp_path, body)


def test_one_schedule_is_paused_and_no_other_jobs(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        await web.kit.get(JobManagerService).set_job_schedule(type_of(Plain), [CRON])
        (identity,) = schedule_ids(type_of(Plain), [CRON])
        refused = await web.send(f"/jobs/{Typed.id}/pause", {"reason": "x", "schedule": str(identity)})
        assert (refused.status_code, await paused(web)) == (404, {})
        await web.send(f"/jobs/{Plain.id}/pause", {"reason": "x", "schedule": str(identity)})
        assert list(await paused(web)) == [f"schedule:{identity}"]
        assert 'name="schedule" value="' + str(identity) in (await web.open(f"/jobs/{Plain.id}")).text
        await web.send(f"/jobs/{Plain.id}/resume", {"schedule": str(identity)})
        assert await paused(web) == {}

    check(tmp_path, body)


def test_cancelling_reaches_every_unfinished_run(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        for _ in range(3):
            await web.kit.submit(Waiting)
        page = (await web.open(f"/jobs/{Waiting.id}")).text
        assert "Cancel 3 runs" in page
        answer = await web.send(f"/jobs/{Waiting.id}/cancel", {"back": "/jobs?q=wait"})
        assert answer.headers["location"] == "/jobs?q=wait"
        async with asyncio.timeout(60):
            cancelled = RunFilter(job_id=Waiting.id, states=frozenset({RunState.CANCELLED}))
            while len((await web.kit.runs.runs(cancelled)).runs) < 3:
                await asyncio.sleep(0.02)
        await web.open("/jobs")
        await web.send(f"/jobs/{Waiting.id}/cancel")
        assert "There was no unfinished run to cancel." in (await web.open("/jobs")).text

    check(tmp_path, body)
