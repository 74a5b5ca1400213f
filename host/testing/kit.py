"""A host in the hands of a test: what is due runs when the test says so, and has ended when the call returns."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from uuid import UUID

from host.contracts.clock import Clock
from host.contracts.engine import Dispatcher, JobDirectory, Scheduler
from host.contracts.runs import JobRunWriter
from host.engine.dispatcher import HostedDispatcher
from host.engine.planned import PlannedSchedule, plan_schedules
from host.engine.scheduler import HostedScheduler
from host.errors import InvalidRequestError
from host.kernel.handle import JobName, job_name
from host.kernel.host import Host
from host.model.jobs import JobInfo
from host.model.json import JsonObject, JsonValue
from host.model.logs import RunLogLine
from host.model.runs import ACTIVE_STATES, JobRun, RunFilter
from host.model.schedules import IntervalMode
from host.testing.clock import FakeClock

PAGE = 1000


class HostKit(Host):
    """A started host with hands on its time; ``running_host`` gives one.

    With a FakeClock time stands still: nothing happens by itself but what is due already. Waits of a job's own
    (``asyncio.sleep``) and the timeouts of runs are real time. A job that waits on an injected ``Clock`` goes on
    only as ``clock.advance`` moves it.
    """

    patience = timedelta(seconds=10)
    """How long, in real time, what is due may take to end before the test fails."""
    _fake: FakeClock | None = None

    def timed_by(self, clock: Clock | None) -> None:
        """Say what clock the host was given; once, before anything is asked of it."""
        self._fake = clock if isinstance(clock, FakeClock) else None

    @property
    def clock(self) -> FakeClock:
        """The clock the host goes by; raises InvalidRequestError if that is not a FakeClock."""
        if self._fake is None:
            hint = "running_host(…, clock=FakeClock())"
            raise InvalidRequestError("the time of this host cannot be moved: it has no FakeClock", hint=hint)
        return self._fake

    async def perform(
        self,
        job: JobName,
        parameters: JsonObject | Sequence[JsonValue] = (),
        *,
        priority: int | None = None,
        timeout: timedelta | None = None,  # noqa: ASYNC109  # of the wait
        by: str | None = None,
    ) -> JobRun:
        """Submit a run and let everything due end; gives the run, SCHEDULED if it waits for time to try again."""
        run_id = await self.submit(job, parameters, priority=priority, by=by)
        await self._settled(timeout or self.patience)
        run = await self.runs.run(run_id)
        assert run is not None
        return run

    async def run_due(self) -> None:
        """Let everything that is due now run; it has ended when this returns.

        Changed schedules are in force then. What is paused, or waits for a later time, is not due.
        """
        await self._settled(self.patience)

    async def advance(self, by: timedelta) -> None:
        """Move time forward, fire time by fire time: each run has ended before the clock moves on to the next.

        Costs some milliseconds a fire time; ``clock.move`` leaps, as if the machine had slept.
        """
        if by < timedelta(0):
            raise InvalidRequestError("time moves forward only", hint="clock.step sets wall time back")
        target = self.clock.now() + by
        while True:
            following = await self._settled(self.patience)
            now = self.clock.now()
            if now >= target:
                return
            instant = target if following is None else min(following, target)
            self.clock.move((instant - now).total_seconds())

    async def runs_of(self, job: JobName) -> Sequence[JobRun]:
        """Give all runs of a job, in the order they were accepted."""
        found: list[JobRun] = []
        cursor: str | None = None
        where = RunFilter(job_id=self._job(job).id)
        while True:
            page = await self.runs.runs(where, cursor=cursor, limit=PAGE)
            found.extend(page.runs)
            cursor = page.next_cursor
            if cursor is None:
                return found[::-1]

    async def log_of(self, run: JobRun | UUID) -> Sequence[RunLogLine]:
        """Give all lines that a run has written, oldest first."""
        run_id = run.id if isinstance(run, JobRun) else run
        lines: list[RunLogLine] = []
        while page := await self.log.read(run_id, after=lines[-1].number if lines else 0, limit=PAGE):
            lines.extend(page)
        return lines

    async def next_fires(self, job: JobName, count: int = 1) -> Sequence[datetime]:
        """Give the next fire times of the schedules in force, at most ``count``, oldest first, in UTC.

        Of a fixed-delay interval only the next one is known.
        """
        info = self._job(job)
        entry = await self.get(JobDirectory).schedules(info)
        timezone = self.get(Scheduler).timezone()
        planned = plan_schedules(info, entry, timezone)
        cursors = await self.get(JobRunWriter).adopt({each.id: each.version for each in planned})
        for each in planned:
            each.adopt(cursors[each.id], timezone)
            if not each.awaits_end:
                each.advance()
            elif (end := await self._last_end(each)) is not None:
                each.advance(last_end=end)
        return list(islice(merge(*map(_fire_times, planned)), count))

    def _job(self, job: JobName) -> JobInfo:
        return self.get(JobDirectory).find(job_name(job))

    async def _last_end(self, planned: PlannedSchedule) -> datetime | None:
        page = await self.runs.runs(RunFilter(schedule_id=planned.id), limit=1)
        return page.runs[0].finished_at if page.runs else self.clock.now()

    async def _settled(self, patience: timedelta) -> datetime | None:
        """Wait until nothing is due any more, and give when something will be."""
        settling, failing = asyncio.ensure_future(self._settle()), asyncio.ensure_future(self.wait_failed())
        try:
            await asyncio.wait(
                (settling, failing), timeout=patience.total_seconds(), return_when=asyncio.FIRST_COMPLETED
            )
            if failing.done():
                failing.result()
            if not settling.done():
                raise AssertionError(await self._what_hangs(patience))
            return settling.result()
        finally:
            settling.cancel()
            failing.cancel()

    async def _settle(self) -> datetime | None:
        scheduler, dispatcher = self.get(Scheduler), self.get(Dispatcher)
        assert isinstance(scheduler, HostedScheduler)
        assert isinstance(dispatcher, HostedDispatcher)
        before, change = None, await self._newest_change()
        times: tuple[datetime | None, ...] = ()
        while change != before:  # an end may let a fixed delay begin, a run may ask for others
            times = await scheduler.wait_quiet(), await dispatcher.wait_quiet()
            before, change = change, await self._newest_change()
        now = self.get(Clock).now()
        return min((time for time in times if time is not None and time > now), default=None)

    async def _newest_change(self) -> int:
        newest = await self.runs.changes(-1)
        return newest[0].change if newest else 0

    async def _what_hangs(self, patience: timedelta) -> str:
        page = await self.runs.runs(RunFilter(states=ACTIVE_STATES))
        stack = self.get(Dispatcher).stack
        return "\n".join(
            [
                f"what is due has not ended within {patience.total_seconds():g} s",
                *(f"run {run.id} of {run.job_type} is {run.state}\n{stack(run.id) or ''}" for run in page.runs),
                "a job that waits on the host's Clock goes on only as `clock.advance` moves it",
            ]
        )


def _fire_times(planned: PlannedSchedule) -> Iterator[datetime]:
    while planned.next is not None:
        yield planned.next
        if planned.schedule.mode is IntervalMode.FIXED_DELAY:
            return
        planned.take(planned.next, grace=timedelta(0))
        planned.advance()
