"""Searching: jobs, schedules and runs by a text, and whole ids."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pytest

from host.contracts.jobs import JobManagerService
from host.contracts.runs import JobRunReader
from host.errors import UpstreamUnavailableError
from host.model.schedules import JobSchedule
from plugins.panel.tests.panel_jobs import HOSTILE, JOBS, Failing, Plain
from plugins.panel.tests.panelhost import PanelHost, panel_host

pytestmark = pytest.mark.slow


def check(tmp_path: Path, body: Callable[[PanelHost], Awaitable[None]]) -> None:
    async def run() -> None:
        async with panel_host(tmp_path, jobs=JOBS) as web:
            await body(web)

    asyncio.run(run())


def test_jobs_are_found_by_parts_of_name_type_and_description(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        for text, name in (("PLAIN", "Plain work"), ("work plain", "Plain work"), ("never works", "Failing work")):
            page = (await web.open(f"/search?q={quote(text)}", "reader")).text
            assert f">{name}</a>" in page, text
        page = (await web.open("/search?q=zebra")).text
        assert "Nothing found" in page
        assert "Nothing to search for" in (await web.open("/search")).text

    check(tmp_path, body)


def test_a_whole_id_or_type_leads_there(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        run = await web.kit.perform(Plain)
        for text, place in (
            (str(run.id), f"/runs/{run.id}"),
            (str(Plain.id), f"/jobs/{Plain.id}"),
            (run.job_type, f"/jobs/{Plain.id}"),
        ):
            answer = await web.open(f"/search?q={quote(text)}")
            assert (answer.status_code, answer.headers.get("location")) == (303, place)
        assert (await web.open(f"/search?q={uuid4()}")).status_code == 200

    check(tmp_path, body)


def test_runs_are_found_by_their_error(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        run = await web.kit.perform(Failing)
        page = (await web.open("/search?q=luck")).text
        assert f'href="/runs/{run.id}"' in page
        assert "no &lt;b&gt;luck&lt;/b&gt;" in page

    check(tmp_path, body)


def test_schedules_are_found_by_their_words(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        jobs = web.kit.get(JobManagerService)
        await jobs.set_job_schedule(str(Plain.id), [JobSchedule.every(timedelta(minutes=17))])
        page = ""
        async with asyncio.timeout(30):
            while "every 17 minutes" not in page:
                page = (await web.open("/search?q=17+minutes")).text
        assert ">Plain work</a>" in page

    check(tmp_path, body)


def test_hostile_words_and_names_stay_text(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        page = (await web.open(f"/search?q={quote(HOSTILE)}")).text
        assert page.count("xxxxx") > 0
        assert "<script>alert" not in page
        assert (await web.open(f"/search?q={'x' * 300}")).status_code == 400

    check(tmp_path, body)


def test_a_part_that_fails_says_so_and_the_rest_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lost(*_: object, **__: object) -> object:
        raise UpstreamUnavailableError("the upstream does not answer")

    async def body(web: PanelHost) -> None:
        monkeypatch.setattr(web.kit.get(JobRunReader), "runs", lost, raising=False)
        page = (await web.open("/search?q=plain")).text
        assert "the upstream does not answer" in page
        assert ">Plain work</a>" in page

    check(tmp_path, body)
