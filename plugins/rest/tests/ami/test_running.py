"""Runs that AMI starts and cancels, as SanteDB's clients ask for it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from host.model.runs import RunState
from host.santedb.ami.values import AmiParameter, ParameterCollection
from host.santedb.ami.xml_writing import write_xml
from plugins.rest.tests.ami.amihost import XML, Refresh, Wait, ami_host


@pytest.mark.parametrize(
    ("parameters", "seen"),
    [
        ([], {"viewName": "all", "n": 1, "pin": None}),
        ([{"name": "n", "value": 7}, {"name": "viewName"}], {"viewName": "all", "n": 7, "pin": None}),
        (
            [{"name": "_", "value": "x"}, {"name": "_", "value": 9999999999}],
            {"viewName": "x", "n": 9999999999, "pin": None},
        ),
        ([{"name": "0", "value": "x"}], {"viewName": "x", "n": 1, "pin": None}),
    ],
)
def test_a_run_starts_with_values_by_name_or_by_position(
    tmp_path: Path, parameters: list[object], seen: dict[str, object]
) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            answer = await ami.send("POST", f"/JobInfo/{Refresh.id}/$start", json={"parameter": parameters})
            assert (answer.status_code, answer.content) == (204, b"")
            await ami.kit.run_due()
            (run,) = await ami.kit.runs_of(Refresh)

        assert (run.state, run.owner) == (RunState.COMPLETED, "administrator")
        assert Refresh.seen == [seen]

    asyncio.run(go())


def test_a_run_starts_with_values_in_xml_or_without_any_body(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            path = f"/JobInfo/{Refresh.id}/$start"
            values = ParameterCollection(parameter=(AmiParameter(name="_", value="x"), AmiParameter(name="_", value=5)))
            assert (await ami.send("POST", path, content=write_xml(values), headers=XML)).status_code == 204
            await ami.kit.run_due()
            assert (await ami.send("POST", path)).status_code == 204
            await ami.kit.run_due()

        assert Refresh.seen == [{"viewName": "x", "n": 5, "pin": None}, {"viewName": "all", "n": 1, "pin": None}]

    asyncio.run(go())


@pytest.mark.parametrize(
    "parameters",
    [
        [{"name": "n", "value": "many"}],
        [{"name": "_"}, {"name": "_"}, {"name": "_"}, {"name": "_", "value": 1}],
        [{"name": "n", "value": {"a": 1}}],
        "x",
    ],
)
def test_values_that_do_not_fit_start_nothing(tmp_path: Path, parameters: object) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            fault = await ami.fault(400, "POST", f"/JobInfo/{Refresh.id}/$start", json={"parameter": parameters})
            assert fault["$type"] == "ArgumentException"
            assert await ami.kit.runs_of(Refresh) == []

    asyncio.run(go())


@pytest.mark.slow
def test_cancel_ends_what_runs_and_what_waits(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            await ami.send("POST", f"/JobInfo/{Wait.id}/$start", json={"parameter": []})
            async with asyncio.timeout(60):
                await Wait.begun.wait()
            answer = await ami.send("POST", f"/JobInfo/{Wait.id}/$cancel", json={"parameter": []})
            assert (answer.status_code, answer.content) == (204, b"")
            await ami.kit.run_due()
            (run,) = await ami.kit.runs_of(Wait)
            assert (run.state, run.cancel_requested_by) == (RunState.CANCELLED, "administrator")
            assert (await ami.json(f"/JobInfo/{Wait.id}"))["state"] == "Cancelled"
            assert (await ami.send("POST", f"/JobInfo/{Wait.id}/$cancel")).status_code == 204

    asyncio.run(go())


def test_an_operation_that_does_not_exist_is_told(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            for path in (f"/JobInfo/{Refresh.id}/$stop", "/JobInfo/$stop"):
                fault = await ami.fault(404, "POST", path, json={"parameter": []})
                assert fault["message"].startswith("Operation stop on JobInfo not found")

    asyncio.run(go())


def test_a_job_cannot_be_deleted(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            fault = await ami.fault(405, "DELETE", f"/JobInfo/{Refresh.id}")
            assert fault["$type"] == "NotSupportedException"
            assert len((await ami.json("/JobInfo"))["resource"]) == 3

    asyncio.run(go())
