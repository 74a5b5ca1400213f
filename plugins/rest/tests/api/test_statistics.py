"""Statistics, streaks and counters over the REST API."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from host.testing.clock import FakeClock
from plugins.rest.tests.api.desk import api

pytestmark = pytest.mark.slow


def test_jobs_with_failures_come_first(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path, clock=FakeClock()) as at:
            for job in ("Greet", "Greet", "Greet", "Fail", "Fail"):
                await at.ended(job)
            found = await at.get("/statistics")
            assert [(line["name"], line["failing"]) for line in found["jobs"]] == [("Fail", 2), ("Greet", 0)]
            assert found["jobs"][1]["total"]["by_state"] == {"completed": 3}
            assert (found["jobs"][0]["steps"], found["is_more"]) == ([], False)
            one = await at.get("/statistics", params={"job": "Greet", "step": "PT1H", "limit": 1})
            assert [step["by_state"] for step in one["jobs"][0]["steps"]] == [{"completed": 3}]
            assert (await at.get("/statistics", params={"limit": 1}))["is_more"] is True
            assert [job["name"] for job in (await at.get("/failing"))["jobs"]] == ["Fail"]
            later = {"since": "2026-01-02T00:00:00Z", "until": "2026-01-03T00:00:00Z"}
            assert (await at.get("/statistics", params=later))["jobs"] == []

    asyncio.run(go())


def test_totals_of_all_jobs_are_read_once_in_five_seconds(tmp_path: Path) -> None:
    async def go() -> None:
        clock = FakeClock()
        async with api(tmp_path, clock=clock) as at:
            await at.ended("Fail")
            seen = [(await at.get("/failing"))["jobs"][0]["failing"]]
            await at.ended("Greet")
            assert [line["name"] for line in (await at.get("/statistics"))["jobs"]] == ["Fail"]
            assert [line["name"] for line in (await at.get("/statistics", params={"job": "Greet"}))["jobs"]] == [
                "Greet"
            ]
            clock.move(6)
            assert len((await at.get("/statistics"))["jobs"]) == 2
            assert seen == [1]

    asyncio.run(go())


@pytest.mark.parametrize(
    "query",
    [
        {"step": "PT90S"},
        {"step": "PT0S"},
        {"step": "PT1M", "since": "2017-01-01T00:00:00Z"},
        {"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
        {"since": "1990-01-01T00:00:00Z"},
        {"job": "Nobody"},
    ],
    ids=str,
)
def test_what_cannot_be_reckoned_is_refused(tmp_path: Path, query: dict[str, str]) -> None:
    async def go() -> None:
        async with api(tmp_path, clock=FakeClock()) as at:
            await at.ended("Greet")
            await at.problem("GET", "/statistics", 404 if "job" in query else 400, params=query)

    asyncio.run(go())


def test_the_overview_has_the_worst_and_what_is_unfinished(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            await at.ended("Fail")
            await at.post("/runs", {"job": "Greet", "hold": True})
            await at.post("/pauses", {"scope": "all", "reason": "night"})
            found = await at.get("/overview")
            assert (found["state"], found["jobs"], found["timezone"]) == ("ready", 3, "UTC")
            assert [job["name"] for job in found["failing"]["jobs"]] == ["Fail"]
            assert found["counters"]["by_state"]["pending"] == 1
            assert found["counters"] == await at.get("/counters")
            assert [pause["reason"] for pause in found["pauses"]] == ["night"]

    asyncio.run(go())
