"""Schedules as the store holds them, whoever they belong to."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from host.contracts.schedules import JobScheduleManager
from host.model.schedules import JobSchedule, ScheduleEntry, ScheduleKind, Weekday
from host.wire import from_json, to_json
from plugins.rest.tests.api.desk import CANARY, Api, api

pytestmark = pytest.mark.slow

STRANGER = "A.B, C"
HOURLY = {"kind": "interval", "interval": "PT1H"}


async def listed(at: Api, *, limit: int) -> list[dict[str, Any]]:
    """Give all entries, page by page."""
    found, cursor = list[dict[str, Any]](), None
    while True:
        page = await at.get("/stored-schedules", params={"limit": limit, **({"cursor": cursor} if cursor else {})})
        found += page["entries"]
        if (cursor := page["next_cursor"]) is None:
            return found


async def with_stranger(at: Api) -> None:
    """Store schedules of three jobs, one of which nobody offers, with secrets."""
    await at.send("PUT", "/jobs/Greet/schedules", json={"schedules": [{**HOURLY, "parameters": {"token": CANARY}}]})
    rule = replace(JobSchedule.every(timedelta(hours=1)), parameters={"pin": CANARY})
    await at.web.kit.get(JobScheduleManager).replace(STRANGER, [rule])
    await at.send("DELETE", "/jobs/Fail/schedules")


def test_every_entry_is_listed_in_stored_order_without_secrets(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            assert await listed(at, limit=1) == []
            await with_stranger(at)
            stored = await at.web.kit.get(JobScheduleManager).all()
            for limit in (1, 2, 200):
                entries = await listed(at, limit=limit)
                assert [entry["job_type"] for entry in entries] == [entry.job_type for entry in stored]
            assert [len(entry["schedules"]) for entry in entries] == [1, 1, 0]
            assert [rule["parameters"] for entry in entries for rule in entry["schedules"]] == [
                {"token": "***"},
                {"pin": "***"},
            ]

    asyncio.run(go())


def test_one_entry_is_given_and_a_fallback_is_none(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            await with_stranger(at)
            answer = await at.send("GET", f"/stored-schedules/{STRANGER}")
            assert answer.headers["etag"] == f'"{answer.json()["version"]}"'
            assert "xcron.xml:" in answer.json()["source"]
            problem = await at.problem("GET", "/stored-schedules/Nobody", 404)
            assert problem["code"] == "schedule-not-found"

    asyncio.run(go())


def test_an_entry_is_stored_of_any_job_under_its_version_and_equal_ones_change_nothing(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            for job_type in (STRANGER, "plugins.rest.tests.api.desk:Greet", "Žofie, 名前"):
                path = f"/stored-schedules/{quote(job_type, safe='')}"
                first = await at.send("PUT", path, json={"schedules": [HOURLY], "expected_version": ""})
                assert first.status_code == 200, first.text
                entry = first.json()
                assert (first.headers["etag"], entry["job_type"]) == (f'"{entry["version"]}"', job_type)
                for headers in ({}, {"If-Match": first.headers["etag"]}):
                    again = await at.send("PUT", path, json={"schedules": [HOURLY]}, headers=headers)
                    assert again.json() == entry
                for wrong in ("", "other"):
                    body = {"schedules": [], "expected_version": wrong}
                    problem = await at.problem("PUT", path, 409, json=body)
                    assert problem["code"] == "schedule-version-conflict"
                    assert (problem["version"], problem["expected_version"]) == (entry["version"], wrong)
                cleared = await at.send("PUT", path, json={"schedules": []}, headers={"If-Match": "*"})
                assert (cleared.json()["schedules"], cleared.json()["version"] != entry["version"]) == ([], True)
                assert (await at.get(path)) == cleared.json()

    asyncio.run(go())


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "cron", "expression": "0 0 31 2 *"},
        {"kind": "cron"},
        {"kind": "interval", "interval": "PT0S"},
        {"kind": "interval", "interval": "-PT5S"},
        {"kind": "interval"},
        {"kind": "cron", "expression": "@daily", "timezone": "Europe/Nowhere"},
        {"kind": "cron", "expression": "@daily", "timezone": ""},
        {"kind": "calendar", "days": ["Monday"]},
        {"kind": "cron", "expression": "@daily", "max_count": 0},
        {"kind": "cron", "expression": "@daily", "max_count": -(2**31)},
        {"kind": "cron", "expression": "@daily", "jitter": "-PT1S"},
        {"kind": "cron", "expression": "@daily", "misfire": "all", "misfire_window": "-PT1S"},
        {"kind": "once"},
    ],
    ids=str,
)
def test_what_can_never_work_is_refused_by_its_own_name_and_changes_nothing(
    tmp_path: Path, wrong: dict[str, object]
) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            path = f"/stored-schedules/{STRANGER}"
            problem = await at.problem("PUT", path, 422, json={"schedules": [HOURLY, wrong]})
            assert problem["code"] == "schedule-invalid"
            await at.problem("GET", path, 404)

    asyncio.run(go())


def test_a_hidden_value_sent_back_keeps_the_stored_one(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            await with_stranger(at)
            for job_type, name in (("plugins.rest.tests.api.desk:Greet", "token"), (STRANGER, "pin")):
                path = f"/stored-schedules/{job_type}"
                shown = await at.get(path)
                assert CANARY not in str(shown)
                (rule,) = shown["schedules"]
                answer = await at.send(
                    "PUT",
                    path,
                    json={"schedules": [{**rule, "jitter": "PT5S"}, {"kind": "cron", "expression": "@daily"}]},
                )
                assert (answer.status_code, CANARY in answer.text) == (200, False)
                entry = await at.web.kit.get(JobScheduleManager).get(job_type)
                assert entry is not None
                assert [each.parameters for each in entry.schedules] == [{name: CANARY}, None]
                moved = {**rule, "interval": "PT2H"}
                problem = await at.problem("PUT", path, 422, json={"schedules": [moved]})
                assert problem["code"] == "parameter-invalid"

    asyncio.run(go())


def test_an_entry_is_removed_under_its_version_also_of_a_job_that_nobody_offers(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            await with_stranger(at)
            path = f"/stored-schedules/{STRANGER}"
            conflict = await at.problem("DELETE", path, 409, headers={"If-Match": '"other"'})
            entry = await at.get(path)
            assert (conflict["version"], conflict["expected_version"]) == (entry["version"], "other")
            for wanted in (True, False):
                answer = await at.send("DELETE", path, params={"expected_version": entry["version"] if wanted else ""})
                assert answer.json() == {"was_stored": wanted}
            assert len(await listed(at, limit=200)) == 2

    asyncio.run(go())


def test_a_page_goes_on_though_the_entry_before_it_was_removed(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            await with_stranger(at)
            first = await at.get("/stored-schedules", params={"limit": 1})
            (shown,) = first["entries"]
            await at.send("DELETE", f"/stored-schedules/{shown['job_type']}")
            rest = await at.get("/stored-schedules", params={"cursor": first["next_cursor"]})
            assert [entry["job_type"] for entry in rest["entries"]][:1] == [STRANGER]
            assert len(rest["entries"]) == 2
            await at.problem("GET", "/stored-schedules", 400, params={"cursor": "WyJqb2JzIiwgIngiXQ"})

    asyncio.run(go())


def test_whatever_the_store_takes_goes_in_and_out_as_it_is(tmp_path: Path) -> None:
    interval = JobSchedule.every(timedelta(hours=1))
    rules = [
        JobSchedule.every(timedelta(days=200_000, microseconds=1_000)),
        JobSchedule(kind=ScheduleKind.CALENDAR, days=(Weekday.FRIDAY, Weekday.MONDAY), start=datetime(1, 1, 1, 3)),
        replace(interval, max_count=2**40, jitter=timedelta(days=2), misfire_window=timedelta(0)),
        replace(interval, start=datetime(2026, 1, 1, 3, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=5.5)))),
        replace(interval, id="a / b", parameters={}),
        replace(interval, parameters={"whom": "ž", "times": 2**70, "n": [None, True, 1.0, -0.0, {"": []}]}),
    ]

    async def go() -> None:
        async with api(tmp_path) as at:
            headers = {"content-type": "application/json"}
            path = "/stored-schedules/plugins.rest.tests.api.desk:Greet"
            answer = await at.send("PUT", path, content=to_json({"schedules": rules}), headers=headers)
            assert answer.status_code == 200, answer.text
            shown = from_json(answer.content, ScheduleEntry)
            assert shown == await at.web.kit.get(JobScheduleManager).get("plugins.rest.tests.api.desk:Greet")
            assert (shown.schedules, repr(shown.schedules[-1].parameters)) == (tuple(rules), repr(rules[-1].parameters))

    asyncio.run(go())
