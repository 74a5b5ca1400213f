"""Start types: one run per host start, unless one is unfinished."""

from __future__ import annotations

import asyncio
from pathlib import Path

from host.contracts.jobs import Job, JobContext
from host.contracts.runs import JobRunReader
from host.local.runs import SqliteJobRunStore
from host.model.jobs import JobParameter, JobStartType, OverlapPolicy
from host.model.runs import RunState
from tests.unit.engine.desk import Plain, desk, entry, eventually, go, job_section, name_of
from tests.unit.engine.gate import Gate, GatedReader

DELAY = '<section xsi:type="SchedulerConfigurationSection" startDelay="PT10S" />'


class Waiting(Job):
    """Ends when it is cancelled, and not before; of several due runs one is left."""

    overlap = OverlapPolicy.SKIP

    async def run(self, context: JobContext) -> None:
        await asyncio.Event().wait()


class Needy(Plain):
    """Cannot be started without a word."""

    parameters = (JobParameter("word", str),)


def test_an_immediate_job_runs_once_a_start(tmp_path: Path) -> None:
    async def check() -> None:
        section = job_section(entry(Plain, "immediate"))
        async with desk(tmp_path, Plain, sections=section) as at:
            (run,) = await at.runs()
            assert (await at.finished(run.id)).owner == "start"
        async with desk(tmp_path, Plain, sections=section, clock=at.clock) as again:
            assert len(await again.runs()) == 2

    go(check())


def test_an_immediate_job_that_is_unfinished_gets_no_second_run_even_if_later_ones_were_skipped(tmp_path: Path) -> None:
    async def check() -> None:
        section = job_section(entry(Waiting, "immediate"))
        async with desk(tmp_path, Waiting, sections=section) as at:
            (first,) = await at.runs()
            await at.until(first.id, lambda run: run.state is RunState.RUNNING)
            second = await at.start(Waiting)
            assert (await at.finished(second)).state is RunState.SKIPPED
        async with desk(tmp_path, Waiting, sections=section, clock=at.clock) as again:
            assert {run.id for run in await again.runs()} == {first.id, second}

    go(check())


def test_a_delayed_job_runs_once_after_the_start_has_settled(tmp_path: Path) -> None:
    async def check() -> None:
        section = job_section(entry(Plain, "delay"))
        async with desk(tmp_path, Plain, sections=section + DELAY) as at:
            await at.clock.advance(9)
            assert await at.runs() == []
            await at.clock.advance(1)
            await eventually(lambda: _is_one(at.runs))
            await at.clock.advance(100)
            assert len(await at.runs()) == 1

    go(check())


async def _is_one(runs) -> bool:
    return len(await runs()) == 1


def test_a_delayed_job_runs_also_when_the_store_could_not_be_read_at_first(tmp_path: Path) -> None:
    async def check() -> None:
        sections = job_section(entry(Plain, "delay")) + DELAY
        async with desk(tmp_path, Plain, sections=sections, providers=[SqliteJobRunStore, GatedReader]) as at:
            gate = at.host.get(JobRunReader)
            assert isinstance(gate, Gate)
            gate.refused.add("latest")
            await at.clock.advance(10)
            await eventually(lambda: gate.calls["latest"] > 1)
            gate.refused.clear()
            await eventually(lambda: _is_one(at.runs))

    go(check())


def test_jobs_of_the_other_start_types_do_not_run_by_themselves(tmp_path: Path) -> None:
    async def check() -> None:
        section = job_section(entry(Plain, "schedule"), entry(Waiting, "never"))
        async with desk(tmp_path, Plain, Waiting, sections=section + DELAY) as at:
            await at.clock.advance(60)
            await at.settle()
            assert await at.runs() == []

    go(check())


def test_an_immediate_job_that_cannot_be_started_is_named_and_the_host_starts(tmp_path: Path) -> None:
    async def check() -> None:
        section = job_section(entry(Needy, "immediate"), entry(Plain, "immediate"))
        async with desk(tmp_path, Needy, Plain, sections=section) as at:
            assert [run.job_type for run in await at.runs()] == [name_of(Plain)]
            assert any("'word' is required" in finding.message for finding in at.scheduler.check())

    go(check())


def test_a_job_added_by_code_starts_as_its_start_type_says_unless_one_is_unfinished(tmp_path: Path) -> None:
    async def check() -> None:
        section = job_section(entry(Plain, "never"))
        async with desk(tmp_path, Plain, Waiting, sections=section) as at:
            await at.manager.add_job(name_of(Waiting), start_type=JobStartType.IMMEDIATE)
            await at.manager.add_job(name_of(Waiting), start_type=JobStartType.IMMEDIATE)
            (first,) = await at.runs()
            await at.until(first.id, lambda run: run.state is RunState.RUNNING)
        async with desk(tmp_path, Plain, Waiting, sections=section, clock=at.clock) as again:
            await again.manager.add_job(name_of(Waiting), start_type=JobStartType.IMMEDIATE)
            assert [run.id for run in await again.runs()] == [first.id]

    go(check())


def test_a_scheduler_that_is_started_twice_starts_nothing_twice(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Plain, sections=job_section(entry(Plain, "immediate"))) as at:
            await at.scheduler.start()
            assert len(await at.runs()) == 1

    go(check())
