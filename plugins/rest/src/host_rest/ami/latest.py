"""The run that makes each job's state, remembered for as long as the run store tells of no change to the job."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from host.contracts.clock import Clock
from host.contracts.runs import JobRunReader
from host.model.runs import ACTIVE_STATES, JobRun
from host.santedb.ami.states import ENDED_STATES

MAX_CHANGES = 500
"""After more at once, everything is read anew."""
FORGET_SECONDS = 30
"""Deleted runs are no changes; a job shows one for this long at most."""


class LatestRuns:
    """Gives the run of each job that SanteDB would show: one that is active, else the latest that ended.

    A reading sees everything acknowledged before the call. It costs asking for changes, once for all who ask while
    the store is being asked; jobs whose runs changed since they were read are read again, all together.
    """

    def __init__(self, runs: JobRunReader, clock: Clock) -> None:
        self._runs, self._clock = runs, clock
        self._known: dict[UUID, JobRun | None] = {}
        self._change: int | None = None
        """All changes up to this one are in ``_known``."""
        self._since = 0.0
        self._wanted: set[UUID] = set()
        self._running: asyncio.Task[Mapping[UUID, JobRun | None]] | None = None
        self._waiting: asyncio.Task[Mapping[UUID, JobRun | None]] | None = None

    async def of(self, ids: Sequence[UUID]) -> Mapping[UUID, JobRun | None]:
        """Give ``{job id: run}`` for these jobs, None for one without any; perhaps for more jobs."""
        self._wanted.update(ids)
        if self._waiting is None:
            self._waiting = asyncio.get_running_loop().create_task(self._read_after(self._running))
        return await asyncio.shield(self._waiting)

    async def _read_after(
        self, before: asyncio.Task[Mapping[UUID, JobRun | None]] | None
    ) -> Mapping[UUID, JobRun | None]:
        # Invariant: one reading at a time, so that none puts back what another has just forgotten.
        if before is not None:
            await asyncio.wait([before])
        self._running, self._waiting = self._waiting, None
        wanted, self._wanted = self._wanted, set()
        await self._forget_changed()
        if missing := wanted - self._known.keys():
            await self._read(missing)
        return {job_id: self._known[job_id] for job_id in wanted}

    async def _forget_changed(self) -> None:
        after = self._change
        changed = await self._runs.changes(-1 if after is None else after, limit=MAX_CHANGES)
        if changed:
            self._change = changed[-1].change
        elif after is None:
            self._change = 0
        now = self._clock.monotonic()
        if after is None or len(changed) >= MAX_CHANGES or now - self._since > FORGET_SECONDS:
            self._known.clear()
            self._since = now
        for run in changed:
            self._known.pop(run.job_id, None)

    async def _read(self, ids: Collection[UUID]) -> None:
        active, ended = await asyncio.gather(
            self._runs.latest(ids, ACTIVE_STATES), self._runs.latest(ids, ENDED_STATES)
        )
        for job_id in ids:
            self._known[job_id] = active.get(job_id) or ended.get(job_id)
