"""Schedules that are set, changed, cleared and set again while the host runs: an edit never fires the past."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from host.contracts.runs import JobRunReader, JobRunWriter
from host.contracts.schedules import JobScheduleManager
from host.local.runs import SqliteJobRunStore
from host.local.schedules import XmlJobScheduleManager
from host.model.jobs import JobParameter, JobStartType
from host.model.runs import RunState
from host.model.schedules import IntervalMode, JobSchedule
from tests.unit.engine.desk import BEGIN, HOUR, MINUTE, Plain, desk, entry, eventually, go, job_section, name_of
from tests.unit.engine.gate import Gate, GatedReader, GatedSchedules, GatedWriter

HOURLY = JobSchedule.every(HOUR, start=BEGIN)
HALF_PAST = JobSchedule.cron("30 * * * *")


class Other(Plain):
    """Another one."""


class Typed(Plain):
    """Needs a number."""

    parameters = (JobParameter("days", int),)


def test_a_changed_schedule_replaces_the_old_one_at_once(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            await at.schedule(Plain, HOURLY)
            await at.to(60)
            await at.schedule(Plain, HALF_PAST)
            for minute in (90, 120, 150):
                await at.to(minute)
            assert await at.fired() == [0, 60, 90, 150]

    go(check())


def test_a_changed_schedule_never_fires_what_it_would_have_fired_before(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            await at.to(10 * 60 + 5)
            await at.schedule(Plain, JobSchedule.cron("0 * * * *"))
            assert await at.runs() == []
            await at.schedule(Plain, JobSchedule.cron("4 * * * *"))
            assert await at.runs() == []

    go(check())


def test_a_changed_schedule_with_an_explicit_id_begins_anew(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            await at.schedule(Plain, replace(HOURLY, id="mine"))
            await at.to(65)
            await at.schedule(Plain, replace(JobSchedule.every(10 * MINUTE, start=BEGIN), id="mine"))
            assert await at.fired() == [0, 60]
            await at.to(70)
            assert await at.fired() == [0, 60, 70]

    go(check())


def test_a_schedule_that_is_cleared_and_set_again_does_not_catch_up(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            await at.schedule(Plain, HOURLY)
            await at.to(60)
            await at.manager.clear_job_schedule(name_of(Plain))
            await at.settle()
            await at.to(5 * 60 + 30)
            await at.schedule(Plain, HOURLY)
            assert await at.fired() == [0, 60]
            await at.to(6 * 60)
            assert await at.fired() == [0, 60, 360]

    go(check())


def test_a_schedule_set_back_to_what_it_was_before_does_not_catch_up_after_a_restart_either(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            await at.schedule(Plain, HOURLY)
            await at.to(60)
            await at.schedule(Plain, HALF_PAST)
        at.clock.move(4.5 * 3600)
        async with desk(tmp_path, Plain, clock=at.clock) as between:
            await between.schedule(Plain, HOURLY)
            assert await between.fired() == [0, 60, 330]  # half past five, missed while the host was down

    go(check())


def test_one_schedule_added_beside_another_does_not_disturb_it(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain) as at:
            await at.schedule(Plain, HOURLY)
            await at.to(60)
            at.clock.move(3600 * 3)  # the scheduler learns of the change and of three fire times together
            await at.schedule(Plain, HOURLY, HALF_PAST)
            assert await at.fired() == [0, 60, 240]
            await at.to(4 * 60 + 30)
            assert await at.fired() == [0, 60, 240, 270]

    go(check())


def test_a_cleared_schedule_fires_no_more_also_after_a_restart(tmp_path: Path) -> None:
    async def check() -> None:
        schedule = '<add type="interval" interval="3600" start="2026-01-01T01:00:00Z" />'
        section = job_section(entry(Plain, "never", [schedule]))
        async with desk(tmp_path, Plain, sections=section) as at:
            await at.to(60)
            await at.manager.clear_job_schedule(name_of(Plain))
            await at.to(120)
        async with desk(tmp_path, Plain, sections=section, clock=at.clock) as again:
            await again.to(180)
            assert await again.fired() == [60]

    go(check())


def test_a_stored_schedule_takes_the_place_of_the_configured_one_until_it_is_removed(tmp_path: Path) -> None:
    async def check() -> None:
        schedule = '<add type="interval" interval="3600" start="2026-01-01T01:00:00Z" />'
        async with desk(tmp_path, Plain, sections=job_section(entry(Plain, "never", [schedule]))) as at:
            await at.to(60)
            await at.schedule(Plain, HALF_PAST)
            await at.to(90)
            await at.to(121)
            await at.host.get(JobScheduleManager).remove(name_of(Plain))
            await at.settle()
            assert await at.fired() == [60, 90]
            await at.to(180)
            assert await at.fired() == [60, 90, 180]

    go(check())


def test_a_schedule_with_an_unknown_zone_is_named_and_the_others_fire(tmp_path: Path) -> None:
    async def check() -> None:
        sound = '<add type="interval" interval="3600" start="2026-01-01T01:00:00Z" />'
        section = job_section(entry(Plain, "never", [sound]), entry(Other, "never", [sound]))
        async with desk(tmp_path, Plain, Other, sections=section) as at:
            path = tmp_path / "data" / "xcron.xml"
            await at.schedule(Plain, JobSchedule.cron("1 * * * *", timezone="Europe/Prague"))
            path.write_text(path.read_text().replace("Europe/Prague", "Europe/Atlantis"))
            await at.clock.advance(0.6)
            await eventually(lambda: name_of(Plain) not in at.scheduler._planned)
            assert any("Atlantis" in found.message for found in _findings(at))
            await at.to(60)
            assert await at.fired(Plain) == []
            assert await at.fired(Other) == [60]

    go(check())


def _findings(at):
    return [finding for info in at.host.provider_infos() for finding in info.findings]


@pytest.mark.parametrize("position", [0, 1])
def test_parameters_that_do_not_fit_are_named_whichever_schedule_has_them(tmp_path: Path, position: int) -> None:
    schedules = [replace(HOURLY, parameters={"days": 1}), replace(HALF_PAST, parameters={"days": 2})]
    schedules[position] = replace(schedules[position], parameters={"days": "many"})

    async def check() -> None:
        async with desk(tmp_path, Typed, Other) as at:
            await at.schedule(Other, HOURLY)
            await at.host.get(JobScheduleManager).replace(name_of(Typed), schedules)
            await at.settle()
            await at.to(60)
            await at.to(90)
            assert not any(task.done() for task in at.scheduler.background())
            assert any("days" in finding.message for finding in at.scheduler.check())
            assert await at.fired(Typed) == []
            assert await at.fired(Other) == [0, 60]

    go(check())


def test_a_job_registered_while_the_host_runs_fires_once_it_has_a_schedule(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain, Other, sections=job_section(entry(Plain, "never"))) as at:
            await at.manager.register_job(name_of(Other))
            await at.schedule(Other, HOURLY)
            await at.to(60)
            assert await at.fired(Other) == [0, 60]
        async with desk(tmp_path, Plain, Other, sections=job_section(entry(Plain, "never")), clock=at.clock) as again:
            await again.to(120)
            assert await again.fired(Other) == [0, 60, 120]

    go(check())


def test_a_job_added_by_code_fires_its_interval_and_catches_up_after_a_restart(tmp_path: Path) -> None:
    section = job_section(entry(Plain, "never"))

    async def check() -> None:
        async with desk(tmp_path, Plain, Other, sections=section) as at:
            await at.manager.add_job(name_of(Other), start_type=JobStartType.SCHEDULE, interval=HOUR)
            await at.settle()
            await at.to(60)
            assert await at.fired(Other) == [60]
        at.clock.move(3 * 3600)
        async with desk(tmp_path, Plain, Other, sections=section, clock=at.clock) as again:
            await again.manager.add_job(name_of(Other), interval=HOUR)
            await again.settle()
            assert [(run.missed) for run in await again.runs(Other)] == [0, 2]

    go(check())


@pytest.mark.parametrize(
    ("wrapped", "gated", "contract", "method"),
    [
        (SqliteJobRunStore, GatedWriter, JobRunWriter, "adopt"),
        (XmlJobScheduleManager, GatedSchedules, JobScheduleManager, "get"),
    ],
)
def test_a_change_while_a_store_cannot_answer_is_in_force_as_soon_as_it_can(
    tmp_path: Path, wrapped, gated, contract, method: str
) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain, providers=[wrapped, gated]) as at:
            gate = at.host.get(contract)
            assert isinstance(gate, Gate)
            await at.schedule(Plain, HOURLY)
            await at.to(60)
            await at.manager.set_job_schedule(name_of(Plain), [HALF_PAST])
            gate.refused.add(method)
            at.scheduler.look()
            await eventually(lambda: gate.calls[method] > 1)
            gate.refused.clear()
            await at.settle()
            for minute in (90, 120, 150):
                await at.to(minute)
            assert await at.fired() == [0, 60, 90, 150]
            assert not any(task.done() for task in at.scheduler.background())

    go(check())


def test_a_fixed_delay_goes_on_when_its_last_end_could_not_be_read_at_first(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain, providers=[SqliteJobRunStore, GatedReader]) as at:
            gate = at.host.get(JobRunReader)
            assert isinstance(gate, Gate)
            gate.refused.add("runs")
            await at.schedule(Plain, JobSchedule.every(10 * MINUTE, mode=IntervalMode.FIXED_DELAY, start=BEGIN))
            await eventually(lambda: gate.calls["runs"] > 0)
            gate.refused.clear()
            (run,) = await at.runs()
            assert (await at.finished(run.id)).state is RunState.COMPLETED
            await at.settle()
            await at.to(11)
            assert await at.fired() == [0, 10]

    go(check())
