"""The schedule editor."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from host.contracts.jobs import Job, JobManagerService
from host.contracts.schedules import JobScheduleManager
from host.model.schedules import JobSchedule
from plugins.panel.tests.demo_jobs import Adds, Waits
from plugins.panel.tests.panelhost import PanelHost, panel_host

pytestmark = pytest.mark.slow

PATH = "/jobs/Wait/schedules"
ADDS = "/jobs/Add numbers/schedules"
HOURLY = JobSchedule.every(timedelta(hours=1))
NIGHTLY = JobSchedule.cron("0 3 * * *", timezone="Europe/Prague")
CRON = {"kind": "cron", "expression": "30 2 * * *", "timezone": "Europe/Prague", "dialect": "unix"}


def check(
    tmp_path: Path, body: Callable[[PanelHost], Awaitable[None]], *schedules: JobSchedule, job: type[Job] = Waits
) -> None:
    async def run() -> None:
        async with panel_host(tmp_path, jobs=[Adds, Waits]) as web:
            if schedules:
                await web.kit.get(JobManagerService).set_job_schedule(job.name, schedules)
            await body(web)

    asyncio.run(run())


async def stored(web: PanelHost, job: type[Job] = Waits) -> list[JobSchedule]:
    return list((await web.kit.get(JobManagerService).get_job_schedules(job.name)).schedules)


async def version(web: PanelHost, job: type[Job] = Waits) -> str:
    return (await web.kit.get(JobManagerService).get_job_schedules(job.name)).version


def test_a_job_without_schedule_teaches(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        page = (await web.open(PATH, "reader")).text
        assert "only when somebody, or a program, starts it" in page
        assert "jobhost schedule set" in page

    check(tmp_path, body)


def test_each_schedule_stands_in_words_with_its_next_times(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        page = (await web.open(PATH, "operator")).text
        for text in ("every hour", "03:00", "Europe/Prague", "Edit", "Remove", "Pause"):
            assert text in page, text

    check(tmp_path, body, HOURLY, NIGHTLY)


def test_a_schedule_is_added_beside_the_others_and_edited_in_its_place(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        added = await web.send(PATH, {"which": "cron", "version": await version(web), **CRON}, "operator")
        assert added.status_code == 303, added.text
        new = JobSchedule.cron("30 2 * * *", timezone="Europe/Prague")
        assert await stored(web) == [HOURLY, NIGHTLY, new]
        changed = {"which": "0", "version": await version(web), "kind": "interval"}
        answer = await web.send(PATH, {**changed, "interval_number": "90", "interval_unit": "minutes"}, "operator")
        assert answer.status_code == 303, answer.text
        assert await stored(web) == [JobSchedule.every(timedelta(minutes=90)), NIGHTLY, new]

    check(tmp_path, body, HOURLY, NIGHTLY)


def test_what_is_wrong_is_shown_beside_the_field_and_stores_nothing(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        fields = {"which": "cron", "version": await version(web), **CRON, "expression": "99 * * * *"}
        answer = await web.send(PATH, fields, "operator")
        assert answer.status_code == 422
        assert 'aria-invalid="true"' in answer.text
        assert "99 * * * *" in answer.text
        assert await stored(web) == [HOURLY]

    check(tmp_path, body, HOURLY)


def test_a_change_by_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        old = await version(web)
        await web.kit.get(JobManagerService).set_job_schedule(Waits.name, [NIGHTLY])
        answer = await web.send(PATH, {"which": "cron", "version": old, **CRON}, "operator")
        assert answer.status_code == 409
        assert "Somebody changed the schedules meanwhile" in answer.text
        assert "30 2 * * *" in answer.text
        assert await stored(web) == [NIGHTLY]
        removed = await web.send(f"{PATH}/remove", {"which": "0", "version": old}, "operator")
        assert removed.status_code == 303
        assert await stored(web) == [NIGHTLY]

    check(tmp_path, body, HOURLY)


def test_the_outlook_tells_words_times_clock_changes_and_the_difference(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        fields = {"which": "0", **CRON, "from": "2027-03-27"}
        page = await web.send(f"{PATH}/preview", fields, "reader")
        assert page.status_code == 200, page.text
        for text in ("at 02:30", "Next 20", "does not exist on this day", "fall away"):
            assert text in page.text, text
        assert page.text.count("<rect") == 20
        wrong = await web.send(f"{PATH}/preview", {**fields, "expression": "x"}, "reader")
        assert "Not yet a schedule" in wrong.text
        assert await stored(web) == [HOURLY]

    check(tmp_path, body, HOURLY)


def test_schedules_are_paused_removed_cleared_and_given_back_to_the_configuration(tmp_path: Path) -> None:
    async def body(web: PanelHost) -> None:
        page = (await web.open(PATH, "operator")).text
        identity = page.split('name="id" value="')[1].split('"')[0]
        await web.send(f"{PATH}/pause", {"id": identity}, "operator")
        assert "Paused" in (await web.open(PATH, "operator")).text
        await web.send(f"{PATH}/resume", {"id": identity}, "operator")
        assert "Paused" not in (await web.open(PATH, "operator")).text
        await web.send(f"{PATH}/remove", {"which": "0", "version": await version(web)}, "operator")
        assert await stored(web) == [NIGHTLY]
        await web.send(f"{PATH}/clear", {"version": await version(web)}, "operator")
        assert await stored(web) == []
        assert await web.kit.get(JobScheduleManager).all()
        await web.send(f"{PATH}/forget", {}, "operator")
        assert not await web.kit.get(JobScheduleManager).all()

    check(tmp_path, body, HOURLY, NIGHTLY)


def test_a_hidden_parameter_that_comes_back_keeps_its_value(tmp_path: Path) -> None:
    kept = JobSchedule.cron("@daily")
    kept = JobSchedule(kind=kept.kind, expression="@daily", parameters={"left": 1, "key": "hush-hush"})

    async def body(web: PanelHost) -> None:
        page = (await web.open(f"{ADDS}?edit=0", "operator")).text
        assert "hush-hush" not in page
        assert "***" in page
        fields = {"which": "0", "version": await version(web, Adds), "kind": "cron", "expression": "@daily"}
        parameters = '{"left": 2, "key": "***"}'
        answer = await web.send(ADDS, {**fields, "parameters": parameters}, "operator")
        assert answer.status_code == 303, answer.text
        assert (await stored(web, Adds))[0].parameters == {"left": 2, "key": "hush-hush"}
        new = await web.send(
            ADDS, {**fields, "which": "cron", "parameters": parameters, "version": await version(web, Adds)}
        )
        assert new.status_code == 422
        assert "stands for a value that is not shown" in new.text

    check(tmp_path, body, kept, job=Adds)


@pytest.mark.parametrize("action", ["", "/remove", "/clear", "/forget", "/pause", "/resume"])
def test_a_reader_may_only_look(tmp_path: Path, action: str) -> None:
    async def body(web: PanelHost) -> None:
        page = (await web.open(f"{PATH}?edit=0", "reader")).text
        assert "schedule-form" not in page
        assert "Remove" not in page
        assert (await web.send(f"{PATH}{action}", {"which": "0"}, "reader")).status_code == 403
        assert await stored(web) == [HOURLY]

    check(tmp_path, body, HOURLY)
