"""What pages show of all jobs together: reckoned beside the requests, shared by whoever looks."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from host.contracts.bus import MessageBus, Unsubscribe
from host.contracts.clock import Clock
from host.contracts.host import HostControl
from host.contracts.jobs import JobManagerService
from host.contracts.runs import JobRunReader
from host.contracts.schedules import JobScheduleManager
from host.errors import UnsupportedOperationError
from host.faces.background import Reckoned
from host.faces.outlook import Outlook
from host.faces.throughput import Throughput
from host.model.jobs import JobInfo
from host.model.messages import JobsChanged, PausesChanged, ScheduleChanged
from host.model.runs import JobRun, RunState
from host.model.statistics import JobStatistics

DAY, WEEK = timedelta(days=1), timedelta(days=7)
DAY_SECONDS, WEEK_SECONDS = 4.0, 60.0
"""How old the numbers may be; below the pause between two looks of an open page, so that each look shows news."""
PATIENCE_SECONDS = 0.05
"""How long a page waits for what is being reckoned, before it shows what there is."""
MOST_SUSPECTED = 100
"""Jobs whose streak of failures is looked up."""
MOST_NAMED = 10
"""Failing jobs that are named with their latest error."""
FAILURES = (RunState.FAILED, RunState.QUARANTINED)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingJob:
    """A job whose latest runs failed."""

    job: JobInfo
    number: int
    """Failed runs in a row up to now; 100 means at least so many."""
    newest: JobRun | None
    """The latest one that failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What became of runs in the last 24 hours, and which jobs fail now."""

    by_state: Mapping[RunState, int]
    failing: tuple[FailingJob, ...]
    """The longest streaks first, at most ``MOST_NAMED``."""
    failing_jobs: int | None
    """How many jobs fail now; None where nobody can tell."""

    def count(self, *states: RunState) -> int:
        """Give how many runs ended in these states."""
        return sum(self.by_state.get(state, 0) for state in states)


class Reckonings:
    """Everything of the kind, for the screens."""

    def __init__(
        self,
        jobs: JobManagerService,
        schedules: JobScheduleManager,
        runs: JobRunReader,
        host: HostControl,
        clock: Clock,
    ) -> None:
        self._jobs, self._runs, self._clock = jobs, runs, clock
        self.outlook = Outlook(jobs, schedules, runs, host, clock)
        self.throughput = Throughput(runs, clock)
        self.day = Reckoned(self._reckon_day, clock, seconds=DAY_SECONDS, name="day")
        self._week = Reckoned(self._reckon_week, clock, seconds=WEEK_SECONDS, name="week")
        self._ends: Sequence[Unsubscribe] = ()

    def start(self, bus: MessageBus) -> None:
        """Begin to hear what changes; a second call does nothing."""
        if not self._ends:
            self._ends = (
                bus.subscribe(ScheduleChanged, lambda message: self.outlook.schedule_changed(message.job_type)),
                bus.subscribe(JobsChanged, lambda _: self.outlook.jobs_changed()),
                bus.subscribe(PausesChanged, lambda _: self.day.forget()),
            )

    async def stop(self) -> None:
        """Hear no more, and end what is under way."""
        ends, self._ends = self._ends, ()
        for end in ends:
            end()
        await asyncio.gather(self.outlook.stop(), self.throughput.stop(), self.day.stop(), self._week.stop())

    async def _reckon_day(self) -> Day:
        entries = await self._runs.statistics(since=self._clock.now() - DAY)
        by_state: dict[RunState, int] = {}
        for entry in entries:
            for state, number in entry.by_state.items():
                by_state[state] = by_state.get(state, 0) + number
        week = await self._week.look(patience_seconds=PATIENCE_SECONDS)
        suspected = dict.fromkeys([*_failed(entries), *(week.value if week else ())])
        streaks = await self._streaks(list(suspected)[:MOST_SUSPECTED])
        named = await self._named(set(streaks or ()))
        failing = [(job_id, number) for job_id, number in (streaks or {}).items() if job_id in named]
        worst = failing[:MOST_NAMED]
        newest = await self._runs.latest([job_id for job_id, _ in worst], FAILURES) if worst else {}
        return Day(
            by_state=by_state,
            failing=tuple(
                FailingJob(job=named[each], number=number, newest=newest.get(each)) for each, number in worst
            ),
            failing_jobs=None if streaks is None else len(failing),
        )

    async def _reckon_week(self) -> Sequence[UUID]:
        """Give the jobs that had failures lately, also those that seldom run."""
        return _failed(await self._runs.statistics(since=self._clock.now() - WEEK))[:MOST_SUSPECTED]

    async def _streaks(self, job_ids: Collection[UUID]) -> Mapping[UUID, int] | None:
        """Give the streaks that go on, the longest first; None where an upstream does not tell."""
        try:
            found = await self._runs.failing(job_ids) if job_ids else {}
        except UnsupportedOperationError:
            return None
        return {job_id: number for job_id, number in sorted(found.items(), key=lambda item: -item[1]) if number}

    async def _named(self, job_ids: Collection[UUID]) -> Mapping[UUID, JobInfo]:
        """Give the registered ones of these jobs."""
        return {job.id: job for job in await self._jobs.jobs() if job.id in job_ids} if job_ids else {}


def _failed(entries: Sequence[JobStatistics]) -> Sequence[UUID]:
    failed = sorted((entry for entry in entries if entry.failures), key=lambda entry: -entry.failures)
    return [entry.job_id for entry in failed]
