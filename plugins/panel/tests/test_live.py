"""Pages are told what changed, also between their making and their listening."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import pytest

from host.contracts.jobs import JobManagerService
from host.contracts.runs import JobRunReader
from host.model.runs import RunState
from plugins.panel.tests.demo_jobs import Adds
from plugins.panel.tests.panelhost import PanelHost, panel_host

pytestmark = pytest.mark.slow


def check(tmp_path: Path, body: Callable[[PanelHost], Awaitable[None]]) -> None:
    async def run() -> None:
        async with panel_host(tmp_path, jobs=[Adds]) as web, asyncio.timeout(60):
            await body(web)

    asyncio.run(run())


async def add(web: PanelHost) -> None:
    """Have a run done, to the end."""
    run = await web.kit.get(JobManagerService).start_job(Adds.name, {"left": 1})
    assert run is not None
    while (found := await web.kit.get(JobRunReader).run(run.id)) is None or found.state is not RunState.COMPLETED:
        await asyncio.sleep(0.01)


async def first_told(answer: httpx2.Response) -> str:
    """Give the subjects of the first telling."""
    async for line in answer.aiter_lines():
        if line.startswith("data: "):
            return line.removeprefix("data: ")
    raise AssertionError("the stream ended")


def test_an_open_page_is_told_of_a_change(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        client = await web.client("reader")
        async with client.stream("GET", "/live") as answer:
            await add(web)
            assert await first_told(answer) == "runs"

    check(tmp_path, body)


def test_a_page_is_told_what_changed_before_it_listened(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        page = (await web.open("/runs", "reader")).text
        found = re.search(r'data-live-since="([0-9a-f]+-[0-9]+)"', page)
        assert found is not None
        await add(web)
        async with (await web.client("reader")).stream("GET", f"/live?since={found[1]}") as answer:
            assert await first_told(answer) == "runs"

    check(tmp_path, body)


@pytest.mark.parametrize("mark", ["0000-1", "x", "-", "a-" + "9" * 5000, "%00"])
def test_a_page_of_another_host_process_looks_at_everything(tmp_path: Path, mark: str) -> None:
    async def body(web: PanelHost) -> None:
        async with (await web.client("reader")).stream("GET", f"/live?since={mark}") as answer:
            assert await first_told(answer) == "jobs runs schedules"

    check(tmp_path, body)
