"""What a host before this one reads: every change, the latest runs of many jobs, and plain lists."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from host_rest.api import pages
from plugins.rest.tests.api.desk import CANARY, Api, api

pytestmark = pytest.mark.slow


async def followed(at: Api, after: int, *, limit: int) -> list[dict[str, Any]]:
    """Give all changes after one, page by page."""
    found: list[dict[str, Any]] = []
    while (page := await at.get("/changes", params={"after": after, "limit": limit}))["runs"]:
        assert len(page["runs"]) <= limit
        found += page["runs"]
        after = page["next_after"]
    return found


def test_no_change_is_skipped_and_none_is_given_twice(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            begin = (await at.get("/changes"))["next_after"]
            assert begin == 0
            first = [(await at.ended("Greet"))["id"] for _ in range(5)]
            changes = await followed(at, begin, limit=2)
            assert [run["id"] for run in changes] == first
            assert {run["state"] for run in changes} == {"completed"}
            numbers = [run["change"] for run in changes]
            assert numbers == sorted(set(numbers))

            newest = await at.get("/changes", params={"after": -1})
            assert [run["id"] for run in newest["runs"]] == first[-1:]
            assert newest["next_after"] == numbers[-1]
            held = await at.post("/runs", {"job": "Greet", "hold": True})
            await at.post(f"/runs/{held['id']}/cancel")
            (change,) = await followed(at, newest["next_after"], limit=2)
            assert (change["id"], change["state"]) == (held["id"], "cancelled")

    asyncio.run(go())


def test_changes_hide_secrets(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            run = await at.ended("Greet", token=CANARY)
            jobs = {"jobs": [run["job_id"]]}
            answers = [await at.send("GET", "/changes"), await at.send("POST", "/latest-runs", json=jobs)]
            for answer in answers:
                assert run["id"] in answer.text
                assert CANARY not in answer.text

    asyncio.run(go())


def test_the_latest_run_of_each_job_is_given_also_among_states(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            await at.ended("Greet")
            greeted, failed = await at.ended("Greet"), await at.ended("Fail")
            waiting = await at.post("/runs", {"job": "Greet", "hold": True})
            jobs = [greeted["job_id"], failed["job_id"], str(uuid4())]

            latest = await at.post("/latest-runs", {"jobs": jobs})
            assert {run["id"] for run in latest["runs"]} == {waiting["id"], failed["id"]}
            assert latest["is_more"] is False
            ended = await at.post("/latest-runs", {"jobs": jobs, "states": ["completed"]})
            assert [run["id"] for run in ended["runs"]] == [greeted["id"]]
            assert (await at.post("/latest-runs", {"jobs": []}))["runs"] == []

    asyncio.run(go())


def test_failures_in_a_row_are_counted_whenever_they_were(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            for _ in range(3):
                failed = await at.ended("Fail")
            greeted = await at.ended("Greet")
            jobs = [failed["job_id"], greeted["job_id"]]

            counted = await at.post("/failure-streaks", {"jobs": jobs})
            assert {each["job_id"]: each["failing"] for each in counted["streaks"] if each["failing"]} == {jobs[0]: 3}
            counted = await at.post("/failure-streaks", {"jobs": jobs[:1], "at_most": 2})
            assert [each["failing"] for each in counted["streaks"]] == [2]

    asyncio.run(go())


def test_registered_jobs_are_listed_as_they_are_declared(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            page = await at.get("/registered-jobs", params={"limit": 2})
            rest = await at.get("/registered-jobs", params={"cursor": page["next_cursor"]})
            assert [job["name"] for job in (*page["jobs"], *rest["jobs"])] == ["Fail", "Greet", "Wait"]
            assert rest["next_cursor"] is None
            for name, is_registered in (("Greet", True), (page["jobs"][0]["id"], True), ("Nobody", False)):
                assert await at.get(f"/jobs/{name}/registered") == {"is_registered": is_registered}

    asyncio.run(go())


def test_a_job_is_added_until_the_host_stops_with_an_interval_as_fallback(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            offered = (await at.get("/available-jobs", params={"name": "prune run"}))["jobs"][0]
            path = f"/jobs/{offered['job_type']}"
            added = await at.post("/added-jobs", {"job": offered["job_type"], "interval": "PT1H"})
            assert (added["source"], added["start_type"]) == ("code", "schedule")
            entry = await at.get(f"{path}/schedules")
            assert ([rule["interval"] for rule in entry["schedules"]], entry["version"]) == (["PT3600S"], "")
            more = {"job": offered["id"], "interval": "PT2H", "start_type": "immediate"}
            assert await at.post("/added-jobs", more) == added
            assert (await at.get("/runs"))["runs"] == []
            assert await at.get(f"{path}/registered") == {"is_registered": True}
        async with api(tmp_path) as at:
            assert await at.get(f"{path}/registered") == {"is_registered": False}

    asyncio.run(go())


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/latest-runs", {}),
        ("/latest-runs", {"jobs": ["Greet"]}),
        ("/latest-runs", {"jobs": [str(uuid4())] * 201}),
        ("/latest-runs", {"jobs": [], "states": ["COMPLETED"]}),
        ("/failure-streaks", {"jobs": [], "at_most": 0}),
        ("/failure-streaks", {"jobs": [], "since": "2026-01-01T00:00:00Z"}),
        ("/added-jobs", {"job": ""}),
        ("/added-jobs", {"job": "Greet", "interval": "1h"}),
        ("/added-jobs", {"job": "Greet", "start_type": "sometimes"}),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, path: str, body: dict[str, object]) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            await at.problem("POST", path, 400, json=body)

    asyncio.run(go())


@pytest.mark.parametrize("after", ["-2", "x", "1.0", " 1", "1_0", "+1", "٣", str(2**63)])
def test_what_is_no_number_of_a_change_is_refused(tmp_path: Path, after: str) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            document = await at.problem("GET", "/changes", 400, params={"after": after})
            assert document["problems"][0]["where"] == "query.after"

    asyncio.run(go())


# Runs with large parameters


def test_answers_stay_small_though_runs_are_large_and_pages_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "CHUNK", 4)
    monkeypatch.setattr(pages, "MAX_BYTES", 60_000)
    # Defaults are bound when a function is made.
    monkeypatch.setattr(pages.fitting, "__defaults__", (60_000,))

    async def go() -> None:
        async with api(tmp_path) as at:
            small = {"job": "Greet", "hold": True}
            large = {**small, "parameters": {"whom": "x" * 25_000}}
            huge = {**small, "parameters": {"whom": "x" * 100_000}}
            bodies = [small, large, small, large, large, small, huge, *([small] * 7), large]
            ids = [(await at.post("/runs", body))["id"] for body in bodies]

            listed, cursor = list[str](), None
            while True:
                params = {"limit": "100", **({"cursor": cursor} if cursor else {})}
                answer = await at.send("GET", "/runs", params=params)
                assert len(answer.content) < 105_000
                page = answer.json()
                assert page["runs"]
                listed += [run["id"] for run in page["runs"]]
                if (cursor := page["next_cursor"]) is None:
                    break
            assert listed == ids[::-1]
            assert [run["id"] for run in await followed(at, 0, limit=100)] == ids

    asyncio.run(go())
