"""Jobs over the REST API."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import quote

import pytest

from host.contracts.jobs import Job
from host.model.runs import RunState
from host.testing.clock import FakeClock
from plugins.rest.tests.api.desk import Fail, Greet, Wait, api

pytestmark = pytest.mark.slow

GREET = f"{Greet.__module__}:Greet"


def numbered(number: int) -> type[Job]:
    """Make a job class; its name orders as its number does."""
    body = {"name": f"Job {number:02}", "run": Fail.run, "__module__": Fail.__module__, "__doc__": "One of many."}
    return type(f"Many{number:02}", (Job,), body)


def test_the_list_shows_how_each_job_stands(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path, clock=FakeClock()) as at:
            await at.ended("Greet")
            await at.send(
                "PUT", "/jobs/Greet/schedules", json={"schedules": [{"kind": "cron", "expression": "@daily"}]}
            )
            await at.post("/jobs/Fail/pause", {"reason": "on fire"})
            fail, greet, wait = (await at.get("/jobs"))["jobs"]
            assert [each["job"]["name"] for each in (fail, greet, wait)] == ["Fail", "Greet", "Wait"]
            assert greet["latest_run"]["state"] == "completed"
            assert greet["next_fire_time"] == "2026-01-02T00:00:00Z"
            assert (fail["paused"]["reason"], fail["paused"]["by"]) == ("on fire", "administrator")
            assert (wait["latest_run"], wait["next_fire_time"], wait["paused"]) == (None, None, None)
            assert await at.get("/jobs/Greet") == greet

    asyncio.run(go())


def test_pages_follow_each_other_without_gap_or_repeat(tmp_path: Path) -> None:
    jobs = [numbered(number) for number in range(11)]

    async def go() -> None:
        async with api(tmp_path, jobs=jobs) as at:
            names, cursor = [], None
            while True:
                page = await at.get("/jobs", params={"limit": 4, **({"cursor": cursor} if cursor else {})})
                names += [each["job"]["name"] for each in page["jobs"]]
                cursor = page["next_cursor"]
                if cursor is None:
                    break
            assert names == [job.name for job in jobs]
            found = await at.get("/jobs", params={"name": "JOB 1"})
            assert [each["job"]["name"] for each in found["jobs"]] == ["Job 10"]
            await at.problem("GET", "/jobs", 400, params={"cursor": "r12"})
            await at.problem("GET", "/available-jobs", 400, params={"cursor": "WyJqb2JzIl0"})

    asyncio.run(go())


def test_a_job_goes_by_id_type_and_name(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            info = (await at.get("/jobs/Greet"))["job"]
            for name in (info["id"], GREET, quote(GREET, safe=""), "greet"):
                assert (await at.get(f"/jobs/{name}"))["job"]["id"] == info["id"]
            problem = await at.problem("GET", "/jobs/Gret", 404)
            assert problem["code"] == "job-not-found"
            assert "Greet" in problem["hint"]

    asyncio.run(go())


def test_an_available_job_is_registered_once(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            offered = (await at.get("/available-jobs", params={"name": "prune run"}))["jobs"][0]
            answer = await at.send("POST", "/jobs", json={"job": offered["job_type"]})
            assert (answer.status_code, answer.json()["source"]) == (201, "operator")
            assert answer.headers["location"] == f"/rest/v1/jobs/{offered['id']}"
            assert (await at.web.get(answer.headers["location"], "reader")).json()["job"]["id"] == offered["id"]
            assert (await at.problem("POST", "/jobs", 409, json={"job": offered["job_type"]}))[
                "code"
            ] == "job-registered"
            await at.problem("POST", "/jobs", 404, json={"job": "no:Such"})
            assert not (await at.get("/available-jobs", params={"name": "prune run"}))["jobs"]

    asyncio.run(go())


def test_cancelling_a_job_reaches_all_its_unfinished_runs(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            ids = {(await at.started("Wait"))["id"] for _ in range(3)}
            results = (await at.post("/jobs/Wait/cancel"))["results"]
            assert {each["run_id"] for each in results} == ids
            await at.web.kit.run_due()
            states = {run.state for run in await at.web.kit.runs_of(Wait)}
            assert states == {RunState.CANCELLED}

    asyncio.run(go())


def test_a_paused_job_starts_nothing_until_it_is_resumed(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            first, again = [await at.post("/jobs/Greet/pause", {"reason": why}) for why in ("maintenance", "other")]
            assert first == {"scope": f"job:{GREET}", "changed": True}
            assert again["changed"] is False
            assert (await at.ended("Greet"))["state"] == "queued"
            assert (await at.get("/pauses"))["pauses"][0]["reason"] == "maintenance"
            assert (await at.post("/jobs/Greet/resume"))["changed"] is True
            await at.web.kit.run_due()
            assert (await at.get("/jobs/Greet"))["latest_run"]["state"] == "completed"
            await at.problem("POST", "/jobs/Greet/pause", 400, json={"reason": "  "})

    asyncio.run(go())
