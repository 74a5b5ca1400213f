"""Next fire times that are remembered stay right: past their moment, after a change, after a run."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from host.testing.clock import FakeClock
from plugins.rest.tests.api.desk import Api, api

pytestmark = pytest.mark.slow


async def next_fire(at: Api, job: str = "Greet") -> object:
    view = await at.get(f"/jobs/{job}")
    return view["next_fire_time"] or view["next_fire_within"]


def test_the_next_fire_time_moves_on_when_it_passes_and_when_the_schedule_changes(tmp_path: Path) -> None:
    async def go() -> None:
        clock = FakeClock()
        async with api(tmp_path, clock=clock) as at:
            daily = {"schedules": [{"kind": "cron", "expression": "@daily"}]}
            await at.send("PUT", "/jobs/Greet/schedules", json=daily)
            assert [await next_fire(at), await next_fire(at)] == ["2026-01-02T00:00:00Z"] * 2
            await at.web.kit.advance(timedelta(days=1))
            assert await next_fire(at) == "2026-01-03T00:00:00Z"
            hourly = {"schedules": [{"kind": "cron", "expression": "@hourly"}]}
            await at.send("PUT", "/jobs/Greet/schedules", json=hourly)
            assert await next_fire(at) == "2026-01-02T01:00:00Z"
            await at.send("DELETE", "/jobs/Greet/schedules")
            assert await next_fire(at) is None

    asyncio.run(go())


def test_an_interval_is_counted_from_its_run_as_soon_as_there_is_one(tmp_path: Path) -> None:
    async def go() -> None:
        clock = FakeClock()
        async with api(tmp_path, clock=clock) as at:
            every = {"schedules": [{"kind": "interval", "interval": "PT1H"}]}
            await at.send("PUT", "/jobs/Greet/schedules", json=every)
            assert await next_fire(at) == "PT3600S"
            await at.web.kit.advance(timedelta(hours=1))
            assert await next_fire(at) == "2026-01-01T02:00:00Z"

    asyncio.run(go())
