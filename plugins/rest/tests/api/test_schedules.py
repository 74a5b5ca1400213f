"""Schedules over the REST API: those in force, and replacing them under a version."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from host.contracts.jobs import JobManagerService
from host.model.schedules import JobSchedule, ScheduleKind
from host.testing.clock import FakeClock
from plugins.rest.tests.api.desk import CANARY, FALLBACK, Greet, api

pytestmark = pytest.mark.slow

CONFIGURED = f"""<section xsi:type="JobConfigurationSection"><jobs>
  <add type="{Greet.__module__}:Greet" startType="schedule"><schedule><add {FALLBACK} /></schedule></add>
</jobs></section>"""
EVERY = {"kind": "interval", "interval": "PT15M"}
KINDS = [
    {
        "kind": "interval",
        "interval": "PT5400S",
        "mode": "fixed_delay",
        "start": "2026-01-01T08:00:00",
        "timezone": "Europe/Prague",
    },
    {"kind": "calendar", "days": ["Tuesday", "Monday"], "start": "0001-01-01T03:00:00", "jitter": "PT300S"},
    {
        "kind": "cron",
        "expression": "H 3 1 * 1",
        "dialect": "cis",
        "stop": "2030-01-01T00:00:00Z",
        "max_count": 3,
        "misfire": "all",
        "misfire_window": "PT7200S",
        "parameters": {"whom": "night"},
        "id": "nightly",
    },
    {"kind": "once", "start": "2030-05-01T10:00:00+02:00"},
]


def test_every_kind_with_every_option_goes_in_and_out_unchanged(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            put = await at.send("PUT", "/jobs/Greet/schedules", json={"schedules": KINDS})
            got = await at.send("GET", "/jobs/Greet/schedules")
            assert (put.status_code, put.json()) == (200, got.json()), put.text
            entry = got.json()
            assert got.headers["etag"] == f'"{entry["version"]}"'
            for given, stored in zip(KINDS, entry["schedules"], strict=True):
                expected = {"days": [], **given}
                assert {name: stored[name] for name in expected} == expected
            again = await at.send("PUT", "/jobs/Greet/schedules", json={"schedules": entry["schedules"]})
            assert again.json() == entry
            assert entry["standing"][1]["words"].startswith("at 03:00 on Monday and Tuesday, UTC")

    asyncio.run(go())


def test_members_are_those_of_the_model() -> None:
    from host_rest.api.schedule_values import Schedule

    assert list(Schedule.model_fields) == list(JobSchedule.__dataclass_fields__)
    for kind in ScheduleKind:
        plain = JobSchedule(kind=kind)
        assert Schedule(kind=kind).to_model() == plain


@pytest.mark.parametrize("by_header", [True, False])
def test_a_change_under_another_version_is_a_conflict(tmp_path: Path, by_header: bool) -> None:
    def based_on(version: str) -> dict[str, object]:
        body: dict[str, object] = {"schedules": [EVERY]}
        if by_header:
            return {"json": body, "headers": {"If-Match": f'"{version}"'}}
        return {"json": {**body, "expected_version": version}}

    async def go() -> None:
        async with api(tmp_path) as at:
            first = (await at.send("PUT", "/jobs/Greet/schedules", **based_on(""))).json()
            problem = await at.problem("PUT", "/jobs/Greet/schedules", 409, **based_on(""))
            assert (problem["expected_version"], problem["version"]) == ("", first["version"])
            assert problem["code"] == "schedule-version-conflict"
            assert (await at.send("PUT", "/jobs/Greet/schedules", **based_on(first["version"]))).json() == first

    asyncio.run(go())


@pytest.mark.parametrize("value", ["1f", 'W/"1f"', '"a" "b"', '"'])
def test_an_if_match_that_is_no_etag_of_ours_changes_nothing(tmp_path: Path, value: str) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            await at.problem(
                "PUT", "/jobs/Greet/schedules", 400, json={"schedules": [EVERY]}, headers={"If-Match": value}
            )
            assert not (await at.get("/jobs/Greet/schedules"))["schedules"]

    asyncio.run(go())


def test_cleared_is_not_removed(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path, sections=CONFIGURED) as at:
            fallback = await at.get("/jobs/Greet/schedules")
            assert (len(fallback["schedules"]), fallback["version"]) == (1, "")
            cleared = (await at.send("DELETE", "/jobs/Greet/schedules", headers={"If-Match": '""'})).json()
            assert cleared["schedules"] == []
            assert (await at.get("/jobs/Greet/schedules"))["schedules"] == []
            await at.problem("POST", "/jobs/Greet/schedules/remove", 409, params={"expected_version": ""})
            removed = await at.post("/jobs/Greet/schedules/remove", headers={"If-Match": f'"{cleared["version"]}"'})
            assert removed["schedules"] == fallback["schedules"]
            assert await at.post("/jobs/Greet/schedules/remove") == removed

    asyncio.run(go())


@pytest.mark.parametrize(
    ("schedule", "status", "said"),
    [
        ({"kind": "cron", "expression": "61 * * * *"}, 422, "minute"),
        ({"kind": "cron"}, 422, "expression"),
        ({"kind": "interval", "interval": "PT0S"}, 422, "one millisecond"),
        ({"kind": "interval", "interval": "15m"}, 400, "no duration"),
        ({"kind": "interval", "interval": "PT15M", "days": ["Monday"]}, 422, "days belongs to kind calendar"),
        ({"kind": "calendar", "days": ["Moonday"], "start": "0001-01-01T03:00:00"}, 400, "schedules.1.days.0"),
        ({"kind": "once", "start": "tomorrow"}, 400, "RFC 3339"),
        ({"kind": "interval", "interval": "PT15M", "timezone": "Europe/Pargue"}, 422, "Pargue"),
        ({"kind": "interval", "interval": "PT15M", "max_count": 0}, 422, "max_count"),
        ({"kind": "weekly"}, 400, "kind"),
        ({"kind": "interval", "interval": "PT15M", "jiter": "PT1S"}, 400, "did you mean 'jitter'?"),
        ({"kind": "interval", "interval": "PT15M", "parameters": {"times": 99}}, 422, "at most 9"),
    ],
    ids=str,
)
def test_a_schedule_that_cannot_work_is_refused_and_changes_nothing(
    tmp_path: Path, schedule: dict[str, object], status: int, said: str
) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            before = (await at.send("PUT", "/jobs/Greet/schedules", json={"schedules": [EVERY]})).json()
            body = {"schedules": [EVERY, schedule]}
            assert said in str(await at.problem("PUT", "/jobs/Greet/schedules", status, json=body))
            assert await at.get("/jobs/Greet/schedules") == before

    asyncio.run(go())


def test_a_hidden_secret_keeps_its_value_when_it_is_sent_back(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            rule = {**EVERY, "parameters": {"token": CANARY}}
            shown = (await at.send("PUT", "/jobs/Greet/schedules", json={"schedules": [rule]})).json()
            assert shown["schedules"][0]["parameters"] == {"token": "***"}
            back = {**shown["schedules"][0], "misfire": "skip"}
            assert (await at.send("PUT", "/jobs/Greet/schedules", json={"schedules": [back]})).status_code == 200
            entry = await at.web.kit.get(JobManagerService).get_job_schedules("Greet")
            assert entry.schedules[0].parameters == {"token": CANARY}
            other = {**back, "interval": "PT20M"}
            problem = await at.problem("PUT", "/jobs/Greet/schedules", 422, json={"schedules": [other]})
            assert "stands for a value that is not shown" in str(problem)

    asyncio.run(go())


def test_next_fire_times_are_of_all_schedules_together(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path, clock=FakeClock()) as at:
            rules = [{"kind": "cron", "expression": "0 3 * * *"}, {"kind": "cron", "expression": "0 2 * * *"}]
            await at.send("PUT", "/jobs/Greet/schedules", json={"schedules": rules})
            times = await at.get("/jobs/Greet/schedules/next", params={"count": 3})
            assert [time["fire_time"] for time in times] == [
                "2026-01-01T02:00:00Z",
                "2026-01-01T03:00:00Z",
                "2026-01-02T02:00:00Z",
            ]
            later = await at.get("/jobs/Greet/schedules/next", params={"after": "2026-02-01T03:00:00+01:00"})
            assert later[0]["fire_time"] == "2026-02-01T03:00:00Z"

    asyncio.run(go())


def test_one_schedule_is_paused_and_resumed(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path, clock=FakeClock()) as at:
            put = await at.send("PUT", "/jobs/Greet/schedules", json={"schedules": [EVERY]})
            (standing,) = put.json()["standing"]
            path = f"/schedules/{standing['id']}"
            assert (await at.post(f"{path}/pause", {"reason": "audit"}))["changed"] is True
            assert (await at.get("/jobs/Greet/schedules"))["standing"][0]["paused"] == "audit"
            assert (await at.post(f"{path}/resume"))["changed"] is True
            unknown = "/schedules/00000000-0000-0000-0000-000000000000/pause"
            assert (await at.problem("POST", unknown, 404, json={"reason": "x"}))["code"] == "schedule-not-found"

    asyncio.run(go())
