"""Schedules in force of many jobs with one question."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest

from plugins.rest.tests.api.desk import CANARY, api

pytestmark = pytest.mark.slow

HOURLY = {"kind": "interval", "interval": "PT1H", "parameters": {"token": CANARY, "whom": "you"}}


def test_they_come_in_the_order_asked_for_and_hide_secrets(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            put = at.well(await at.send("PUT", "/jobs/Greet/schedules", json={"schedules": [HOURLY]}))
            greet = (await at.get("/jobs/Greet"))["job"]
            asked = ["Wait", greet["id"], "nobody / at all", str(uuid4()), "Greet"]
            wait, first, *unknown, second = (await at.post("/schedules-in-force", {"jobs": asked}))["entries"]
            assert (wait["schedules"], wait["version"]) == ([], "")
            assert first == second == {name: value for name, value in put.items() if name != "standing"}
            assert first["schedules"][0]["parameters"] == {"token": "***", "whom": "you"}
            assert unknown == [None, None]
            assert (await at.post("/schedules-in-force", {"jobs": []}))["entries"] == []

    asyncio.run(go())


@pytest.mark.parametrize("jobs", [None, "Greet", [1], [""], ["x" * 1001], ["Greet"] * 201])
def test_what_makes_no_sense_is_refused(tmp_path: Path, jobs: object) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            await at.problem("POST", "/schedules-in-force", 400, json={"jobs": jobs})

    asyncio.run(go())
