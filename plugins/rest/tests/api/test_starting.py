"""Starting a job before a provider that accepts no submissions, as an upstream that tells no run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar
from uuid import UUID

import pytest

from host.contracts.security import AuditTrail
from host.engine.control import HostedRunControl
from host.engine.manager import HostedJobManager
from host.errors import UnsupportedOperationError
from host.local.audit import SqliteAuditTrail
from host.model.json import JsonObject, JsonValue
from host.model.runs import JobRun
from host.model.submissions import RunSubmission
from host_rest.api.mount import RestMount
from plugins.rest.tests.api.desk import JOBS, Api, Greet
from plugins.rest.tests.resthost import RoleAuthenticator, RolePolicies, rest_host

pytestmark = pytest.mark.slow

Given = JsonObject | Sequence[JsonValue]


class NoSubmissions(HostedRunControl):
    """Tells no run."""

    async def submit(self, submissions: Sequence[RunSubmission]) -> Sequence[UUID]:
        raise UnsupportedOperationError("it cannot tell which run a submission became", hint="start the job")


class StartsOnly(HostedJobManager):
    """Starts jobs, and remembers what it was asked."""

    asked: ClassVar[list[tuple[str, Given, str | None]]] = []

    async def start_job(self, job: str, parameters: Given = (), *, by: str | None = None) -> JobRun | None:
        info = await self.get_job(job)
        self.asked.append((info.name, parameters, by))
        return None


PROVIDERS = (RoleAuthenticator, RolePolicies, SqliteAuditTrail, NoSubmissions, StartsOnly)


@pytest.fixture(autouse=True)
def asked() -> list[tuple[str, Given, str | None]]:
    StartsOnly.asked.clear()
    return StartsOnly.asked


def test_a_job_is_started_where_no_run_is_told(tmp_path: Path, asked: list[tuple[str, Given, str | None]]) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, RestMount, jobs=JOBS, providers=PROVIDERS) as web:
            at = Api(web, await web.client("operator"))
            job = await at.get("/jobs/Greet")
            plain = {"parameters": {"whom": "you"}}
            for path, body in (("/runs", {"job": "Greet", **plain}), ("/jobs/Greet/start", plain)):
                answer = await at.send("POST", path, json=body)
                assert (answer.status_code, "location" in answer.headers) == (202, False), answer.text
                assert answer.json() == {"job_id": job["job"]["id"], "job_type": job["job"]["job_type"]}
            await at.send("POST", "/jobs/Greet/start", json={"owner": None, "trace_id": None, "parameters": ["me"]})
            assert asked == [("Greet", {"whom": "you"}, "operator")] * 2 + [("Greet", ["me"], None)]
            await at.problem("POST", "/jobs/Nobody/start", 404, json={})
            events = (await web.kit.get(AuditTrail).events()).events
            assert {event.detail.get("job") for event in events if event.status == 202} == {job["job"]["job_type"]}
            assert not await web.kit.runs_of(Greet)

    asyncio.run(go())


def test_what_a_start_cannot_promise_is_refused(tmp_path: Path, asked: list[tuple[str, Given, str | None]]) -> None:
    more = {
        "tenant": "north",
        "priority": 0,
        "not_before": "2100-01-01T00:00:00Z",
        "expires_at": "2100-01-01T00:00:00Z",
        "timeout": "PT1M",
        "idempotency_key": "k",
        "hold": True,
    }

    async def go() -> None:
        async with rest_host(tmp_path, RestMount, jobs=JOBS, providers=PROVIDERS) as web:
            at = Api(web, await web.client("operator"))
            for name, value in more.items():
                for path, body in (("/runs", {"job": "Greet", name: value}), ("/jobs/Greet/start", {name: value})):
                    problem = await at.problem("POST", path, 501, json=body)
                    assert (problem["code"], problem["hint"]) == ("operation-unsupported", "start the job"), name
            await at.problem("POST", "/submissions", 501, json={"runs": [{"job": "Greet"}]})
            assert not asked

    asyncio.run(go())
