"""A program that acts for somebody: whose runs they are, who cancelled, who paused."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from host.contracts.host import HostControl
from host.contracts.runs import JobRunReader
from host.contracts.security import AuditTrail
from host.local.audit import SqliteAuditTrail
from host.model.security import Principal, PrincipalKind
from host_rest.ami.mount import AmiMount
from host_rest.api.mount import RestMount
from plugins.rest.tests.api.desk import JOBS, Api, Greet, Wait, api
from plugins.rest.tests.resthost import RoleAuthenticator, RolePolicies, rest_host

pytestmark = pytest.mark.slow

BOB = {"X-Jobhost-Caller": quote("Bob Ždánský")}
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def test_runs_cancellations_pauses_and_the_audit_name_the_person(tmp_path: Path) -> None:
    providers = (RoleAuthenticator, RolePolicies, SqliteAuditTrail)

    async def go() -> None:
        async with rest_host(tmp_path, RestMount, AmiMount, jobs=JOBS, providers=providers) as web:
            at = Api(web, await web.client("administrator", headers=BOB))
            run = await at.post("/jobs/Wait/start", {"hold": True})
            assert (await at.post(f"/runs/{run['id']}/cancel"))["state"] == "cancelled"
            ended = await at.get(f"/runs/{run['id']}")
            assert (ended["owner"], ended["cancel_requested_by"]) == ("Bob Ždánský",) * 2
            again = (await at.post(f"/runs/{run['id']}/retry"))["id"]
            assert (await at.get(f"/runs/{again}"))["owner"] == "Bob Ždánský"
            await at.post("/jobs/Wait/pause", {"reason": "tired"})
            assert [pause.by for pause in (await web.kit.get(HostControl).status()).pauses] == ["Bob Ždánský"]
            (event, *_) = (await web.kit.get(AuditTrail).events()).events
            assert (event.by, event.detail["for"]) == ("administrator", "Bob Ždánský")
            job = ended["job_id"]
            ami = await at.client.post(f"/ami/JobInfo/{job}/$start", content=b"")
            assert ami.status_code == 204, ami.text
            await at.client.post(f"/ami/JobInfo/{job}/$cancel", content=b"")
            (newest, *_) = (await web.kit.get(JobRunReader).runs()).runs
            assert (newest.owner, newest.cancel_requested_by) == ("Bob Ždánský",) * 2

    asyncio.run(go())


def test_a_program_says_whose_run_it_is_and_to_what_trace_it_belongs(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            asked: list[dict[str, Any]] = [
                {"owner": "carol", "trace_id": TRACE},
                {"owner": None, "trace_id": PARENT},
                {"trace_id": None},
                {"trace_id": None},
                {},
            ]
            runs = [{"job": "Greet", "hold": True, **each} for each in asked]
            headers = {**BOB, "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
            await at.send("POST", "/submissions", json={"runs": runs}, headers=headers)
            kept = await at.web.kit.runs_of(Greet)
            assert [run.owner for run in kept] == ["carol", None, *["Bob Ždánský"] * 3]
            traces = [run.trace_id for run in kept]
            assert (traces[:2], traces[4]) == ([TRACE] * 2, "4bf92f3577b34da6a3ce929d0e0e4736")
            assert len(set(traces)) == 4
            for path, body in (("/runs", {"job": "Greet"}), ("/jobs/Greet/start", {})):
                run = await at.post(path, {**body, "hold": True, "owner": "carol", "trace_id": TRACE})
                assert (run["owner"], run["trace_id"]) == ("carol", TRACE)
                for wrong in ("", "0" * 32, TRACE.upper(), f"{PARENT}-more", f"01-{TRACE}-b7ad6b7169203331-01"):
                    problem = await at.problem("POST", path, 400, json={**body, "trace_id": wrong})
                    assert "body.trace_id" in problem["problems"][0]["where"]

    asyncio.run(go())


def test_a_person_owns_what_they_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = Principal(name="alice", kind=PrincipalKind.USER, roles=("administrator",))
    monkeypatch.setitem(RoleAuthenticator.extra, "alice", alice)

    async def go() -> None:
        async with api(tmp_path, role="alice") as at:
            for owner in ("carol", "alice", ""):
                for path, body in (
                    ("/runs", {"job": "Wait", "owner": owner}),
                    ("/jobs/Wait/start", {"owner": owner}),
                    ("/submissions", {"runs": [{"job": "Wait"}, {"job": "Wait", "owner": owner}]}),
                ):
                    assert (await at.problem("POST", path, 403, json=body))["code"] == "access-denied"
            assert not await at.web.kit.runs_of(Wait)
            await at.post("/runs", {"job": "Wait", "owner": None})
            assert [run.owner for run in await at.web.kit.runs_of(Wait)] == ["alice"]

    asyncio.run(go())


def test_ten_thousand_runs_are_accepted_at_once(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            runs = [
                {"job": "Greet", "hold": True, "idempotency_key": f"k{n}", "parameters": {"whom": "x" * 1200}}
                for n in range(10_000)
            ]
            ids = (await at.post("/submissions", {"runs": runs}))["ids"]
            assert len(set(ids)) == 10_000
            await at.problem("POST", "/submissions", 400, json={"runs": [*runs, runs[0]]})
            assert (await at.post("/submissions", {"runs": runs[:10]}))["ids"] == ids[:10]
            too_large = b'{"runs":[]}'.ljust(16 * 1024 * 1024 + 1)
            headers = {"content-type": "application/json"}
            await at.problem("POST", "/submissions", 413, content=too_large, headers=headers)

    asyncio.run(go())
