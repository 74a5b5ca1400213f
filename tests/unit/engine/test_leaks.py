"""Memory after many runs is what it was after few."""

from __future__ import annotations

import gc
from datetime import timedelta
from pathlib import Path

import pytest

from host.contracts.jobs import Job, JobContext, Snooze
from host.engine.context import ActiveRun, HostedJobContext
from host.model.jobs import OverlapPolicy
from host.model.runs import JobResult, RunState
from tests.unit.engine.desk import desk, eventually, go, name_of


class Varied(Job):
    """Ends in every way that makes objects."""

    overlap = OverlapPolicy.ALLOW
    number = 0

    async def run(self, context: JobContext) -> JobResult | None:
        cls = type(self)
        cls.number += 1
        context.log.info("one", number=cls.number)
        context.progress(0.5, "half")
        match cls.number % 4:
            case 0:
                raise ValueError(cls.number)
            case 1:
                return JobResult(value={"number": cls.number})
            case 2 if cls.number < 50:
                raise Snooze("later", after=timedelta(hours=1))
        return None


class InThread(Varied):
    """The same in a thread."""

    def run(self, context: JobContext) -> None:  # type: ignore[override]  # as any plain def
        context.log.info("one")
        raise ValueError


def remains() -> int:
    """Give how many runs of these jobs are still in memory; those of other tests are not looked at."""
    ours = {name_of(Varied), name_of(InThread)}
    held = [each for each in gc.get_objects() if isinstance(each, ActiveRun | HostedJobContext)]
    return sum(each.run.job_type in ours for each in held)


def settled() -> bool:
    """Say whether at most the latest run is left, after a collection: a thread lets go of its call a moment later."""
    gc.collect()
    return remains() <= 2


@pytest.mark.slow
def test_runs_leave_nothing_behind(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Varied, InThread) as at:
            ids = [await at.start(job) for _ in range(150) for job in (Varied, InThread)]
            for run_id in ids:
                await at.until(run_id, lambda run: run.state.is_final or run.state is RunState.SCHEDULED)
            await eventually(lambda: not at.dispatcher._active)
            await eventually(settled)

    go(check())


@pytest.mark.slow
def test_runs_leave_no_cycles_to_collect(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Varied) as at:
            await at.finished(await at.start(Varied))
            gc.collect()
            gc.disable()
            try:
                for _ in range(100):
                    await at.until(
                        await at.start(Varied), lambda run: run.state.is_final or run.state is RunState.SCHEDULED
                    )
                await eventually(lambda: not at.dispatcher._active)
                await eventually(lambda: remains() <= 2)  # nobody collects meanwhile
            finally:
                gc.enable()

    go(check())
