"""The overview: figures, throughput, what needs attention, next fire times, and what of it fails by itself."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from host.contracts.jobs import JobManagerService, RunControl
from host.contracts.runs import JobRunReader
from host.errors import UnsupportedOperationError, UpstreamUnavailableError
from host.model.schedules import JobSchedule
from host_panel.words import NONE
from plugins.panel.tests.panel_jobs import Failing, Hostile, Plain, Waiting
from plugins.panel.tests.panelhost import PanelHost, panel_host

pytestmark = pytest.mark.slow
PATIENCE_SECONDS = 30


def check(tmp_path: Path, body: Callable[[PanelHost], Awaitable[None]]) -> None:
    async def run() -> None:
        async with panel_host(tmp_path, jobs=(Failing, Hostile, Plain, Waiting)) as web:
            await body(web)

    asyncio.run(run())


async def until(web: PanelHost, *wanted: str, role: str = "administrator", query: str = "") -> str:
    """Open the overview until it shows these texts."""
    page = ""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not page or not all(each in page for each in wanted):
            answer = await web.open(f"/{query}", role)
            assert answer.status_code == 200, answer.text
            page = answer.text
            await asyncio.sleep(0.02)
    return page


def figure(page: str, label: str) -> str:
    """Give the value of one of the six figures."""
    found = re.search(
        r'<span class="value">([^<]*)(?:<span[^>]*>[^<]*</span>)?</span><span class="label">' + label, page
    )
    assert found is not None, label
    return found[1]


def test_a_quiet_host_says_that_all_is_well_and_teaches(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        page = await until(web, "All well", "No fire times to come", "No run is active")
        assert len(re.findall('<a class="figure', page)) == 6
        assert figure(page, "Running now") == "0"

    check(tmp_path, body)


def test_figures_lead_to_their_rows(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        await web.kit.perform("Plain")
        await web.kit.perform("Failing")
        page = await until(web, "1 run in a row")
        assert (figure(page, "Completed, 24 h"), figure(page, "Failed, 24 h")) == ("1", "1")
        assert figure(page, "Jobs failing now") == "1"
        for path in re.findall(r'<a class="figure[^"]*" href="([^"]+)"', page):
            assert (await web.open(path.replace("&amp;", "&"))).status_code == 200

    check(tmp_path, body)


def test_throughput_stands_in_a_chart_and_in_a_table(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        for _ in range(3):
            await web.kit.perform("Plain")
        for span in ("1h", "24h", "7d"):
            page = await until(web, "3 completed", query=f"?span={span}")
            assert 'aria-current="true"' in page
            table = page[page.index("The same as a table") :]
            assert '<td class="right number">3</td>' in table
        assert (await web.open("/?span=nonsense")).status_code == 200

    check(tmp_path, body)


def test_what_fails_and_what_is_paused_needs_attention_worst_first(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        await web.kit.get(RunControl).pause(f"job:{await _type(web, Plain.name)}", reason="rest")
        await web.kit.perform("Failing")
        page = await until(web, "1 run in a row")
        assert page.index("Failing work") < page.index("Plain work")
        assert "no &lt;b&gt;luck&lt;/b&gt;" in page
        assert ">Retry</button>" in page
        assert ">Resume</button>" in page

    check(tmp_path, body)


async def _type(web: PanelHost, name: str) -> str:
    return next(job.job_type for job in await web.kit.get(JobManagerService).jobs() if job.name == name)


def test_a_job_that_works_again_is_not_failing_any_more(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        await web.kit.perform("Failing")
        await until(web, "1 run in a row")
        await web.kit.perform("Plain")
        page = await until(web, "Retry")
        assert "Plain work" not in page[page.index('id="attention"') : page.index('id="fires-title"')]

    check(tmp_path, body)


def test_a_reader_sees_no_buttons(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        await web.kit.perform("Failing")
        page = await until(web, "1 run in a row", role="reader")
        assert ">Retry</button>" not in page

    check(tmp_path, body)


def test_next_fire_times_of_all_jobs_stand_in_order_without_paused_ones(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        jobs = web.kit.get(JobManagerService)
        await jobs.set_job_schedule(str(Plain.id), [JobSchedule.cron("0 3 1 1 *")])
        await jobs.set_job_schedule(str(Failing.id), [JobSchedule.cron("0 3 * * *")])
        await jobs.set_job_schedule(str(Waiting.id), [JobSchedule.cron("0 4 * * *")])
        page = await until(web, "Failing work", "Waiting work", "Plain work")
        fires = page[page.index("fires-title") :]
        assert fires.index("Plain work") > fires.index("Failing work")
        await web.send("/pauses", {"scope": f"job:{await _type(web, Failing.name)}", "reason": "rest"}, "operator")
        page = await until(web, "Waiting work")
        assert "Failing work" not in page[page.index("fires-title") :]
        await web.send("/pauses", {"reason": "everything rests"}, "operator")
        page = await until(web, "nothing fires")
        assert "everything rests" in page

    check(tmp_path, body)


def test_a_changed_schedule_moves_its_fire_time(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        jobs = web.kit.get(JobManagerService)
        await jobs.set_job_schedule(str(Plain.id), [JobSchedule.cron("0 3 1 1 *")])
        await until(web, "-01-01 03:00")
        await jobs.set_job_schedule(str(Plain.id), [JobSchedule.cron("0 5 2 2 *")])
        page = await until(web, "-02-02 05:00")
        assert "-01-01 03:00" not in page
        await jobs.clear_job_schedule(str(Plain.id))
        await until(web, "No fire times to come")

    check(tmp_path, body)


def test_active_runs_are_shown_with_progress_and_hostile_texts_stay_text(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        jobs = web.kit.get(JobManagerService)
        await jobs.set_job_schedule(str(Hostile.id), [JobSchedule.every(timedelta(hours=1))])
        run = await jobs.start_job(str(Waiting.id))
        page = await until(web, "a &lt;i&gt;quarter&lt;/i&gt;")
        assert "25 %" in page
        assert "<script>alert" not in page
        assert run is not None
        await web.kit.get(RunControl).cancel(run.id)

    check(tmp_path, body)


def _raising(error: Exception) -> Callable[..., Awaitable[object]]:
    async def fail(*_: object, **__: object) -> object:
        raise error

    return fail


def test_a_part_that_fails_says_so_and_the_rest_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(web: PanelHost) -> None:
        await web.kit.perform("Plain")
        await until(web, "1 completed")
        lost = _raising(UpstreamUnavailableError("upstream https://icdr.example does not answer"))
        with monkeypatch.context() as broken:
            for name in ("counters", "runs"):
                broken.setattr(web.kit.get(JobRunReader), name, lost, raising=False)
            page = await until(web, "icdr.example does not answer", "what is unfinished, what runs now")
            assert "Throughput" in page
            assert (figure(page, "Completed, 24 h"), figure(page, "Running now")) == ("1", "0")
            assert page.index("shown as of")
        page = await until(web, "All well")
        assert "icdr.example" not in page

    check(tmp_path, body)


def test_an_upstream_that_cannot_count_leaves_figures_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(web: PanelHost) -> None:
        await web.kit.perform("Failing")
        unknown = _raising(UnsupportedOperationError("an upstream over AMI does not tell that"))
        monkeypatch.setattr(web.kit.get(JobRunReader), "failing", unknown, raising=False)
        page = await until(web, "1 failed")
        assert figure(page, "Jobs failing now") == NONE
        monkeypatch.setattr(web.kit.get(JobRunReader), "statistics", unknown, raising=False)
        page = await until(web, "does not tell that", query="?span=1h")
        assert "Running now" in page

    check(tmp_path, body)
