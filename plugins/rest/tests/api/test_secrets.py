"""The value of a secret parameter leaves the host by no route."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from host_rest.api.demands import rules_of
from plugins.rest.tests.api.desk import CANARY, Api, Greet, an_app, api

pytestmark = pytest.mark.slow

CONFIGURED = f"""<section xsi:type="JobConfigurationSection"><jobs>
  <add type="{Greet.__module__}:Greet" startType="never"><parameters>
    <string>all</string><int>1</int><string>{CANARY}-configured</string>
  </parameters></add>
</jobs></section>"""
SCHEDULE = {"kind": "interval", "interval": "PT15M", "parameters": {"token": CANARY}}
LEFT_OUT = {"POST /host/drain"}
"""It ends the host."""


def bodies(run: dict[str, Any]) -> dict[str, object]:
    """Give a body for each route that takes one, with the secret wherever a parameter may be."""
    start = {"parameters": {"token": CANARY}, "hold": True}
    return {
        "POST /jobs": {"job": "host_maintenance.prune:PruneHistory"},
        "POST /jobs/{job}/pause": {"reason": "x"},
        "PUT /jobs/{job}/schedules": {"schedules": [SCHEDULE]},
        "POST /jobs/{job}/schedules/diff": {"schedules": [SCHEDULE]},
        "POST /schedules/preview": {"schedules": [SCHEDULE]},
        "POST /schedules/words": {"schedules": [SCHEDULE]},
        "POST /schedules/{schedule_id}/pause": {"reason": "x"},
        "POST /runs": {"job": "Greet", **start},
        "POST /jobs/{job}/start": start,
        "POST /submissions": {"runs": [{"job": "Greet", **start}]},
        "POST /bulk": {"action": "retry", "where": {}, "dry_run": True},
        "PATCH /runs/{run_id}": {"priority": 3},
        "POST /latest-runs": {"jobs": [run["job_id"]]},
        "POST /failure-streaks": {"jobs": [run["job_id"]]},
        "POST /schedules-in-force": {"jobs": [run["job_id"]]},
        "POST /added-jobs": {"job": "Greet"},
        "POST /host/reload": {"dry_run": True},
        "POST /pauses": {"scope": "all", "reason": "x"},
    }


async def every_answer(at: Api, values: dict[str, str], given: dict[str, object]) -> dict[str, str]:
    """Call every route once; give what each answered."""
    answers = {}
    for rule in rules_of(an_app()):
        if rule.name in LEFT_OUT:
            continue
        method, _, path = rule.name.partition(" ")
        body = {"json": given[rule.name]} if rule.name in given else {}
        answer = await at.send(method, path.format(**values), **body)
        assert answer.status_code < 500 or rule.name == "POST /host/reload", f"{rule.name}: {answer.text}"
        answers[rule.name] = answer.text + str(answer.headers)
    return answers


def test_no_answer_of_any_route_holds_a_secret(tmp_path: Path) -> None:
    async def go() -> None:
        async with api(tmp_path, jobs=(Greet,), sections=CONFIGURED) as at:
            run = await at.ended("Greet", token=CANARY)
            entry = (await at.send("PUT", "/jobs/Greet/schedules", json={"schedules": [SCHEDULE]})).json()
            values = {
                "job": "Greet",
                "run_id": run["id"],
                "schedule_id": entry["standing"][0]["id"],
                "scope": "all",
                "job_type": f"{Greet.__module__}:Greet",
            }
            answers = await every_answer(at, values, bodies(run))
            assert {name for name, text in answers.items() if CANARY in text} == set()
            assert "***" in answers["GET /runs/{run_id}"]
            assert "***" in answers["GET /jobs/{job}"]
            assert "***" in answers["GET /registered-jobs"]
            assert run["id"] in answers["GET /changes"]
            assert "***" in answers["POST /latest-runs"]

    asyncio.run(go())


def test_a_refused_value_is_not_repeated(tmp_path: Path) -> None:
    wrong: list[dict[str, object]] = [
        {"parameters": {"token": [CANARY], "times": 99}},
        {"parameters": f"{CANARY}"},
        {"parameters": {"token": CANARY}, "priority": CANARY},
        {"parameters": {"token": CANARY}, CANARY[:6]: 1},
    ]

    async def go() -> None:
        async with api(tmp_path) as at:
            for body in wrong:
                answer = await at.send("POST", "/jobs/Greet/start", json=body)
                assert answer.status_code in {400, 422}
                assert CANARY not in answer.text

    asyncio.run(go())
