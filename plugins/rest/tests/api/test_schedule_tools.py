"""Schedules that are only thought of: previews, words, and what an edit would change."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from host.testing.clock import FakeClock
from plugins.rest.tests.api.desk import api

pytestmark = pytest.mark.slow


def cron(expression: str, **more: object) -> dict[str, object]:
    return {"kind": "cron", "expression": expression, **more}


def test_a_preview_says_what_the_clocks_do(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path, role="reader") as at:
            prague = cron("30 2 * * *", timezone="Europe/Prague")
            body = {"schedules": [prague, cron("@hourly")], "after": "2026-03-28T12:00:00Z", "count": 2}
            night, hourly = await at.post("/schedules/preview", body)
            assert night[0]["fire_time"] == "2026-03-29T01:00:00Z"
            assert night[0]["local"] == "2026-03-29T03:00:00+02:00"
            assert "does not exist" in night[0]["note"]
            assert [time["fire_time"] for time in hourly] == ["2026-03-28T13:00:00Z", "2026-03-28T14:00:00Z"]

    asyncio.run(go())


def test_a_preview_for_a_job_resolves_its_hashes(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            hashed = {"schedules": [cron("H H * * *")], "after": "2026-01-01T00:00:00Z", "count": 1}
            (((fire),),) = await at.post("/schedules/preview", {**hashed, "job": "Greet"})
            await at.send("PUT", "/jobs/Greet/schedules", json={"schedules": hashed["schedules"]})
            real = await at.get("/jobs/Greet/schedules/next", params={"after": "2026-01-01T00:00:00Z", "count": 1})
            assert real == [fire]
            await at.problem("POST", "/schedules/preview", 404, json={**hashed, "job": "Nobody"})

    asyncio.run(go())


@pytest.mark.parametrize(
    ("schedule", "words", "explanation"),
    [
        ({"kind": "interval", "interval": "PT90M"}, "every 1 hour 30 minutes", None),
        (cron("0 3 * * *"), "cron 0 3 * * * (at 03:00 every day), UTC", None),
        (cron("30 4 1 * 5"), "cron 30 4 1 * 5, UTC", "at 04:30, on day 1 of the month, or on friday"),
        (cron("10 30 4 1 * 5"), "cron 10 30 4 1 * 5, UTC", "at 04:30:10, on day 1 of the month, or on friday"),
        (cron("30 4 1 * 5", dialect="cis"), "cron 30 4 1 * 5, UTC", None),
        (cron("H 4 * * *"), "cron H 4 * * *, UTC", None),
        (cron("*/7 * * * *"), "cron */7 * * * *, UTC", None),
        (cron("0 0 L5 * *"), None, None),
    ],
    ids=str,
)
def test_words_are_given_where_they_are_certain(
    tmp_path: Path, schedule: dict[str, object], words: str | None, explanation: str | None
) -> None:
    async def go() -> None:
        async with api(tmp_path) as at:
            body = {"schedules": [schedule]}
            if words is None:
                assert (await at.problem("POST", "/schedules/words", 422, json=body))["code"] == "schedule-invalid"
            else:
                (found,) = await at.post("/schedules/words", body)
                assert found["words"] == words
                assert (found["explanation"] or "").lower() == (explanation or "")

    asyncio.run(go())


def test_an_edit_is_shown_by_what_it_adds_and_drops(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path, clock=FakeClock()) as at:
            put = await at.send("PUT", "/jobs/Greet/schedules", json={"schedules": [cron("0 3 * * *")]})
            edit = {"schedules": [cron("0 3,5 * * *")], "until": "2026-01-03T00:00:00Z"}
            found = await at.post("/jobs/Greet/schedules/diff", edit)
            assert [fire["fire_time"] for fire in found["added"]] == ["2026-01-01T05:00:00Z", "2026-01-02T05:00:00Z"]
            assert (found["dropped"], found["kept"]) == ([], 2)
            assert (found["since"], found["until"]) == ("2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z")
            assert found["version"] == put.json()["version"]
            assert (await at.send("GET", "/jobs/Greet/schedules")).json() == put.json()
            reverse = await at.post("/jobs/Greet/schedules/diff", {"schedules": [], "at_most": 4})
            assert ([len(reverse["added"]), len(reverse["dropped"])], reverse["kept"]) == ([0, 4], 0)
            await at.problem(
                "POST", "/jobs/Greet/schedules/diff", 400, json={"schedules": [], "until": "2025-01-01T00:00:00Z"}
            )

    asyncio.run(go())
