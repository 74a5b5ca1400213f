"""What a cell of the campaign works at: one host, a client that keeps it busy, and the journal of what happened."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from host.cli.connect import ConnectedHost, connect
from host.errors import HostError
from host.model.runs import JobRun
from host.model.submissions import RunSubmission
from tests.chaos.chaoshost import ChaosHost
from tests.chaos.evidence import Row
from tests.chaos.journal import Journal

KINDS = ("Free", "Exclusive", "Once", "Failing", "Ticking", "Guest")
"""Kinds of jobs; only faults ask for guests, which may be paused and quarantined without harm to the others."""
INTERVAL_SECONDS = 0.2
TROUBLED = ("raises", "retries", "discards", "snoozes")
"""What failing jobs do."""
XCRON = """<?xml version="1.0"?>
<ArrayOfJobItemConfiguration>
  <JobItemConfiguration type="chaos_jobs:{job}" startType="immediate">
    <schedule xmlns="http://santedb.org/configuration" xmlns:jh="urn:jobhost:xcron:1">
      <jh:add type="interval" interval="PT{seconds}S" misfire="{misfire}" />
    </schedule>
  </JobItemConfiguration>
</ArrayOfJobItemConfiguration>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much a client asks for while a cell runs."""

    most: int
    """Runs a batch at most."""
    pause: float
    """Seconds between batches at most."""
    kinds: Mapping[str, int]
    """``{kind of job: share}``."""


MIX = {"Free": 10, "Exclusive": 4, "Once": 4, "Failing": 2}
LOADS = {
    "loop": Load(most=8, pause=0.05, kinds=MIX),
    "thread": Load(most=8, pause=0.05, kinds=MIX),
    "process": Load(most=2, pause=0.15, kinds=MIX),
}


@dataclass(slots=True)
class Desk:
    """One cell: the host with jobs of one executor, and what a fault needs to do its harm."""

    folder: Path
    executor: str
    seed: int
    seconds: float
    """How long the fault strikes."""
    others: tuple[str, ...] = ()
    """Executors whose jobs the host has besides."""
    host: ChaosHost = field(init=False)
    journal: Journal = field(init=False)
    chance: Random = field(init=False)
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    """What the fault itself found wrong, or that it had no effect."""

    def __post_init__(self) -> None:
        self.chance = Random(f"{self.seed} {self.executor}")
        self.journal = Journal(self.folder / "journal.jsonl")
        jobs = "".join(f'\n      <add type="{job}" startType="never" />' for job in self.jobs())
        self.host = ChaosHost(self.folder, self.journal, jobs)
        self.host.data.mkdir()

    @property
    def xcron(self) -> Path:
        return self.host.data / "xcron.xml"

    def schedule(self, misfire: str) -> None:
        """Write the schedule of the ticking job."""
        job = self.job("Ticking").partition(":")[2]
        self.xcron.write_text(XCRON.format(job=job, seconds=INTERVAL_SECONDS, misfire=misfire))

    def job(self, kind: str, executor: str | None = None) -> str:
        """Give the type of the job of a kind, of this cell's executor unless another is named."""
        return f"chaos_jobs:{(executor or self.executor).capitalize()}{kind}"

    def jobs(self) -> list[str]:
        """Give the types of all jobs that the host has."""
        return [self.job(kind, executor) for executor in (self.executor, *self.others) for kind in KINDS]

    def expect(self, truth: bool, otherwise: str) -> None:
        """Note a problem unless this holds."""
        if not truth:
            self.problems.append(otherwise)

    async def start(self) -> None:
        """Launch the host and wait until it is ready."""
        await asyncio.to_thread(self.host.start)

    async def submit(self, *submissions: RunSubmission) -> list[str]:
        """Submit runs at once; their ids stand in the journal when the host has accepted them."""
        async with connect(self.host.data) as host:
            return await self.accept(host, *submissions)

    async def accept(self, host: ConnectedHost, *submissions: RunSubmission) -> list[str]:
        """Submit runs over a connection that is there."""
        asked = time.monotonic()
        ids = [run.hex for run in await host.control.submit(submissions)]
        for run, submission in zip(ids, submissions, strict=True):
            job = submission.job.partition(":")[2]
            self.journal.note("accepted", run=run, job=job, note=submission.tenant, asked=asked)
        self.counts["accepted"] += len(ids)
        return ids

    async def row(self, run: str) -> JobRun | None:
        """Give a run as the host shows it now."""
        async with connect(self.host.data) as host:
            return await host.runs.run(UUID(run))

    async def wait_final(self, run: str, seconds: float) -> JobRun | None:
        """Wait until a run is final, as long as the host lives; gives it as it was last seen."""
        until, seen = time.monotonic() + seconds, None
        while time.monotonic() < until and self.host.process is not None and self.host.process.poll() is None:
            try:
                seen = await self.row(run)
            except HostError:
                self.counts["refused"] += 1
            if seen is not None and seen.state.is_final:
                break
            await asyncio.sleep(0.05)
        return seen

    @asynccontextmanager
    async def trouble(self, what: str) -> AsyncIterator[None]:
        """Note that a fault holds the host up, until the block ends."""
        self.journal.note("trouble", note=what)
        try:
            yield
        finally:
            self.journal.note("calm", note=what)

    async def keep_busy(self) -> None:
        """Submit runs for as long as it may; whatever the host refuses is tried again, and counted."""
        load = LOADS[self.executor]
        kinds, shares = list(load.kinds), list(load.kinds.values())
        while True:
            try:
                async with connect(self.host.data) as host:
                    while True:
                        chosen = self.chance.choices(kinds, shares, k=self.chance.randint(1, load.most))
                        await self.accept(host, *map(self.submission, chosen))
                        await asyncio.sleep(self.chance.uniform(0, load.pause))
            except (HostError, OSError):
                self.counts["refused"] += 1
                await asyncio.sleep(0.02)

    def submission(
        self,
        kind: str,
        how: str | None = None,
        *,
        seconds: float | None = None,
        executor: str | None = None,
        **more: Any,
    ) -> RunSubmission:
        """Give one run to ask for; unless told otherwise it works for as long as chance wants."""
        how = how or (self.chance.choice(TROUBLED) if kind == "Failing" else "works")
        seconds = self.chance.choice((0.0, 0.002, 0.01, 0.05)) if seconds is None else seconds
        if how == "snoozes":
            seconds += time.monotonic() + 0.25
        return RunSubmission(job=self.job(kind, executor), parameters={"how": how, "seconds": seconds}, **more)

    async def unfinished(self, host: ConnectedHost) -> int:
        """Give how many runs are not final."""
        counts: Sequence[int] = list((await host.runs.counters()).by_state.values())
        return sum(counts)

    async def settled(self, seconds: float) -> dict[str, Row]:
        """End the schedule and the pauses an operator would end, wait until all runs are final, and give them."""
        async with connect(self.host.data) as host:
            self.journal.note("halt")
            await host.jobs.clear_job_schedule(self.job("Ticking"))
            for job in self.jobs():
                if await host.control.resume(f"job:{job}"):
                    self.counts["resumed"] += 1
            until = time.monotonic() + seconds
            while time.monotonic() < until and await self.unfinished(host):
                await asyncio.sleep(0.05)
        rows = await self.rows()
        self.counts.update(runs=len(rows), kills=self.host.kills)
        return rows

    async def rows(self) -> dict[str, Row]:
        """Give every run the host shows."""
        found: dict[str, Row] = {}
        async with connect(self.host.data) as host:
            cursor = None
            while True:
                page = await host.runs.runs(cursor=cursor, limit=1000)
                found |= {run.id.hex: _row(run) for run in page.runs}
                cursor = page.next_cursor
                if cursor is None:
                    return found


def _row(run: JobRun) -> Row:
    return Row(
        run=run.id.hex,
        job=run.job_type.partition(":")[2],
        state=run.state.value,
        reason=run.reason.value if run.reason else None,
        schedule=str(run.schedule_id) if run.schedule_id else None,
        fire=run.fire_time.timestamp() if run.fire_time else None,
        attempt=run.attempt,
        max_attempts=run.max_attempts,
        crashes=run.crashes,
        tenant=run.tenant,
    )
