"""What AMI changes of jobs: registrations and schedules, as SanteDB's clients ask for it."""

from __future__ import annotations

import asyncio
from datetime import time, timedelta
from pathlib import Path

import pytest

from host.contracts.jobs import JobManagerService
from host.model.schedules import JobSchedule, Weekday
from host.santedb.ami import xml_reading
from host.santedb.ami.values import AmiSchedule
from host.santedb.ami.xml_writing import write_xml
from host.testing.clock import FakeClock
from plugins.rest.tests.ami.amihost import XML, Offered, Refresh, ami_host

CRON = JobSchedule.cron("0 3 * * *")
NO_START = "0001-01-01T00:00:00"
HOURLY = {"type": "Interval", "interval": "PT1H", "start": NO_START}
MONDAYS = {"type": "Scheduled", "start": "2026-01-27T04:00:00.000Z", "repeat": ["Monday"]}
ONLY_REFRESH = (
    '<section xsi:type="JobConfigurationSection"><jobs>'
    f'<add type="{Refresh.__module__}:Refresh" startType="never"><schedule>'
    '<add type="interval" interval="3600" start="0001-01-01T00:00:00" /></schedule></add></jobs></section>'
)


# Registration


@pytest.mark.parametrize(
    "body",
    [
        {"$type": "JobInfo", "jobType": "X.Offered, X, Version=1.0.0.0"},
        {"$type": "TypeReferenceConfiguration", "type": "X.Offered, X"},
        {"$type": "JobInfo", "jobType": f"{Offered.__module__}:Offered"},
    ],
)
def test_a_candidate_is_registered_once(tmp_path: Path, body: dict[str, str]) -> None:
    async def go() -> None:
        async with ami_host(tmp_path, Refresh, Offered, sections=ONLY_REFRESH) as ami:
            before = await ami.json("/JobInfo?_unconfigured=true&_includeTotal=true")
            made = await ami.send("POST", "/JobInfo", json=body)
            after = await ami.json("/JobInfo?_unconfigured=true")
            again = await ami.fault(409, "POST", "/JobInfo", json=body)
            names = [job["name"] for job in (await ami.json("/JobInfo"))["resource"]]

        assert {"type": "X.Offered, X"} in before["resource"]
        assert {"type": "X.Offered, X"} not in after["resource"]
        assert len(after["resource"]) == before["size"] - 1
        assert (made.status_code, made.json()["name"], made.json()["jobType"]) == (201, "Offered", "X.Offered, X")
        assert made.headers["content-location"] == f"/ami/JobInfo/{made.json()['id']}"
        assert (made.json()["state"], "lastStart" in made.json()) == ("NotRun", False)
        assert again["$type"] == "DuplicateNameException"
        assert names == ["Offered", "Refresh BI Materialized Views"]

    asyncio.run(go())


def test_a_candidate_is_registered_by_xml(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path, Refresh, Offered, sections=ONLY_REFRESH) as ami:
            listed = await ami.send("GET", "/JobInfo?_unconfigured=true", headers=XML)
            body = b'<TypeReferenceConfiguration type="X.Offered, X" />'
            made = await ami.send("POST", "/JobInfo", content=body, headers=XML)

        assert b'xsi:type="q1:TypeReferenceConfiguration" type="X.Offered, X"' in listed.content
        assert made.status_code == 201
        assert xml_reading.read_job(made.content).name == "Offered"

    asyncio.run(go())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"$type": "JobInfo"}, 400),
        ({"$type": "JobInfo", "jobType": " "}, 400),
        ({"jobType": "X.Offered, X"}, 400),
        ({"$type": "JobInfo", "jobType": "No.Such, X"}, 404),
    ],
)
def test_what_cannot_be_registered_changes_nothing(tmp_path: Path, body: dict[str, str], status: int) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            await ami.fault(status, "POST", "/JobInfo", json=body)
            assert len((await ami.json("/JobInfo"))["resource"]) == 3

    asyncio.run(go())


# Schedules


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ([{"type": "Interval", "interval": "PT12H"}], [{"type": "Interval", "interval": "PT12H", "start": NO_START}]),
        ([MONDAYS], [{**MONDAYS, "start": "2026-01-27T04:00:00Z"}]),
        ([], []),
    ],
)
def test_each_form_of_the_admin_page_is_kept_and_shown(tmp_path: Path, sent: list[object], shown: list[object]) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            assert await ami.put(Refresh, sent) == shown
            assert (await ami.json(f"/JobInfo/{Refresh.id}"))["schedule"] == shown

    asyncio.run(go())


def test_a_schedule_fires_also_for_a_job_that_never_starts_by_itself(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path, clock=FakeClock()) as ami:
            await ami.put(Refresh, [HOURLY])
            await ami.kit.advance(timedelta(hours=2, minutes=1))
            assert len(await ami.kit.runs_of(Refresh)) == 2

    asyncio.run(go())


def test_a_list_equal_to_what_is_shown_changes_nothing(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            manager = ami.kit.get(JobManagerService)
            before = await manager.set_job_schedule(
                str(Refresh.id), [CRON, JobSchedule.weekly([Weekday.FRIDAY, Weekday.MONDAY], time(4))]
            )
            shown = (await ami.json(f"/JobInfo/{Refresh.id}"))["schedule"]
            assert shown == [{"type": "Scheduled", "start": "0001-01-01T04:00:00", "repeat": ["Monday", "Friday"]}]
            assert await ami.put(Refresh, shown) == shown
            assert await manager.get_job_schedules(str(Refresh.id)) == before

    asyncio.run(go())


def test_a_different_list_keeps_what_santedb_cannot_show(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            manager = ami.kit.get(JobManagerService)
            await manager.set_job_schedule(str(Refresh.id), [CRON, JobSchedule.every(timedelta(days=1))])
            assert await ami.put(Refresh, [HOURLY]) == [HOURLY]
            entry = await manager.get_job_schedules(str(Refresh.id))
            assert set(entry.schedules) == {CRON, JobSchedule.every(timedelta(hours=1))}

    asyncio.run(go())


@pytest.mark.parametrize("schedule", ["null", "absent", "xml"])
def test_no_list_clears_everything_also_a_fallback_of_the_configuration(tmp_path: Path, schedule: str) -> None:
    async def go() -> None:
        async with ami_host(tmp_path, Refresh, sections=ONLY_REFRESH) as ami:
            path = f"/JobInfo/{Refresh.id}"
            assert (await ami.json(path))["schedule"] == [HOURLY]
            if schedule == "xml":
                body = f'<JobInfo xmlns="http://santedb.org/ami"><id>{Refresh.id}</id></JobInfo>'
                answer = await ami.send("PUT", path, content=body.encode(), headers=XML)
            else:
                members = {"schedule": None} if schedule == "null" else {}
                answer = await ami.send("PUT", path, json={"$type": "JobInfo", "id": str(Refresh.id), **members})
            assert answer.status_code == 201
            assert (await ami.json(path))["schedule"] == []
            entry = await ami.kit.get(JobManagerService).get_job_schedules(str(Refresh.id))
            assert entry.schedules == ()
            assert entry.version

    asyncio.run(go())


def test_what_a_client_read_and_sends_back_unchanged_does_not_take_over_the_configuration(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path, Refresh, sections=ONLY_REFRESH) as ami:
            assert await ami.put(Refresh, [HOURLY]) == [HOURLY]
            entry = await ami.kit.get(JobManagerService).get_job_schedules(str(Refresh.id))
            assert (entry.version, entry.source is not None and "host.config.xml" in entry.source) == ("", True)

    asyncio.run(go())


def test_several_schedules_with_a_stop_are_kept(tmp_path: Path) -> None:
    async def go() -> None:
        until = {**HOURLY, "stop": "2060-01-01T00:00:00"}
        friday = {"type": "Scheduled", "start": "2026-01-30T04:00:00+01:00", "repeat": ["Friday"]}
        async with ami_host(tmp_path) as ami:
            assert await ami.put(Refresh, [until, friday]) == [until, friday]

    asyncio.run(go())


def test_a_job_read_in_xml_is_sent_back_with_another_schedule(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            path = f"/JobInfo/{Refresh.id}"
            job = xml_reading.read_job((await ami.send("GET", path, headers=XML)).content)
            schedule = AmiSchedule(type="Scheduled", start="2026-01-01T04:00:00+00:00", repeat=("Sunday",))
            fields = {name: getattr(job, name) for name in type(job).__struct_fields__}
            body = write_xml(type(job)(**{**fields, "schedule": (schedule,)}))
            answer = await ami.send("PUT", path, content=body, headers=XML)

            assert answer.status_code == 201
            assert xml_reading.read_job(answer.content).schedule == (schedule,)

    asyncio.run(go())


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"id": "00000000-0000-0000-0000-000000000001"}, "Key mismatch"),
        ({"schedule": [{"type": "Interval", "interval": "P1M"}]}, "schedule 1: interval is 'P1M'"),
        ({"schedule": [{"type": "Interval", "interval": "PT0S"}]}, "interval"),
        ({"schedule": {}}, "array"),
        ({"$type": "Patient"}, "expected JobInfo"),
        ({"$type": "TypeReferenceConfiguration", "type": "A, B"}, "no JobInfo"),
    ],
)
def test_a_schedule_that_cannot_be_changes_nothing(tmp_path: Path, members: dict[str, object], said: str) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            await ami.put(Refresh, [HOURLY])
            body = {"$type": "JobInfo", "id": str(Refresh.id), "schedule": [MONDAYS], **members}
            fault = await ami.fault(400, "PUT", f"/JobInfo/{Refresh.id}", json=body)
            assert said in fault["message"]
            assert (await ami.json(f"/JobInfo/{Refresh.id}"))["schedule"] == [HOURLY]

    asyncio.run(go())


def test_a_silent_client_gets_no_body(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            body = {"$type": "JobInfo", "schedule": [HOURLY]}
            headers = {"X-SanteDB-NoEcho": "true"}
            answer = await ami.send("PUT", f"/JobInfo/{Refresh.id}", json=body, headers=headers)
        assert (answer.status_code, answer.content) == (201, b"")

    asyncio.run(go())
