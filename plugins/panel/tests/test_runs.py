"""The list of runs and a run's page."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from html import escape
from pathlib import Path
from uuid import UUID

import pytest

from host.contracts.jobs import JobManagerService, RunControl
from host.contracts.runs import JobRunReader
from host.model.runs import JobRun, RunState
from host.model.submissions import RunSubmission
from plugins.panel.tests.demo_jobs import HOSTILE, Adds, Fails, Waits
from plugins.panel.tests.panelhost import PanelHost, panel_host

pytestmark = pytest.mark.slow


def check(tmp_path: Path, body: Callable[[PanelHost], Awaitable[None]]) -> None:
    async def run() -> None:
        Waits.ends = asyncio.Event()
        async with panel_host(tmp_path, jobs=[Adds, Fails, Waits]) as web:
            try:
                await body(web)
            finally:
                Waits.ends.set()

    asyncio.run(run())


async def start(web: PanelHost, job: type, **parameters: object) -> UUID:
    run = await web.kit.get(JobManagerService).start_job(job.name, parameters)  # type: ignore[arg-type]
    assert run is not None
    return run.id


async def until(web: PanelHost, run_id: UUID, *states: RunState) -> JobRun:
    async with asyncio.timeout(30):
        while True:
            run = await web.kit.get(JobRunReader).run(run_id)
            assert run is not None
            if run.state in states:
                return run
            await asyncio.sleep(0.01)


def test_an_empty_list_teaches_how_to_start_one(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        page = await web.open("/runs", "reader")
        assert page.status_code == 200
        assert "jobhost jobs start NAME" in page.text

    check(tmp_path, body)


def test_the_list_shows_runs_and_each_filter_narrows_it(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        added = await start(web, Adds, left=2)
        failed = await start(web, Fails)
        await until(web, added, RunState.COMPLETED)
        await until(web, failed, RunState.FAILED)
        everything = (await web.open("/runs", "reader")).text
        assert f"run-{added}" in everything
        assert f"run-{failed}" in everything
        assert "the sum is 3" in everything
        for query, shown, hidden in (
            ("state=failed", failed, added),
            ("job=Add+numbers", added, failed),
            (f"job={Fails.__module__}:Fails", failed, added),
            ("text=the+sum", added, failed),
        ):
            page = await web.open(f"/runs?{query}", "reader")
            assert page.status_code == 200, page.text
            assert f"run-{shown}" in page.text, query
            assert f"run-{hidden}" not in page.text, query
            assert "Filters in force" in page.text
        assert "No run passes this filter" in (await web.open("/runs?tenant=nobody", "reader")).text

    check(tmp_path, body)


@pytest.mark.parametrize(
    ("query", "status"),
    [("state=odd", 400), ("since=yesterday", 400), ("schedule=x", 400), ("job=unknown", 404), ("cursor=x", 400)],
)
def test_an_address_that_cannot_be_read_is_said_so(tmp_path: Path, query: str, status: int) -> None:
    async def body(web: PanelHost) -> None:
        page = await web.open(f"/runs?{query}", "reader")
        assert page.status_code == status
        assert 'class="problem"' in page.text

    check(tmp_path, body)


def test_pages_go_on_and_back_to_the_newest(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        control = web.kit.get(RunControl)
        ids = await control.submit([RunSubmission(job=Adds.name, parameters={"left": n}, hold=True) for n in range(60)])
        first = await web.open("/runs", "reader")
        older = first.text.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
        second = await web.open(older, "reader")
        assert f"run-{ids[-1]}" in first.text
        assert f"run-{ids[0]}" not in first.text
        assert f"run-{ids[0]}" in second.text
        assert "Newest" in second.text

    check(tmp_path, body)


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        run = await until(web, await start(web, Fails), RunState.FAILED)
        for path in ("/runs", f"/runs/{run.id}", f"/runs?text={HOSTILE[:30]}"):
            page = (await web.open(path, "administrator")).text
            assert "<script>window" not in page
            assert "<img src=x" not in page
            assert escape("<script>window") in page
        assert "\x1b" not in page

    check(tmp_path, body)


def test_a_runs_page_tells_its_story(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        run_id = await start(web, Adds, left=20, key="hush-hush")
        await until(web, run_id, RunState.COMPLETED)
        page = (await web.open(f"/runs/{run_id}", "reader")).text
        for text in ("Completed", "the sum is 21", "&#34;sum&#34;: 21", "adding  left=20 right=1", "Started", "***"):
            assert text in page, text
        assert "hush-hush" not in page
        text = await web.open(f"/runs/{run_id}/log.txt", "reader")
        assert "adding  left=20 right=1" in text.text

    check(tmp_path, body)


def test_a_reader_sees_no_button_and_may_do_nothing(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        run_id = await start(web, Waits)
        await until(web, run_id, RunState.RUNNING)
        page = (await web.open(f"/runs/{run_id}", "reader")).text
        assert f'action="/runs/{run_id}' not in page
        for action in ("cancel", "retry", "release", "amend"):
            answer = await web.send(f"/runs/{run_id}/{action}", role="reader")
            assert answer.status_code == 403, action
        assert (await web.kit.get(JobRunReader).run(run_id)).state is RunState.RUNNING  # type: ignore[union-attr]

    check(tmp_path, body)


def test_an_operator_cancels_repeats_and_keeps_a_run(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        run_id = await start(web, Waits)
        await until(web, run_id, RunState.RUNNING)
        answer = await web.send(f"/runs/{run_id}/cancel", role="operator")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/runs/{run_id}")
        run = await until(web, run_id, RunState.CANCELLED)
        assert run.cancel_requested_by == "operator"
        assert "asked to stop" in (await web.open(f"/runs/{run_id}", "operator")).text
        again = await web.send(f"/runs/{run_id}/retry", role="operator")
        new = await web.kit.get(JobRunReader).run(UUID(again.headers["location"].rpartition("/")[2]))
        assert new is not None
        assert (new.origin_run_id, new.owner) == (run_id, "operator")
        await web.send(f"/runs/{run_id}/amend", {"is_locked": "yes"}, "operator")
        assert (await web.kit.get(JobRunReader).run(run_id)).is_locked  # type: ignore[union-attr]

    check(tmp_path, body)


def test_a_held_run_is_amended_and_released(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        (run_id,) = await web.kit.get(RunControl).submit(
            [RunSubmission(job=Adds.name, parameters={"left": 1}, hold=True)]
        )
        await web.send(f"/runs/{run_id}/amend", {"priority": "7"})
        assert (await web.kit.get(JobRunReader).run(run_id)).priority == 7  # type: ignore[union-attr]
        await web.send(f"/runs/{run_id}/amend", {"priority": "high"})
        assert "Not changed" in (await web.open(f"/runs/{run_id}")).text
        await web.send(f"/runs/{run_id}/release")
        await until(web, run_id, RunState.COMPLETED)

    check(tmp_path, body)


def test_many_runs_are_counted_before_they_are_changed(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        control = web.kit.get(RunControl)
        held = [RunSubmission(job=Adds.name, parameters={"left": n}, hold=True) for n in range(5)]
        ids = await control.submit(held)
        counted = (await web.open("/runs/bulk?action=cancel&job=Add+numbers", "operator")).text
        assert "Cancel 5 runs?" in counted
        await control.submit(held[:1])
        more = await web.send("/runs/bulk?job=Add+numbers", {"action": "cancel", "count": "5"}, "operator")
        assert more.headers["location"].startswith("/runs/bulk?")
        assert (await web.kit.get(JobRunReader).run(ids[0])).state is RunState.PENDING  # type: ignore[union-attr]
        await web.send("/runs/bulk?job=Add+numbers", {"action": "cancel", "count": "6"}, "operator")
        assert (await web.kit.get(JobRunReader).run(ids[0])).state is RunState.CANCELLED  # type: ignore[union-attr]

    check(tmp_path, body)


@pytest.mark.parametrize("count", ["", "0", "-1", "many", "9" * 30])
def test_nothing_is_changed_without_a_count(tmp_path: Path, count: str) -> None:
    async def body(web: PanelHost) -> None:
        answer = await web.send("/runs/bulk", {"action": "cancel", "count": count})
        assert answer.status_code == 400

    check(tmp_path, body)


@pytest.mark.parametrize("run_id", ["x", "62d1c9ce-4583-4ec7-a9f0-9c5ef05eafa8"])
def test_an_unknown_run_is_not_found(tmp_path: Path, run_id: str) -> None:
    async def body(web: PanelHost) -> None:
        assert (await web.open(f"/runs/{run_id}")).status_code == 404
        assert (await web.send(f"/runs/{run_id}/cancel")).status_code == 404

    check(tmp_path, body)


def test_lines_come_while_the_run_goes_on_and_none_twice(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        run_id = await start(web, Waits)
        client = await web.client("reader")
        async with asyncio.timeout(30), client.stream("GET", f"/runs/{run_id}/log/live?after=0") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            seen: list[str] = []
            async for text in answer.aiter_lines():
                if text.startswith("id: "):
                    seen.append(text)
                    Waits.ends.set()
                if len(seen) == 2:
                    break
        assert seen == ["id: 1", "id: 2"]
        async with (
            asyncio.timeout(30),
            client.stream("GET", f"/runs/{run_id}/log/live", headers={"Last-Event-ID": "1"}) as answer,
        ):
            first = [text async for text in _until_id(answer.aiter_lines())]
        assert first == ["id: 2"]

    check(tmp_path, body)


async def _until_id(lines):
    async for text in lines:
        if text.startswith("id: "):
            yield text
            return
