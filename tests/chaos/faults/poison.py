"""Jobs that take their process down: the host, or with the process executor only their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from uuid import UUID

from host.cli.connect import connect
from host.errors import HostError
from host.model.runs import MAX_CRASHES, RunState
from tests.chaos.desk import Desk
from tests.chaos.evidence import Evidence, Verdict, Violation
from tests.chaos.faults.fault import Fault

QUARANTINE_SECONDS = 60.0


class Poison(Fault):
    """One run kills its process whenever it runs; a supervisor starts the host again each time."""

    how: str
    is_repeated = False

    async def inject(self, desk: Desk) -> None:
        # Held at first: let go at once, it could end its host before the answer that tells its id.
        (run,) = await desk.submit(desk.submission("Guest", self.how, seconds=0.02, hold=True))
        desk.journal.note("accepted", run=run, note="poison")
        await self._release(desk, run)
        until = time.monotonic() + QUARANTINE_SECONDS
        state = None
        while state is not RunState.QUARANTINED and time.monotonic() < until:
            if desk.host.has_died():
                desk.counts["crashes"] += 1
                await desk.start()
            seen = await self._look(desk, run)
            state = seen or state
        desk.expect(state is RunState.QUARANTINED, f"the poisonous run is {state}, not quarantined")

    async def heal(self, desk: Desk) -> None:
        async with connect(desk.host.data) as host:
            paused = await host.control.resume(f"job:{desk.job('Guest')}")
        desk.expect(paused, "the job of the quarantined run was not paused")

    async def _release(self, desk: Desk, run: str) -> None:
        with suppress(HostError):  # the host may be dead before it answers
            async with connect(desk.host.data) as host:
                await host.control.release(UUID(run))

    async def _look(self, desk: Desk, run: str) -> RunState | None:
        await asyncio.sleep(0.05)
        try:
            row = await desk.row(run)
        except HostError:
            return None
        return row.state if row else None

    def judge(self, evidence: Evidence) -> Iterator[Violation]:
        """The run started three times, and nobody else was quarantined."""
        poison = {event.run for event in evidence.of("accepted") if event.note == "poison"}
        for run in poison:
            starts = sum(event.kind == "start" for event in evidence.by_run.get(run, ()))
            if starts != MAX_CRASHES:
                yield Violation(verdict=Verdict.WRONG, what=f"the poisonous run started {starts} times")
        for row in evidence.rows.values():
            if row.state == RunState.QUARANTINED and row.run not in poison:
                yield Violation(verdict=Verdict.WRONG, what=f"the neighbour {row.run} of {row.job} was quarantined")


class JobExits(Poison):
    """os._exit."""

    name = "job-exit"
    about = "a job calls `os._exit`, whenever it runs"
    how = "exits"


class JobSegfaults(Poison):
    """A null pointer."""

    name = "job-segfault"
    about = "a job reads address 0, whenever it runs"
    how = "segfaults"


class JobKillsItself(Poison):
    """SIGKILL, as the kernel's out-of-memory killer sends it."""

    name = "job-sigkill"
    about = "a job sends its own process SIGKILL, whenever it runs"
    how = "kills_itself"


POISONS: tuple[type[Fault], ...] = (JobExits, JobSegfaults, JobKillsItself)
