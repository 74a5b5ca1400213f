"""The next fire times over all jobs: reckoned in slices beside the requests, kept in order, moved on as time passes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from heapq import heapify, heappop, heappush
from itertools import islice
from uuid import UUID

from host.contracts.clock import Clock
from host.contracts.host import HostControl
from host.contracts.jobs import JobManagerService
from host.contracts.runs import JobRunReader
from host.contracts.schedules import JobScheduleManager
from host.errors import InvalidScheduleError
from host.faces.background import Background
from host.faces.in_force import MOST_TOGETHER
from host.faces.plans import Pace, Plan, PlanReader, plan_of
from host.model.jobs import JobInfo
from host.model.runs import JobRun
from host.model.schedules import JobSchedule, ScheduleEntry
from host.triggers import NextFire, next_fire

MANY = 50
"""From so many jobs on, if they are most of all, stored schedules are read with one question."""
MOST_AGAIN = 100
"""Jobs looked up again at a time, of those whose next fire time nothing told."""
UNKNOWN_SECONDS = 15.0
"""What follows from the end of a run that is not known yet is looked up again after this long."""
FEW = 200
"""So many jobs are all read again as soon as anything may have changed."""
EVERYTHING_SECONDS = 60.0
"""More of them not sooner than this after the last time."""
OLD_SECONDS = 300.0
"""Schedules that were read longer ago are read again when one of them has fired, lest a change was not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComingFire:
    """One fire time to come."""

    at: datetime
    job: JobInfo
    schedule: JobSchedule
    schedule_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class NextFires:
    """The fire times that come first."""

    fires: tuple[ComingFire, ...]
    """Soonest first."""
    jobs: int
    """Registered."""
    waiting: int
    """Jobs of which it is not reckoned yet when they fire; 0: the list is right, as far as changes were told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A schedule that holds a text."""

    job: JobInfo
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """The schedules that hold a text."""

    matches: tuple[Match, ...]
    """By name of the job."""
    waiting: int
    """Jobs whose schedules were not looked at."""


class Outlook:
    """Keeps one fire time a schedule. Tell it what changed; it reads and reckons when somebody looks.

    A change of one job is read at once; of many jobs all are read again at most once a minute.
    """

    def __init__(
        self,
        jobs: JobManagerService,
        schedules: JobScheduleManager,
        runs: JobRunReader,
        host: HostControl,
        clock: Clock,
    ) -> None:
        self._jobs, self._host, self._clock = jobs, host, clock
        self._reader = PlanReader(jobs, schedules, runs)
        self._listed: Sequence[JobInfo] = ()
        self._named: Mapping[str, JobInfo] = {}
        self._aliases: Mapping[str, str] = {}
        self._listed_at = -math.inf
        self._plans: dict[str, Plan] = {}
        self._heap: list[tuple[datetime, int, Plan, int]] = []
        """When, a number that settles ties, whose, and which of its rules; those of a replaced plan count no more."""
        self._pushed = 0
        self._todo: dict[str, bool] = {}
        """Job types to reckon, in order, and whether their schedules are to be read again."""
        self._doing: dict[str, bool] = {}
        """Those of them that are being reckoned."""
        self._unknown: dict[str, float] = {}
        """Job types that have a schedule whose next fire time nothing tells yet, and when to look again."""
        self._is_list_old = True
        self._is_all_old = False
        self._is_listing = False
        self._background = Background(self._reckon, "outlook")

    def schedule_changed(self, job_type: str | None) -> None:
        """Take note that the schedules of a job changed; None: of any."""
        name = None if job_type is None else self._aliases.get(job_type, job_type)
        if name is not None and name in self._named:
            self._todo[name] = True
            return
        self._is_list_old = True  # of a job that is not listed: it may be a new one
        self._is_all_old |= job_type is None

    def jobs_changed(self) -> None:
        """Take note that there may be other jobs."""
        self._is_list_old = True

    async def look(
        self, count: int, *, patience_seconds: float, is_shown: Callable[[ComingFire], bool] = lambda _: True
    ) -> NextFires:
        """Give the first fire times to come that shall be shown; waits a little for what is not reckoned yet.

        Raises the HostError that the latest reckoning ended with.
        """
        self._move_on()
        waiting = await self._refresh(patience_seconds)
        return NextFires(fires=tuple(self._first(count, is_shown)), jobs=len(self._listed), waiting=waiting)

    async def find(self, text: str, *, at_most: int, patience_seconds: float) -> Matches:
        """Give the schedules whose words hold all words of a text, whatever the case; raises as ``look`` does.

        Waits only where nothing is known yet.
        """
        waiting = await self._refresh(0 if self._plans else patience_seconds)
        wanted = text.casefold().split()
        found = (
            Match(job=plan.job, words=words)
            for job in self._listed
            if wanted and (plan := self._plans.get(job.job_type)) is not None
            for words in plan.words
            if all(word in words.casefold() for word in wanted)
        )
        return Matches(matches=tuple(islice(found, at_most)), waiting=waiting)

    async def stop(self) -> None:
        """End what is under way."""
        await self._background.stop()

    async def _refresh(self, patience_seconds: float) -> int:
        """Reckon what is to be reckoned; give of how many jobs that is still to be done.

        Waits for it where it may be over soon, or nothing at all is known yet.
        """
        if self._todo or self._doing or self._is_listing or self._is_list_due():
            self._background.wake()
            is_vain = len(self._todo) > MANY and len(self._plans) > 0
            await self._background.wait_done(patience_seconds=0 if is_vain else patience_seconds)
        return len(self._todo.keys() | self._doing.keys()) or int(self._is_listing or self._is_list_due())

    def _is_list_due(self) -> bool:
        age = self._clock.monotonic() - self._listed_at
        return self._is_list_old and (len(self._listed) <= FEW or age >= EVERYTHING_SECONDS)

    def _move_on(self) -> None:
        """Put what has passed, and what may be known by now, on the list of what is to be reckoned."""
        now, instant = self._clock.now(), self._clock.monotonic()
        while self._heap and (self._heap[0][0] <= now or not self._is_in_force(self._heap[0][2])):
            _, _, plan, _ = heappop(self._heap)
            if self._is_in_force(plan):
                self._todo.setdefault(plan.job.job_type, False)
        due = [job_type for job_type, again_at in self._unknown.items() if again_at <= instant]
        for job_type in due[:MOST_AGAIN]:
            self._todo.setdefault(job_type, False)

    def _is_in_force(self, plan: Plan) -> bool:
        return self._plans.get(plan.job.job_type) is plan

    def _first(self, count: int, is_shown: Callable[[ComingFire], bool]) -> Sequence[ComingFire]:
        """Give the first ones in force; what is taken from the heap for it is put back."""
        found: list[ComingFire] = []
        taken = []
        while self._heap and len(found) < count:
            entry = heappop(self._heap)
            at, _, plan, number = entry
            if not self._is_in_force(plan):
                continue
            taken.append(entry)
            schedule, schedule_id = plan.rules[number]
            fire = ComingFire(at=at, job=plan.job, schedule=schedule, schedule_id=schedule_id)
            if is_shown(fire):
                found.append(fire)
        for entry in taken:
            heappush(self._heap, entry)
        return found

    async def _reckon(self) -> None:
        """Do what is to be done, a portion at a time."""
        if self._is_list_due():
            await self._list()
        timezone = (await self._host.status()).timezone
        to_read = sum(self._todo.values())
        stored = await self._reader.stored() if to_read >= max(MANY, len(self._named) // 2) else {}
        pace = Pace()
        while self._todo:
            # Taken before it is read: what changes meanwhile is noted anew.
            self._doing = dict(islice(self._todo.items(), MOST_TOGETHER))
            for job_type in self._doing:
                del self._todo[job_type]
            try:
                await self._plan(self._doing, stored, timezone, pace)
            except BaseException:
                again = {name: is_read or self._todo.get(name, False) for name, is_read in self._doing.items()}
                self._todo = {**self._todo, **again}
                raise
            finally:
                self._doing = {}
        self._tidy()

    async def _list(self) -> None:
        is_all_old, self._is_list_old, self._is_all_old, self._is_listing = self._is_all_old, False, False, True
        try:
            listed = await self._jobs.jobs()
        except BaseException:
            self._is_list_old, self._is_all_old = True, self._is_all_old or is_all_old
            raise
        finally:
            self._is_listing = False
        named = {job.job_type: job for job in listed}
        for job_type in self._plans.keys() - named.keys():
            del self._plans[job_type]
            self._unknown.pop(job_type, None)
        self._todo.update((name, True) for name, job in named.items() if is_all_old or self._named.get(name) != job)
        self._listed, self._named, self._listed_at = listed, named, self._clock.monotonic()
        self._aliases = {alias: job.job_type for job in listed for alias in job.aliases}

    async def _plan(
        self, portion: Mapping[str, bool], stored: Mapping[str, ScheduleEntry], timezone: str, pace: Pace
    ) -> None:
        """Reckon the schedules of some jobs, which replaces what was known of them."""
        plans = await self._plans_of(portion, stored, timezone, pace)
        newest = await self._reader.newest_runs(plans)
        for plan in plans:
            self._reckon_plan(plan, newest, timezone)
            await pace.rest()

    async def _plans_of(
        self, portion: Mapping[str, bool], stored: Mapping[str, ScheduleEntry], timezone: str, pace: Pace
    ) -> Sequence[Plan]:
        """Give a new plan for each of these jobs, of schedules that are read where they may have changed."""
        instant = self._clock.monotonic()
        plans = [
            replace(known)
            for name, is_read in portion.items()
            if not is_read and (known := self._plans.get(name)) and instant - known.read_at < OLD_SECONDS
        ]
        kept = {plan.job.job_type for plan in plans}
        jobs = [self._named[name] for name in portion if name in self._named and name not in kept]
        for job, entry in await self._reader.entries(jobs, stored):
            if isinstance(entry, ScheduleEntry):
                plans.append(plan_of(job, entry, timezone, read_at=instant))
            else:
                self._plans.pop(job.job_type, None)
                self._unknown.pop(job.job_type, None)
            await pace.rest()
        return plans

    def _reckon_plan(self, plan: Plan, newest: Mapping[UUID, JobRun], timezone: str) -> None:
        job_type, now = plan.job.job_type, self._clock.now()
        self._plans[job_type] = plan
        self._unknown.pop(job_type, None)
        for number, (schedule, schedule_id) in enumerate(plan.rules):
            fire = _next(schedule, plan.job, timezone, now, newest.get(schedule_id))
            if fire.at is not None and fire.at > now:
                self._keep(fire.at, plan, number)
            elif not fire.is_over:
                self._unknown[job_type] = self._clock.monotonic() + UNKNOWN_SECONDS

    def _tidy(self) -> None:
        """Drop what counts no more, once it is most of the heap."""
        if len(self._heap) > 2 * sum(len(plan.rules) for plan in self._plans.values()) + MANY:
            self._heap = [entry for entry in self._heap if self._is_in_force(entry[2])]
            heapify(self._heap)

    def _keep(self, at: datetime, plan: Plan, number: int) -> None:
        self._pushed += 1
        heappush(self._heap, (at, self._pushed, plan, number))


def _next(schedule: JobSchedule, job: JobInfo, timezone: str, now: datetime, newest: JobRun | None) -> NextFire:
    try:
        return next_fire(schedule, job_id=job.id, default_timezone=timezone, now=now, newest=newest)
    except InvalidScheduleError:
        return NextFire(is_over=True)
