"""Submitting runs over the REST API."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from plugins.rest.tests.api.desk import Fail, Greet, api

pytestmark = pytest.mark.slow


def test_a_run_is_accepted_with_everything_that_was_asked(tmp_path: Path) -> None:
    asked = {
        "parameters": {"whom": "you", "times": 2},
        "tenant": "north",
        "priority": 5,
        "not_before": "2100-01-01T01:00:00+01:00",
        "expires_at": "2100-01-02T00:00:00Z",
        "timeout": "PT90S",
        "idempotency_key": "order-17",
    }

    async def go() -> None:
        async with api(tmp_path) as at:
            trace = "0af7651916cd43dd8448eb211c80319c"
            headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
            answer = await at.send("POST", "/runs", json={"job": "Greet", **asked}, headers=headers)
            run = answer.json()
            assert (answer.status_code, answer.headers["location"]) == (201, f"/rest/v1/runs/{run['id']}")
            assert {name: run[name] for name in asked if name != "parameters"} == {
                **{name: value for name, value in asked.items() if name != "parameters"},
                "not_before": "2100-01-01T00:00:00Z",
            }
            assert run["parameters"] == {"whom": "you", "times": 2, "token": "***"}
            assert (run["owner"], run["trace_id"], run["state"]) == ("administrator", trace, "scheduled")

    asyncio.run(go())


def test_parameters_may_be_given_by_position(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            run = await at.post("/jobs/Greet/start", {"parameters": ["you", 3], "hold": True})
            assert run["parameters"] == {"whom": "you", "times": 3, "token": "***"}

    asyncio.run(go())


def test_an_equal_key_gives_the_first_run(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            headers = {"Idempotency-Key": "k1"}
            runs = [await at.post("/runs", {"job": "Greet", "hold": True}, headers=headers) for _ in range(3)]
            assert len({run["id"] for run in runs}) == 1
            assert len(await at.web.kit.runs_of(Greet)) == 1
            body = {"job": "Greet", "idempotency_key": "k2"}
            assert "differ" in (await at.problem("POST", "/runs", 400, json=body, headers=headers))["detail"]

    asyncio.run(go())


def test_a_key_is_one_of_its_jobs_also_among_several(tmp_path: Path) -> None:
    def keyed(job: str, key: str) -> dict[str, object]:
        return {"job": job, "idempotency_key": key, "hold": True}

    async def go() -> None:
        async with api(tmp_path) as at:
            asked = {"runs": [keyed("Greet", "a"), keyed("Greet", "b"), keyed("Greet", "a")]}
            first = await at.post("/submissions", asked)
            assert (await at.post("/submissions", asked)) == first
            assert first["ids"][0] == first["ids"][2] != first["ids"][1]
            (greet,) = {run.job_id for run in await at.web.kit.runs_of(Greet)}
            named = {"runs": [keyed(str(greet), "a"), keyed("Greet", "a")]}
            assert set((await at.post("/submissions", named))["ids"]) == {first["ids"][0]}
            both = {"runs": [keyed("Fail", "a"), keyed("Greet", "a")]}
            theirs, mine = (await at.post("/submissions", both))["ids"]
            assert (mine, theirs in first["ids"]) == (first["ids"][0], False)
            run = await at.post("/runs", {"job": "Fail", "hold": True}, headers={"Idempotency-Key": "a"})
            assert (run["id"], run["job_type"].endswith("Fail")) == (theirs, True)
            assert [len(await at.web.kit.runs_of(job)) for job in (Greet, Fail)] == [2, 1]

    asyncio.run(go())


def test_several_are_accepted_together_or_not_at_all(tmp_path: Path) -> None:
    good, bad = {"job": "Greet", "hold": True}, {"job": "Greet", "parameters": {"times": 10}}

    async def go() -> None:
        async with api(tmp_path) as at:
            ids = (await at.post("/submissions", {"runs": [good, good]}))["ids"]
            assert [str(run.id) for run in await at.web.kit.runs_of(Greet)] == ids
            await at.problem("POST", "/submissions", 422, json={"runs": [good, bad]})
            await at.problem("POST", "/submissions", 404, json={"runs": [good, {"job": "Nobody"}]})
            await at.problem("POST", "/submissions", 400, json={"runs": []})
            assert len(await at.web.kit.runs_of(Greet)) == 2

    asyncio.run(go())


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"parameters": {"times": 0}}, 422, "at least 1"),
        ({"parameters": {"tims": 1}}, 422, "did you mean 'times'?"),
        ({"parameters": "x"}, 400, "body.parameters"),
        ({"priority": "5"}, 400, "body.priority"),
        ({"priority": True}, 400, "body.priority"),
        ({"hold": "yes"}, 400, "body.hold"),
        ({"timeout": 90}, 400, "no duration"),
        ({"timeout": "P1Y"}, 400, "no duration"),
        ({"timeout": "PT0S"}, 400, "a timeout of 0:00:00"),
        ({"not_before": "2026-01-01T00:00:00"}, 400, "no offset"),
        ({"not_before": "9999-12-31T23:59:59-23:59"}, 400, "body.not_before"),
        ({"not_befor": None}, 400, "did you mean 'not_before'?"),
        ({"tenant": ""}, 400, "body.tenant"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_and_nothing_is_submitted(
    tmp_path: Path, body: dict[str, object], status: int, said: str
) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            assert said in str(await at.problem("POST", "/jobs/Greet/start", status, json=body))
            assert not await at.web.kit.runs_of(Greet)

    asyncio.run(go())


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"job=Greet", "application/x-www-form-urlencoded", 415),
        (b'{"job":"Greet"}', None, 415),
        (b'{"job":"Greet"}', "application/json; charset=utf-8", 201),
        (b'{"job":"Greet"', "application/json", 400),
        (b'{"job":"Greet","parameters":{"times":NaN}}', "application/json", 400),
        (b'{"job":"Gr\xff"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"", "application/json", 400),
        (b"null", "application/json", 400),
    ],
)
def test_only_json_is_read(tmp_path: Path, content: bytes, kind: str | None, status: int) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            headers = {"content-type": kind} if kind else {}
            answer = await at.send("POST", "/runs", content=content, headers=headers)
            assert answer.status_code == status, answer.text

    asyncio.run(go())
