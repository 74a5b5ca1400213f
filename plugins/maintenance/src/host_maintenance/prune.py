"""The job that forgets old runs."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from datetime import datetime, timedelta
from uuid import UUID

from host.contracts.clock import Clock
from host.contracts.jobs import Job, JobContext
from host.contracts.logs import RunLog
from host.contracts.runs import JobRunWriter
from host.model.jobs import JobParameter, ParameterType
from host.model.runs import FINAL_STATES, JobResult, RunState


class PruneHistory(Job):
    """Delete finished runs older than the retention period, with their logs; locked runs stay.

    Works in batches, so that it never holds up the runs of others; a cancelled run stops between two batches
    and keeps what it has deleted. Result: ``{"deleted": runs}``.
    """

    id = UUID("2e74c44a-98d6-4600-8710-914f1abb532a")
    name = "Prune run history"
    description = "Delete finished runs older than the retention period, with their logs"
    parameters = (
        JobParameter(
            "days",
            ParameterType.NUMBER,
            default=30,
            minimum=0,
            maximum=36500,
            description="Keep runs this long, in days",
        ),
        JobParameter(
            "states", ParameterType.STRING, default="", description="Final states, comma-separated; all if empty"
        ),
        JobParameter(
            "batch", ParameterType.INTEGER, default=500, minimum=1, maximum=10_000, description="Runs deleted at a time"
        ),
    )

    def __init__(self, runs: JobRunWriter, log: RunLog, clock: Clock) -> None:
        self._runs = runs
        self._log = log
        self._clock = clock

    async def run(self, context: JobContext) -> JobResult:
        """Delete until no such run is left; raises ValueError for a state that is not final."""
        days, batch = context.parameters["days"], context.parameters["batch"]
        assert isinstance(days, int | float)
        assert isinstance(batch, int)
        states = _states(str(context.parameters["states"]))
        before = self._clock.now() - timedelta(days=days)
        deleted, found = 0, batch
        while found == batch:
            context.raise_if_cancelled()
            found = await _whole(self._delete(before, states, batch))
            deleted += found
            context.progress(0.0, f"{deleted} deleted")
            await asyncio.sleep(0)
        context.progress(1.0)
        return JobResult(value={"deleted": deleted}, status_text=f"{deleted} deleted")

    async def _delete(self, before: datetime, states: Collection[RunState], batch: int) -> int:
        ids = await self._runs.prune(finished_before=before, states=states, limit=batch)
        if ids:
            await self._log.prune(ids)
        return len(ids)


async def _whole(batch: Coroutine[None, None, int]) -> int:
    """Let a batch end before a cancellation takes effect: runs deleted without their logs would leave those behind."""
    task = asyncio.ensure_future(batch)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        task.exception()
        raise


def _states(text: str) -> frozenset[RunState]:
    names = {name.strip().lower() for name in text.split(",")} - {""}
    final = sorted(FINAL_STATES)
    unknown = sorted(names.difference(final))
    if unknown:
        raise ValueError(f"parameter 'states': {', '.join(unknown)} is no final state; use {', '.join(final)}")
    return frozenset(map(RunState, names))
