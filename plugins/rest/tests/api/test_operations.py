"""The host itself over the REST API."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from host.wire import to_wire
from plugins.rest.tests.api.desk import Greet, api

pytestmark = pytest.mark.slow


def test_the_host_is_shown_as_the_command_line_shows_it(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path, role="reader") as at:
            assert await at.get("/host") == to_wire(await at.web.kit.status())
            plugins = (await at.get("/host/plugins"))["plugins"]
            assert "rest" in [plugin["name"] for plugin in plugins]

    asyncio.run(go())


def test_pauses_are_by_scope(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            job = f"job:{Greet.__module__}:Greet"
            for scope in ("all", job):
                assert (await at.post("/pauses", {"scope": scope, "reason": "night"}))["changed"] is True
            assert [pause["scope"] for pause in (await at.get("/pauses"))["pauses"]] == ["all", job]
            for scope in ("all", job):
                assert (await at.send("DELETE", f"/pauses/{scope}")).json() == {"scope": scope, "changed": True}
            assert (await at.send("DELETE", "/pauses/all")).json()["changed"] is False
            await at.problem("POST", "/pauses", 400, json={"scope": "everything", "reason": "x"})
            await at.problem("POST", "/pauses", 404, json={"scope": "job:Nobody", "reason": "x"})

    asyncio.run(go())


def test_an_embedded_host_says_that_it_cannot_be_reloaded(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            problem = await at.problem("POST", "/host/reload", 501, json={"dry_run": True})
            assert problem["code"] == "operation-unsupported"

    asyncio.run(go())


def test_draining_begins_at_once(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            answer = await at.send("POST", "/host/drain")
            assert (answer.status_code, answer.json()) == (202, {"is_begun": True})
            await asyncio.wait_for(at.web.kit.wait_drain(), 60)

    asyncio.run(go())


def test_changing_the_host_is_for_administrators(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path, role="operator") as at:
            for method, path in (("POST", "/host/drain"), ("POST", "/host/reload"), ("GET", "/audit")):
                problem = await at.problem(method, path, 403)
                assert problem["policy"] == "UNRESTRICTED_ADMINISTRATION"

    asyncio.run(go())


def test_the_audit_tells_who_changed_what(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            run = await at.post("/runs", {"job": "Greet", "hold": True})
            await at.post(f"/runs/{run['id']}/cancel")
            await at.get("/runs")
            cancelled, submitted = (await at.get("/audit", params={"face": "rest"}))["events"]
            assert (submitted["action"], submitted["detail"]["run"]) == ("POST /runs", run["id"])
            assert (cancelled["action"], cancelled["by"]) == ("POST /runs/{run_id}/cancel", "administrator")
            assert cancelled["detail"]["job"] == run["job_type"]
            assert (await at.get("/audit", params={"outcome": "denied"}))["events"] == []
            await at.problem("GET", "/audit", 400, params={"cursor": "nonsense"})

    asyncio.run(go())
