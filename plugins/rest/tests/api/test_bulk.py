"""One action on many runs over the REST API: counted first, done only to those."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from host.model.security import Principal, PrincipalKind
from plugins.rest.tests.api.desk import Api, Greet, api
from plugins.rest.tests.resthost import RoleAuthenticator

pytestmark = pytest.mark.slow

CANCEL = {"action": "cancel", "where": {"job": "Greet"}}


async def hold(at: Api, number: int) -> None:
    await at.post("/submissions", {"runs": [{"job": "Greet", "hold": True}] * number})


async def states(at: Api) -> Counter[str]:
    return Counter(run.state.value for run in await at.web.kit.runs_of(Greet))


def agreed(count: dict[str, object]) -> dict[str, object]:
    return {name: count[name] for name in ("expected_count", "counted_at")}


def test_what_was_counted_is_done_and_nothing_newer(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            await hold(at, 3)
            count = await at.post("/bulk", {**CANCEL, "dry_run": True})
            assert (count["matched"], count["changed"], count["is_more"]) == (3, 0, False)
            await hold(at, 2)
            done = await at.post("/bulk", {**CANCEL, **agreed(count)})
            assert (done["matched"], done["changed"]) == (3, 3)
            assert await states(at) == {"cancelled": 3, "pending": 2}
            again = await at.post("/bulk", {**CANCEL, **agreed(count)})
            assert (again["matched"], again["changed"]) == (0, 0)

    asyncio.run(go())


def test_without_a_count_nothing_is_done(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            await hold(at, 1)
            assert "dry_run" in (await at.problem("POST", "/bulk", 400, json=CANCEL))["hint"]
            await at.problem("POST", "/bulk", 400, json={**CANCEL, "expected_count": 1})
            await at.problem("POST", "/bulk", 400, json={"action": "cancel", "dry_run": True})
            await at.problem("POST", "/bulk", 400, json={**CANCEL, "where": {"jobb": "Greet"}, "dry_run": True})
            assert await states(at) == {"pending": 1}

    asyncio.run(go())


def test_more_runs_than_were_counted_are_a_conflict(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            await hold(at, 3)
            count = await at.post("/bulk", {**CANCEL, "dry_run": True})
            body = {**CANCEL, **agreed(count), "expected_count": 2}
            assert (await at.problem("POST", "/bulk", 409, json=body))["code"] == "count-exceeded"
            assert await states(at) == {"pending": 3}

    asyncio.run(go())


def test_a_program_does_it_in_one_step(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            await hold(at, 3)
            counted = await at.post("/bulk/direct", {**CANCEL, "dry_run": True})
            assert counted == {"matched": 3, "changed": 0, "is_more": False}
            done = await at.post("/bulk/direct", {"action": "release", "where": {}, "at_most": 2})
            assert done == {"matched": 2, "changed": 2, "is_more": True}
            await at.web.kit.run_due()
            assert await states(at) == {"completed": 2, "pending": 1}
            done = await at.post("/bulk/direct", {"action": "retry", "where": {"states": ["completed"]}})
            assert done == {"matched": 2, "changed": 2, "is_more": False}
            nothing = await at.post("/bulk/direct", {**CANCEL, "where": {"states": ["failed"]}})
            assert nothing == {"matched": 0, "changed": 0, "is_more": False}
            for at_most in (0, 100_001, -1, "5", True):
                problem = await at.problem("POST", "/bulk/direct", 400, json={**CANCEL, "at_most": at_most})
                assert problem["code"] == "request-invalid"
            await at.problem("POST", "/bulk/direct", 400, json={**CANCEL, "expected_count": 3})

    asyncio.run(go())


def test_a_person_counts_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = Principal(name="alice", kind=PrincipalKind.USER, roles=("administrator",))
    monkeypatch.setitem(RoleAuthenticator.extra, "alice", alice)

    async def go() -> None:
        async with api(tmp_path, role="alice") as at:
            await hold(at, 1)
            for more in ({}, {"at_most": 1}, {"dry_run": True}):
                problem = await at.problem("POST", "/bulk/direct", 403, json={**CANCEL, **more})
                assert (problem["code"], "POST /bulk with dry_run" in problem["hint"]) == ("access-denied", True)
            assert await states(at) == {"pending": 1}
            count = await at.post("/bulk", {**CANCEL, "dry_run": True})
            assert (await at.post("/bulk", {**CANCEL, **agreed(count)}))["changed"] == 1

    asyncio.run(go())


def test_at_most_says_that_there_are_more(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            await hold(at, 3)
            body = {"action": "release", "where": {}, "at_most": 2}
            count = await at.post("/bulk", {**body, "dry_run": True})
            assert (count["matched"], count["is_more"]) == (2, True)
            done = await at.post("/bulk", {**body, **agreed(count)})
            assert (done["changed"], done["is_more"]) == (2, True)
            await at.web.kit.run_due()
            assert await states(at) == {"completed": 2, "pending": 1}

    asyncio.run(go())
