"""What adversaries and careless clients send: told plainly, bounded, and nothing is changed by it."""

from __future__ import annotations

import asyncio
import gzip
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from host.contracts.jobs import RunControl
from host.contracts.runs import JobRunReader
from host.errors import StoreUnavailableError
from plugins.rest.tests.api.desk import Api, api

pytestmark = pytest.mark.slow

HOURLY = {"kind": "interval", "interval": "PT1H"}
RARE = {"kind": "cron", "expression": "0 0 29 2 1", "dialect": "cis"}
MOST_BYTES = 50_000


async def runs_of(at: Api) -> int:
    """Give how many runs there are."""
    return len((await at.get("/runs", params={"limit": 1000}))["runs"])


# Texts that mean something elsewhere


@pytest.mark.parametrize("text", ["%", "_", "\\", "!", "\0", "100\0", "' OR 1=1 --", '"; DROP TABLE run; --', "*", "?"])
def test_a_text_is_searched_as_it_is_also_where_many_runs_would_be_changed(tmp_path: Path, text: str) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            await at.ended("Greet", whom="100 of 100")
            assert (await at.get("/runs", params={"text": text}))["runs"] == []
            bulk = {"action": "retry", "where": {"text": text}, "dry_run": True}
            assert (await at.post("/bulk", bulk))["matched"] == 0

    asyncio.run(go())


@pytest.mark.parametrize(
    "query",
    [
        *(f"limit={number}" for number in ("5.0", "%205", "1_0", "%2B5", "%D9%A3", "1e1", "0", "1001", "9" * 30)),
        *(f"cursor={cursor}" for cursor in ("r", "r-1", "r1%0A", "a1.1", "R5", "r" + "9" * 150)),
        *("sort=id", "order=desc", "fields=id", "state=COMPLETED", "created_from=2026-01-01", "limit=1&limit=2"),
    ],
)
def test_a_listing_that_cannot_be_had_is_refused(tmp_path: Path, query: str) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            await at.problem("GET", f"/runs?{query}", 400)

    asyncio.run(go())


def test_a_cursor_of_another_listing_is_refused(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            for _ in range(2):
                await at.ended("Greet")
            runs = (await at.get("/runs", params={"limit": 1}))["next_cursor"]
            jobs = (await at.get("/jobs", params={"limit": 1}))["next_cursor"]
            audit = (await at.get("/audit", params={"limit": 1}))["next_cursor"]
            cursors = {"/runs": runs, "/jobs": jobs, "/audit": audit}
            for path, cursor in cursors.items():
                assert (await at.send("GET", path, params={"cursor": cursor})).status_code == 200
                for other in cursors.keys() - {path}:
                    await at.problem("GET", other, 400, params={"cursor": cursor})

    asyncio.run(go())


# Bodies


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"job": "Greet", "parameters": [["x"] * 100_000]}, 422),
        ({"job": "Greet", "parameters": {"times": "x" * 500_000}}, 422),
        ({"job": "Greet", "parameters": {"x" * 500_000: 1}}, 422),
        ({"job": "Greet", "parameters": {f"p{number}": 1 for number in range(40_000)}}, 422),
        ({"job": "Greet", **{f"p{number}": 1 for number in range(40_000)}}, 400),
        ({"job": "x" * 500_000}, 400),
    ],
    ids=["list", "text", "name", "names", "members", "job"],
)
def test_an_error_stays_small_whatever_was_sent(tmp_path: Path, body: dict[str, Any], status: int) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            answer = await at.send("POST", "/runs", json=body)
            assert (answer.status_code, len(answer.content) < MOST_BYTES) == (status, True), answer.text[:200]
            assert await runs_of(at) == 0

    asyncio.run(go())


def test_only_the_first_of_very_many_findings_are_told(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            broken = {"job": "Greet", "priority": "a", "timeout": "z", "hold": 1}
            document = await at.problem("POST", "/submissions", 400, json={"runs": [broken] * 1000})
            assert len(document["problems"]) == 100
            assert await runs_of(at) == 0

    asyncio.run(go())


def test_a_compressed_body_is_refused_as_such(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
            body = gzip.compress(b'{"job":"Greet"}')
            answer = await at.send("POST", "/runs", content=body, headers=headers)
            assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "identity")
            assert await runs_of(at) == 0

    asyncio.run(go())


# Much work asked for at once


def test_previews_are_bounded_together_and_hold_nobody_up(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            many = {"schedules": [RARE] * 100}
            problem = await at.problem("POST", "/schedules/preview", 400, json={**many, "count": 11})
            assert "1000 fire times" in problem["detail"]
            previews = asyncio.gather(*(at.post("/schedules/preview", {**many, "count": 10}) for _ in range(4)))
            diff = asyncio.ensure_future(at.post("/jobs/Greet/schedules/diff", {**many, "at_most": 1000}))
            answered = 0
            while not (previews.done() and diff.done()):
                await at.get("/counters")
                answered += 1
            assert answered > 3
            assert [len(times) for times in (await previews)[0]] == [10] * 100
            assert (await diff)["added"] == []

    asyncio.run(go())


# Versions


@pytest.mark.parametrize(
    ("if_match", "status"),
    [
        ("{now}", 200),
        ('"x", {now}', 200),
        ('{now} ,"x"', 200),
        ("*", 200),
        ('"x"', 409),
        ('"x", "y"', 409),
        ('""', 409),
        ("W/{now}", 400),
        ('W/{now}, "x"', 400),
        ("*, {now}", 400),
        ('"', 400),
        ("", 400),
    ],
)
def test_if_match_is_read_as_http_has_it(tmp_path: Path, if_match: str, status: int) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            stored = await at.send("PUT", "/jobs/Greet/schedules", json={"schedules": [HOURLY]})
            headers = {"If-Match": if_match.replace("{now}", stored.headers["etag"])}
            answer = await at.send("PUT", "/jobs/Greet/schedules", json={"schedules": []}, headers=headers)
            assert answer.status_code == status, answer.text
            kept = (await at.get("/jobs/Greet/schedules"))["schedules"]
            assert len(kept) == (0 if status == 200 else 1)

    asyncio.run(go())


def test_of_parallel_edits_exactly_one_wins(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            version = (await at.get("/jobs/Greet/schedules"))["version"]
            bodies = [
                {"schedules": [{**HOURLY, "interval": f"PT{number + 1}H"}], "expected_version": version}
                for number in range(20)
            ]
            answers = await asyncio.gather(*(at.send("PUT", "/jobs/Greet/schedules", json=each) for each in bodies))
            assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 19}
            (won,) = (answer.json() for answer in answers if answer.status_code == 200)
            assert (await at.get("/jobs/Greet/schedules"))["schedules"] == won["schedules"]

    asyncio.run(go())


# Keys and counts


def test_requests_of_one_key_at_once_make_one_run(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            bodies = [{"job": "Greet", "hold": True, "parameters": {"whom": f"{number}"}} for number in range(20)]
            sent = (at.send("POST", "/runs", json=body, headers={"Idempotency-Key": "k"}) for body in bodies)
            answers = await asyncio.gather(*sent)
            assert {answer.status_code for answer in answers} == {201}
            assert len({answer.json()["id"] for answer in answers}) == 1
            assert await runs_of(at) == 1
            other = {"json": {"job": "Fail", "hold": True}, "headers": {"Idempotency-Key": "k"}}
            answers = await asyncio.gather(*(at.send("POST", "/runs", **other) for _ in range(5)))
            assert len({answer.json()["id"] for answer in answers}) == 1
            assert await runs_of(at) == 2

    asyncio.run(go())


def test_bulk_actions_at_once_touch_each_run_once(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            for _ in range(10):
                await at.post("/runs", {"job": "Greet", "hold": True})
            asked = {"action": "cancel", "where": {"job": "Greet"}}
            count = await at.post("/bulk", {**asked, "dry_run": True})
            agreed = {**asked, "expected_count": count["expected_count"], "counted_at": count["counted_at"]}
            done = await asyncio.gather(*(at.post("/bulk", agreed) for _ in range(5)))
            states = [run["state"] for run in (await at.get("/runs"))["runs"]]
            assert states == ["cancelled"] * 10
            assert sum(each["changed"] for each in done) >= 10

    asyncio.run(go())


def test_a_count_of_the_future_agrees_to_nothing(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            await at.post("/runs", {"job": "Greet", "hold": True})
            agreed = {"expected_count": 1, "counted_at": "9999-12-31T00:00:00Z"}
            await at.problem("POST", "/bulk", 400, json={"action": "cancel", "where": {}, **agreed})
            assert [run["state"] for run in (await at.get("/runs"))["runs"]] == ["pending"]

    asyncio.run(go())


# A store that cannot be written or read


def test_a_store_that_fails_is_503_with_a_time_to_try_again_and_nothing_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise StoreUnavailableError("the disk is full")

    async def go() -> None:
        async with api(tmp_path) as at:
            held = await at.post("/runs", {"job": "Greet", "hold": True})
            with monkeypatch.context() as patched:
                for name in ("submit", "cancel", "retry", "amend", "bulk", "pause"):
                    patched.setattr(at.web.kit.get(RunControl), name, full)
                patched.setattr(at.web.kit.get(JobRunReader), "runs", full)
                patched.setattr(at.web.kit.get(JobRunReader), "changes", full)
                for method, path, body in (
                    ("POST", "/runs", {"job": "Greet"}),
                    ("POST", "/submissions", {"runs": [{"job": "Greet"}]}),
                    ("POST", f"/runs/{held['id']}/cancel", None),
                    ("PATCH", f"/runs/{held['id']}", {"priority": 5}),
                    ("POST", "/pauses", {"scope": "all", "reason": "r"}),
                    ("GET", "/runs", None),
                    ("GET", "/changes", None),
                ):
                    answer = await at.send(method, path, **({"json": body} if body else {}))
                    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5"), path
            assert (await at.get(f"/runs/{held['id']}")) == held
            assert await runs_of(at) == 1

    asyncio.run(go())


def test_nothing_is_submitted_to_a_host_that_drains(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            waiting = await at.started("Wait")
            draining = asyncio.ensure_future(at.web.kit.finish_drain())
            async with asyncio.timeout(60):
                while (await at.send("GET", "/counters")).status_code != 503:
                    await asyncio.sleep(0)
            for path, body in (("/runs", {"job": "Greet"}), ("/jobs/Greet/start", {})):
                answer = await at.send("POST", path, json=body)
                assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (503, True)
            runs = await at.web.kit.get(JobRunReader).runs()
            assert [str(run.id) for run in runs.runs] == [waiting["id"]]
            await at.web.kit.get(RunControl).cancel(runs.runs[0].id)
            await draining

    asyncio.run(go())
