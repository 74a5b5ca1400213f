"""The job manager and run control: names, schedules, registrations, and errors that say what to do."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from host.contracts.contract import Service
from host.contracts.jobs import Job, JobContext
from host.contracts.schedules import JobScheduleManager
from host.errors import (
    InvalidParameterError,
    InvalidRequestError,
    InvalidScheduleError,
    JobNotFoundError,
    JobRegisteredError,
    RunNotFoundError,
    RunStateError,
    ScheduleVersionError,
)
from host.model.jobs import JobParameter, JobStartType, OverlapPolicy
from host.model.runs import JobResult, RunState
from host.model.schedules import JobSchedule
from host.model.submissions import RunSubmission
from tests.unit.engine.desk import BEGIN, HOUR, Plain, desk, entry, go, job_section, name_of

SANTEDB_NAME = "SanteDB.Persistence.Data.Jobs.OptimizeDatabaseJob, SanteDB.Persistence.Data"
HOURLY = JobSchedule.every(HOUR, start=BEGIN + HOUR)
DAILY = JobSchedule.cron("0 3 * * *")


class Optimise(Plain):
    """Known to SanteDB, too."""

    id = UUID("08122590-3bc0-4d2f-bcf7-419de363e2e7")
    name = "Optimize Databases"
    aliases = (SANTEDB_NAME,)


class Sum(Job):
    """Adds two numbers."""

    overlap = OverlapPolicy.ALLOW
    parameters = (JobParameter("a", int), JobParameter("b", int, default=1))

    async def run(self, context: JobContext) -> JobResult:
        return JobResult(value=int(str(context.parameters["a"])) + int(str(context.parameters["b"])))


class Twin(Plain):
    """Has the name of another."""

    name = "Twins"


class OtherTwin(Plain):
    """Has the name of another."""

    name = "Twins"


@pytest.mark.parametrize(
    "name",
    [
        name_of(Optimise),
        SANTEDB_NAME,
        "SanteDB.Persistence.Data.Jobs.OptimizeDatabaseJob, SanteDB.Persistence.Data, Version=3.0.0.0",
        "08122590-3bc0-4d2f-bcf7-419de363e2e7",
        "08122590-3BC0-4D2F-BCF7-419DE363E2E7",
        "optimize databases",
        "optimise",
    ],
)
def test_a_job_is_found_by_type_alias_id_or_name(tmp_path: Path, name: str) -> None:
    async def check() -> None:
        async with desk(tmp_path, Optimise, Plain) as at:
            assert (await at.manager.get_job(name)).job_type == name_of(Optimise)
            assert await at.manager.is_job_registered(name)

    go(check())


def test_a_name_that_two_jobs_have_finds_neither_and_tells_both(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Twin, OtherTwin) as at:
            with pytest.raises(JobNotFoundError, match="2 registered jobs are called 'twins'") as caught:
                await at.manager.get_job("twins")
            assert name_of(Twin) in str(caught.value)
            assert name_of(OtherTwin) in str(caught.value)

    go(check())


def test_an_unknown_job_is_an_error_with_a_hint(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Optimise, Sum, sections=job_section(entry(Optimise, "never"))) as at:
            with pytest.raises(JobNotFoundError, match=r"did you mean 'Optimize Databases'"):
                await at.manager.get_job("Optimize Database")
            with pytest.raises(JobNotFoundError, match="it is available: jobhost jobs register"):
                await at.manager.get_job(name_of(Sum))
            assert not await at.manager.is_job_registered(name_of(Sum))
            assert not await at.manager.is_job_registered("nobody")

    go(check())


def test_a_job_is_registered_or_available_never_both(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Optimise, Sum, sections=job_section(entry(Optimise, "never"))) as at:
            assert [job.job_type for job in await at.manager.jobs()] == [name_of(Optimise)]
            available = [job.job_type for job in await at.manager.get_available_jobs()]
            assert name_of(Sum) in available
            assert name_of(Optimise) not in available
            await at.manager.register_job(name_of(Sum))
            assert name_of(Sum) not in [job.job_type for job in await at.manager.get_available_jobs()]

    go(check())


def test_a_registration_lasts_over_a_restart_and_is_refused_twice(tmp_path: Path) -> None:
    section = job_section(entry(Optimise, "never"))

    async def check() -> None:
        async with desk(tmp_path, Optimise, Sum, sections=section) as at:
            info = await at.manager.register_job(name_of(Sum))
            assert (info.start_type, info.source) == (JobStartType.NEVER, "operator")
            with pytest.raises(JobRegisteredError):
                await at.manager.register_job(name_of(Sum))
            with pytest.raises(JobNotFoundError):
                await at.manager.register_job("nobody:Nothing")
        async with desk(tmp_path, Optimise, Sum, sections=section, clock=at.clock) as again:
            assert (await again.manager.get_job(name_of(Sum))).start_type is JobStartType.NEVER
            with pytest.raises(JobRegisteredError):
                await again.manager.register_job(name_of(Sum))

    go(check())


def test_a_registered_job_that_is_not_offered_any_more_is_named(tmp_path: Path) -> None:
    section = job_section(entry(Optimise, "never"))

    async def check() -> None:
        async with desk(tmp_path, Optimise, Sum, sections=section) as at:
            await at.manager.register_job(name_of(Sum))
        async with desk(tmp_path, Optimise, sections=section, clock=at.clock) as again:
            findings = [found.message for info in again.host.provider_infos() for found in info.findings]
            assert findings == [f"registered job {name_of(Sum)} is not offered by any plugin"]

    go(check())


def test_a_job_added_by_code_is_gone_after_a_restart(tmp_path: Path) -> None:
    section = job_section(entry(Optimise, "never"))

    async def check() -> None:
        async with desk(tmp_path, Optimise, Sum, sections=section) as at:
            first = await at.manager.add_job(name_of(Sum))
            assert await at.manager.add_job(name_of(Sum), start_type=JobStartType.IMMEDIATE) == first
            assert await at.runs() == []
        async with desk(tmp_path, Optimise, Sum, sections=section, clock=at.clock) as again:
            assert not await again.manager.is_job_registered(name_of(Sum))

    go(check())


def test_a_directory_that_is_started_twice_keeps_what_was_added(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Optimise, Sum, sections=job_section(entry(Optimise, "never"))) as at:
            await at.manager.add_job(name_of(Sum))
            assert isinstance(at.directory, Service)
            await at.directory.start()
            assert await at.manager.is_job_registered(name_of(Sum))

    go(check())


@pytest.mark.parametrize("interval", [timedelta(0), timedelta(seconds=-1)])
def test_a_job_cannot_be_added_with_an_interval_that_never_works(tmp_path: Path, interval: timedelta) -> None:
    async def check() -> None:
        async with desk(tmp_path, Optimise, Sum, sections=job_section(entry(Optimise, "never"))) as at:
            with pytest.raises(InvalidScheduleError):
                await at.manager.add_job(name_of(Sum), interval=interval)
            assert not await at.manager.is_job_registered(name_of(Sum))

    go(check())


@pytest.mark.parametrize("given", [{"a": 2, "b": 3}, (2, 3), ["2", "3"]])
def test_parameters_go_by_name_or_by_position(tmp_path: Path, given) -> None:
    async def check() -> None:
        async with desk(tmp_path, Sum) as at:
            run = await at.manager.start_job("Sum", given, by="me")
            assert run is not None
            assert (run.owner, run.parameters) == ("me", {"a": 2, "b": 3})
            assert (await at.finished(run.id)).result == 5

    go(check())


def test_parameters_that_do_not_fit_are_refused_before_anything_is_submitted(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Sum) as at:
            for given in ({}, {"a": "x"}, {"a": 1, "c": 2}, (1, 2, 3)):
                with pytest.raises(InvalidParameterError):
                    await at.manager.start_job("Sum", given)
            with pytest.raises(InvalidParameterError):
                await at.control.submit(
                    [RunSubmission(job="Sum", parameters={"a": 1}), RunSubmission(job="Sum", parameters={"a": "x"})]
                )
            assert await at.runs() == []

    go(check())


# Schedules.


def test_a_schedule_is_set_and_read_by_any_name_of_the_job(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Optimise) as at:
            before = await at.manager.get_job_schedules(SANTEDB_NAME)
            assert (before.schedules, before.version) == ((), "")
            stored = await at.manager.set_job_schedule("Optimise", [HOURLY], expected_version="")
            assert stored.job_type == name_of(Optimise)
            assert (await at.manager.get_job_schedules(SANTEDB_NAME)).schedules == (HOURLY,)
            with pytest.raises(ScheduleVersionError):
                await at.manager.set_job_schedule("Optimise", [DAILY], expected_version="")
            changed = await at.manager.set_job_schedule("Optimise", [DAILY], expected_version=stored.version)
            assert changed.schedules == (DAILY,)

    go(check())


def test_an_entry_under_santedbs_name_is_changed_in_its_place(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Optimise) as at:
            store = at.host.get(JobScheduleManager)
            first = await store.replace(SANTEDB_NAME, [HOURLY])
            await at.settle()
            await at.to(60)
            assert await at.fired() == [60]
            await at.manager.set_job_schedule("Optimise", [DAILY], expected_version=first.version)
            assert [entry.job_type for entry in await store.all()] == [SANTEDB_NAME]
            await at.settle()
            await at.to(120)
            await at.to(180)
            assert await at.fired() == [60, 180]
            await at.manager.clear_job_schedule("Optimise")
            assert [(entry.job_type, entry.schedules) for entry in await store.all()] == [(SANTEDB_NAME, ())]

    go(check())


def test_clearing_with_a_stale_version_is_refused(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Optimise) as at:
            stored = await at.manager.set_job_schedule("Optimise", [HOURLY])
            with pytest.raises(ScheduleVersionError):
                await at.manager.clear_job_schedule("Optimise", expected_version="other")
            cleared = await at.manager.clear_job_schedule("Optimise", expected_version=stored.version)
            assert cleared.schedules == ()

    go(check())


def test_a_configured_schedule_is_cleared_by_its_empty_version(tmp_path: Path) -> None:
    configured = '<add type="interval" interval="3600" start="2026-01-01T01:00:00Z" />'

    async def check() -> None:
        async with desk(tmp_path, Plain, sections=job_section(entry(Plain, "never", [configured]))) as at:
            current = await at.manager.get_job_schedules("Plain")
            assert "host.config.xml:" in str(current.source)
            await at.manager.clear_job_schedule("Plain", expected_version=current.version)
            assert (await at.manager.get_job_schedules("Plain")).schedules == ()

    go(check())


@pytest.mark.parametrize(
    "schedule",
    [
        JobSchedule.cron("not cron"),
        JobSchedule.cron("0 0 * * *", timezone="Europe/Atlantis"),
        JobSchedule.every(timedelta(0)),
    ],
)
def test_a_schedule_that_can_never_work_changes_nothing(tmp_path: Path, schedule: JobSchedule) -> None:
    async def check() -> None:
        async with desk(tmp_path, Optimise) as at:
            await at.manager.set_job_schedule("Optimise", [HOURLY])
            with pytest.raises(InvalidScheduleError):
                await at.manager.set_job_schedule("Optimise", [DAILY, schedule])
            assert (await at.manager.get_job_schedules("Optimise")).schedules == (HOURLY,)

    go(check())


def test_a_schedule_whose_runs_could_never_start_changes_nothing(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Sum) as at:
            with pytest.raises(InvalidParameterError, match="'a' is required"):
                await at.manager.set_job_schedule("Sum", [HOURLY])
            assert (await at.manager.get_job_schedules("Sum")).schedules == ()

    go(check())


# Runs.


def test_a_finished_run_is_repeated_with_its_parameters(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Sum) as at:
            first = await at.finished(await at.start(Sum, a=4))
            again = await at.finished(await at.control.retry(first.id, by="me"))
            assert (again.origin_run_id, again.result, again.owner) == (first.id, 5, "me")
            assert again.id != first.id

    go(check())


def test_an_unfinished_run_is_not_repeated_and_a_finished_one_not_cancelled(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Sum) as at:
            (held,) = await at.control.submit([RunSubmission(job="Sum", parameters={"a": 1}, hold=True)])
            with pytest.raises(RunStateError, match="only a finished run"):
                await at.control.retry(held)
            done = await at.finished(await at.start(Sum, a=1))
            with pytest.raises(RunStateError, match="a finished run never changes"):
                await at.control.cancel(done.id)
            with pytest.raises(RunStateError, match="only a held or quarantined run"):
                await at.control.release(done.id)

    go(check())


def test_a_held_run_starts_when_it_is_released(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Sum) as at:
            (held,) = await at.control.submit([RunSubmission(job="Sum", parameters={"a": 1}, hold=True)])
            assert (await at.run(held)).state is RunState.PENDING
            await at.control.release(held)
            assert (await at.finished(held)).result == 2

    go(check())


def test_a_delayed_run_starts_at_its_time_or_when_that_is_changed(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Sum) as at:
            later = at.clock.now() + HOUR
            first, second = await at.control.submit(
                [RunSubmission(job="Sum", parameters={"a": 1}, not_before=later) for _ in range(2)]
            )
            assert (await at.run(first)).state is RunState.SCHEDULED
            amended = await at.control.amend(first, not_before=at.clock.now(), priority=3)
            assert amended.priority == 3
            await at.finished(first)
            assert (await at.run(second)).state is RunState.SCHEDULED
            at.clock.move(3600)
            at.dispatcher.wake()
            await at.finished(second)

    go(check())


@pytest.mark.parametrize("operation", ["cancel", "retry", "release"])
def test_a_run_that_does_not_exist_is_an_error(tmp_path: Path, operation: str) -> None:
    async def check() -> None:
        async with desk(tmp_path, Sum) as at:
            with pytest.raises(RunNotFoundError):
                await getattr(at.control, operation)(uuid4())
            with pytest.raises(RunNotFoundError):
                await at.control.amend(uuid4(), priority=1)

    go(check())


def test_a_naive_time_is_refused(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Sum) as at:
            naive = RunSubmission(job="Sum", parameters={"a": 1}, not_before=datetime(2027, 1, 1))
            with pytest.raises(InvalidRequestError):
                await at.control.submit([naive])
            (held,) = await at.control.submit([RunSubmission(job="Sum", parameters={"a": 1}, hold=True)])
            with pytest.raises(InvalidRequestError):
                await at.control.amend(held, not_before=datetime(2027, 1, 1))

    go(check())


def test_the_same_idempotency_key_gives_the_same_run(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Sum) as at:
            wanted = RunSubmission(job="Sum", parameters={"a": 1}, idempotency_key="k")
            assert await at.control.submit([wanted]) == await at.control.submit([wanted])
            assert len(await at.runs()) == 1

    go(check())
