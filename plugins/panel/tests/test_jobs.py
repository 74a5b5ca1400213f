"""The list of jobs: what it shows, finds and offers, and registering more."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from html import unescape
from pathlib import Path
from uuid import UUID

import pytest

from host.contracts.jobs import Job, JobContext, JobManagerService
from host.contracts.runs import JobRunReader
from host.errors import UnsupportedOperationError, UpstreamUnavailableError
from plugins.panel.tests.panel_jobs import JOBS, Failing, Hostile, Plain, Typed, Waiting
from plugins.panel.tests.panelhost import PanelHost, panel_host

pytestmark = pytest.mark.slow
NAMED = '<section xsi:type="JobConfigurationSection"><jobs>{}</jobs></section>'
WEEKLY = '<schedule><add type="scheduled" days="Monday" start="0001-01-01T03:40:00" /></schedule>'


def check(
    tmp_path: Path,
    body: Callable[[PanelHost], Awaitable[None]],
    *,
    jobs: Sequence[type[Job]] = JOBS,
    sections: str = "",
) -> None:
    async def run() -> None:
        async with panel_host(tmp_path, jobs=jobs, sections=sections) as web:
            await body(web)

    asyncio.run(run())


async def shown(web: PanelHost, query: str = "", role: str = "administrator") -> list[str]:
    """Give the names in the list, bounded as it shows them."""
    page = await web.open(f"/jobs{query}", role)
    assert page.status_code == 200, page.text
    return [unescape(name) for name in re.findall(r'<a class="main two-lines"[^>]*><bdi[^>]*>(.*?)</bdi>', page.text)]


def type_of(job: type[Job]) -> str:
    return f"{job.__module__}:{job.__qualname__}"


def numbered(count: int) -> list[type[Job]]:
    async def run(self: Job, context: JobContext) -> None: ...

    made = []
    for number in range(count):
        body = {"__module__": __name__, "__qualname__": f"Numbered{number:03d}", "run": run}
        body |= {"id": UUID(int=0x30 << 120 | number), "name": f"Numbered {number:03d}"}
        made.append(type(f"Numbered{number:03d}", (Job,), body))
        globals()[made[-1].__name__] = made[-1]
    return made


def test_a_row_tells_schedule_state_and_how_often_it_failed(tmp_path: Path) -> None:
    rows = f'<add type="{type_of(Plain)}" startType="schedule">{WEEKLY}</add>'
    rows += f'<add type="{type_of(Failing)}" startType="never" />'

    async def body(web: PanelHost) -> None:
        await web.kit.perform(Plain)
        for _ in range(3):
            await web.kit.perform(Failing)
        page = (await web.open("/jobs?charts=yes")).text
        assert "at 03:40 on Monday, UTC" in page
        assert "no schedule" in page
        assert "3 in a row" in page
        assert page.count('<svg class="spark"') == 2
        assert "The latest 3 runs: 3 failed" in page
        bare = (await web.open("/jobs")).text
        assert '<svg class="spark"' not in bare
        assert 'hx-get="/jobs?charts=yes"' in bare

    check(tmp_path, body, sections=NAMED.format(rows))


def test_the_list_is_narrowed_by_name_state_pause_and_schedule(tmp_path: Path) -> None:
    rows = "".join(
        f'<add type="{type_of(job)}" startType="never">{WEEKLY if job is Plain else ""}</add>' for job in JOBS[:4]
    )

    async def body(web: PanelHost) -> None:
        await web.kit.perform(Plain)
        await web.kit.perform(Failing)
        await web.kit.submit(Waiting)
        await until_running(web)
        await web.send(f"/jobs/{Typed.id}/pause", {"reason": "quiet"})
        assert await shown(web, "?q=TYPED") == ["Typed work"]
        assert await shown(web, "?show=failing") == ["Failing work"]
        assert await shown(web, "?show=running") == ["Waiting work"]
        assert await shown(web, "?show=paused") == ["Typed work"]
        assert await shown(web, "?show=never") == ["Typed work"]
        assert await shown(web, "?show=unscheduled") == ["Failing work", "Typed work", "Waiting work"]
        assert await shown(web, "?show=failing&q=plain") == []
        assert "No such job" in (await web.open("/jobs?q=nothing")).text

    check(tmp_path, body, jobs=JOBS[:4], sections=NAMED.format(rows))


async def until_running(web: PanelHost) -> None:
    async with asyncio.timeout(60):
        while "a &lt;i&gt;quarter&lt;/i&gt;" not in (await web.open("/jobs")).text:
            await asyncio.sleep(0.02)


def test_many_jobs_come_fifty_a_page_and_none_is_lost(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        pages = [await shown(web, query) for query in ("", "?from=50", "?from=100")]
        assert [len(page) for page in pages] == [50, 50, 20]
        assert [name for page in pages for name in page] == [f"Numbered {number:03d}" for number in range(120)]
        assert "51\u2013100 of 120" in (await web.open("/jobs?from=50")).text
        assert await shown(web, "?show=never&from=100") == pages[2]
        assert (await shown(web, "?from=99999999999999999999"))[0] == "Numbered 000"
        assert len(await shown(web, "?group=plugin")) == 50

    check(tmp_path, body, jobs=numbered(120))


def test_a_reader_is_offered_nothing_and_may_do_nothing(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        page = (await web.open("/jobs", "reader")).text
        assert "Plain work" in page
        assert "data-pauses" not in page
        assert f"/jobs/{Plain.id}/run" not in page
        for path in ("", f"/{Plain.id}/run", f"/{Plain.id}/pause", f"/{Plain.id}/resume", f"/{Plain.id}/cancel"):
            assert (await web.send(f"/jobs{path}", {"job": type_of(Plain), "reason": "x"}, "reader")).status_code == 403
        assert (await web.kit.runs.runs()).runs == ()

    check(tmp_path, body)


def test_hostile_texts_stay_text_and_short(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        await web.kit.perform(Hostile)
        for path in ("/jobs?charts=yes", f"/jobs/{Hostile.id}", f"/jobs/{Hostile.id}/run", "/jobs/add"):
            page = (await web.open(path)).text
            assert "<script>alert" not in page
            assert "</td>&lt;" not in page
            assert '<b>"name"' not in page
        assert all(len(name) <= 121 for name in await shown(web))

    check(tmp_path, body, jobs=(Hostile,))


def test_what_cannot_be_had_is_said_and_the_rest_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def dark(*_: object, **__: object) -> object:
        raise UpstreamUnavailableError("the upstream does not answer since 12:00")

    async def unable(*_: object, **__: object) -> object:
        raise UnsupportedOperationError("the upstream does not count")

    async def body(web: PanelHost) -> None:
        await web.kit.perform(Failing)
        reader = web.kit.get(JobRunReader)
        monkeypatch.setattr(reader, "statistics", unable, raising=False)
        monkeypatch.setattr(reader, "failing", unable, raising=False)
        page = (await web.open("/jobs?charts=yes")).text
        assert "Failing work" in page
        assert "does not count" not in page
        assert await shown(web, "?show=failing") == ["Failing work"]
        assert "does not count its runs" in (await web.open(f"/jobs/{Failing.id}/statistics")).text
        monkeypatch.setattr(reader, "latest", dark, raising=False)
        monkeypatch.setattr(reader, "runs", dark, raising=False)
        for path in ("/jobs?charts=yes", f"/jobs/{Failing.id}"):
            page = (await web.open(path)).text
            assert "does not answer since 12:00" in page
            assert "Failing work" in page

    check(tmp_path, body)


def test_an_offered_job_is_registered_once_for_good(tmp_path: Path) -> None:
    rows = f'<add type="{type_of(Plain)}" startType="never" />'

    async def body(web: PanelHost) -> None:
        offered = (await web.open("/jobs/add?q=typed")).text
        assert "Typed work" in offered
        assert "Failing work" not in offered
        page = await web.open(f"/jobs/{Typed.id}")
        assert page.status_code == 200
        assert "This job is not registered." in page.text
        answer = await web.send("/jobs", {"job": type_of(Typed)})
        assert (answer.status_code, answer.headers["location"]) == (303, "/jobs/add")
        page = (await web.open("/jobs/add")).text
        assert "Job Typed work was registered." in page
        assert f'href="/jobs/{Typed.id}"' in page
        assert await web.kit.get(JobManagerService).is_job_registered(type_of(Typed))
        assert (await web.send("/jobs", {"job": type_of(Typed)})).status_code == 409
        assert (await web.send("/jobs", {"job": "nobody:Offers"})).status_code == 404
        assert "Register" not in (await web.open("/jobs/add", "operator")).text

    check(tmp_path, body, sections=NAMED.format(rows))
