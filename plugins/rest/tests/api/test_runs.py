"""Runs over the REST API: listing, reading and steering."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest

from plugins.rest.tests.api.desk import Api, Greet, api

pytestmark = pytest.mark.slow


async def ids_of(at: Api, **query: object) -> list[str]:
    """Give the ids of all runs that a query finds, page by page."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await at.get("/runs", params={**query, **({"cursor": cursor} if cursor else {})})
        found += [run["id"] for run in page["runs"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def test_each_filter_narrows(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            greeted = await at.ended("Greet", whom="a")
            failed = await at.ended("Fail")
            other = await at.post("/runs", {"job": "Greet", "tenant": "b", "hold": True})
            every = [other["id"], failed["id"], greeted["id"]]
            assert await ids_of(at) == every
            assert await ids_of(at, limit=1) == every
            assert await ids_of(at, job="Greet") == [other["id"], greeted["id"]]
            assert await ids_of(at, job=greeted["job_id"]) == [other["id"], greeted["id"]]
            assert await ids_of(at, job=str(uuid4())) == []
            assert await ids_of(at, state=["failed", "completed"]) == [failed["id"], greeted["id"]]
            assert await ids_of(at, tenant="b") == [other["id"]]
            assert await ids_of(at, text="no LUCK") == [failed["id"]]
            assert await ids_of(at, created_from=failed["created_at"]) == [other["id"], failed["id"]]
            assert await ids_of(at, created_until=failed["created_at"]) == [greeted["id"]]
            assert await ids_of(at, schedule_id=str(uuid4())) == []

    asyncio.run(go())


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"state": "borken"}, "query.state.0"),
        ({"limit": "1001"}, "query.limit"),
        ({"limit": "0"}, "query.limit"),
        ({"cursor": "nonsense"}, "cursor 'nonsense'"),
        ({"created_from": "2026-01-01T00:00:00"}, "append Z for UTC"),
        ({"created_from": "yesterday"}, "no instant"),
        ({"schedule_id": "1"}, "query.schedule_id"),
        ({"job_id": "1"}, "did you mean 'job'?"),
        ({"tenant": ["a", "b"]}, "more than once"),
    ],
    ids=str,
)
def test_a_query_that_makes_no_sense_is_refused(tmp_path: Path, query: dict[str, str], said: str) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            assert said in str(await at.problem("GET", "/runs", 400, params=query))

    asyncio.run(go())


def test_unknown_runs_are_not_found_and_ids_are_uuids(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            unknown = uuid4()
            for method, place in (
                ("GET", ""),
                ("GET", "/log"),
                ("POST", "/cancel"),
                ("POST", "/retry"),
                ("POST", "/release"),
            ):
                problem = await at.problem(method, f"/runs/{unknown}{place}", 404)
                assert problem["code"] == "run-not-found"
                assert (await at.problem(method, f"/runs/latest{place}", 400))["code"] == "request-invalid"
            await at.problem("PATCH", f"/runs/{unknown}", 404, json={"priority": 1})

    asyncio.run(go())


def test_the_log_is_read_in_pages(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            run = await at.ended("Greet")
            first = await at.get(f"/runs/{run['id']}/log", params={"limit": 1})
            assert [(line["number"], line["event"]) for line in first["lines"]] == [(1, "greeting")]
            rest = await at.get(f"/runs/{run['id']}/log", params={"after": first["next_after"]})
            assert [line["event"] for line in rest["lines"]] == ["done"]
            end = await at.get(f"/runs/{run['id']}/log", params={"after": rest["next_after"]})
            assert end == {"lines": [], "next_after": 2}

    asyncio.run(go())


def test_a_run_is_cancelled_once_and_repeated(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            held = await at.post("/runs", {"job": "Greet", "hold": True})
            assert (await at.post(f"/runs/{held['id']}/cancel"))["state"] == "cancelled"
            assert (await at.problem("POST", f"/runs/{held['id']}/cancel", 409))["code"] == "run-state-conflict"
            answer = await at.send("POST", f"/runs/{held['id']}/retry")
            assert (answer.status_code, answer.json()["origin_run_id"]) == (201, held["id"])
            again = (await at.web.get(answer.headers["location"], "reader")).json()
            assert (again["origin_run_id"], again["owner"]) == (held["id"], "administrator")
            cancelled = await at.get(f"/runs/{held['id']}")
            assert (cancelled["cancel_requested_by"], cancelled["reason"]) == ("administrator", "requested")

    asyncio.run(go())


def test_a_held_run_is_amended_and_released(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            held = await at.post("/runs", {"job": "Greet", "hold": True})
            change = {"priority": 7, "is_locked": True}
            changed = (await at.send("PATCH", f"/runs/{held['id']}", json=change)).json()
            assert {name: changed[name] for name in change} == change
            await at.problem("PATCH", f"/runs/{held['id']}", 400, json={})
            await at.problem("PATCH", f"/runs/{held['id']}", 400, json={"priority": 2**40})
            released = await at.post(f"/runs/{held['id']}/release")
            assert released["state"] in {"queued", "starting", "running", "completed"}
            await at.web.kit.run_due()
            await at.problem("POST", f"/runs/{held['id']}/release", 409)
            (run,) = await at.web.kit.runs_of(Greet)
            assert run.state == "completed"

    asyncio.run(go())


def test_head_is_get_without_a_body(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            got, head = await at.send("GET", "/runs"), await at.send("HEAD", "/runs")
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-length"] == got.headers["content-length"]
            assert (await at.send("HEAD", f"/runs/{uuid4()}")).status_code == 404

    asyncio.run(go())
