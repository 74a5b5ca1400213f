"""From schedules to run requests: one heap of fire times, one timer."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

import structlog

from host.contracts.bus import MessageBus, Unsubscribe
from host.contracts.clock import Clock
from host.contracts.contract import Finding, Service, Settings
from host.contracts.engine import Dispatcher, JobDirectory, Scheduler, StartOptions
from host.contracts.jobs import JobCatalogue
from host.contracts.leadership import Leadership
from host.contracts.registry import JobRegistry, Pause
from host.contracts.runs import JobRunReader, JobRunWriter
from host.engine.alarm import Alarm
from host.engine.planned import PlannedSchedule, plan_schedules
from host.engine.requests import base_request
from host.errors import HostError, StoreUnavailableError
from host.model.ids import from_microseconds, to_microseconds
from host.model.jobs import JobInfo, JobStartType
from host.model.messages import PausesChanged, RunsChanged, ScheduleChanged
from host.model.parameters import check_parameters
from host.model.runs import FINAL_STATES, RunFilter, RunRequest, RunState
from host.model.schedules import ScheduleCursor, ScheduleEntry

logger = structlog.get_logger(__name__)

UNFINISHED = frozenset(RunState) - FINAL_STATES

MAX_SLEEP_SECONDS = 1.0
"""A step of the system's clock, or a resumed machine, is noticed this soon."""
FIRE_BATCH = 250
RETRY_SECONDS = 1.0
OUT_OF_FORCE = "out of force"
"""The version that a schedule's cursor has while it is not in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerSettings(Settings):
    """How schedules are read here."""

    section: ClassVar[str] = "SchedulerConfigurationSection"
    timezone: str = "UTC"
    """Default zone of schedules, IANA name."""
    misfire_grace: timedelta = timedelta(seconds=60)
    """A single fire time this late is still simply fired; later, or several at once, the misfire policy decides."""
    start_delay: timedelta = timedelta(seconds=10)
    """How long after the start jobs with start type ``delay`` run."""


@dataclass(slots=True)
class _Changes:
    everything: bool = False
    pauses: bool = False
    job_types: set[str] = field(default_factory=set)


class HostedScheduler(Scheduler, Service):
    """Fires every schedule in force at its time, while this node is active."""

    is_default = True

    def __init__(
        self,
        settings: SchedulerSettings,
        options: StartOptions,
        directory: JobDirectory,
        catalogue: JobCatalogue,
        registry: JobRegistry,
        reader: JobRunReader,
        writer: JobRunWriter,
        dispatcher: Dispatcher,
        leadership: Leadership,
        bus: MessageBus,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._options = options
        self._directory = directory
        self._catalogue = catalogue
        self._registry = registry
        self._reader = reader
        self._writer = writer
        self._dispatcher = dispatcher
        self._leadership = leadership
        self._bus = bus
        self._clock = clock
        self._planned: dict[str, list[PlannedSchedule]] = {}
        self._heap: list[tuple[int, int, int, PlannedSchedule]] = []
        self._order = 0
        self._waiting: dict[UUID, PlannedSchedule] = {}
        self._gone: set[UUID] = set()
        """Schedules that went out of force, until the store knows."""
        self._paused: dict[str, Pause] = {}
        self._pause_over: tuple[datetime, datetime] | None = None
        """From when to when everything was paused, until what it held back has been decided."""
        self._broken: dict[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._unsubscribe: list[Unsubscribe] = []

    async def start(self) -> None:
        """Plan every schedule in force, decide what was missed, and begin."""
        if self._tasks:
            return
        self._alarm = Alarm()
        self._planned, self._heap, self._waiting = {}, [], {}
        self._changes = _Changes()
        self._ends_changed = False
        await self._pause_if_asked()
        await self.pauses_changed()
        self._unsubscribe = [
            self._bus.subscribe(ScheduleChanged, self._schedule_changed),
            self._bus.subscribe(RunsChanged, self._runs_changed),
            self._bus.subscribe(PausesChanged, self._pauses_noted),
        ]
        await self._plan(await self._directory.all_schedules(), catch_up=self._options.catch_up())
        await self._start_jobs(JobStartType.IMMEDIATE)
        loop = asyncio.get_running_loop()
        self._delay_until = self._clock.monotonic() + self._settings.start_delay.total_seconds()
        self._tasks = [
            loop.create_task(self._run(), name="scheduler"),
            loop.create_task(self._start_delayed(), name="delayed start"),
        ]

    async def stop(self) -> None:
        """Fire nothing more."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._unsubscribe = []
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def background(self) -> Sequence[asyncio.Task[None]]:
        """Give the task whose end stops the host."""
        return self._tasks[:1]  # the others end when they have done their part

    def check(self) -> Sequence[Finding]:
        """Name schedules that are not in force, and pauses."""
        broken = [Finding(message=f"schedules of {job} are not in force: {why}") for job, why in self._broken.items()]
        return [*broken, *(Finding(message=f"{scope} is paused: {why.reason}") for scope, why in self._paused.items())]

    def timezone(self) -> str:
        """Give the default zone of schedules."""
        return self._settings.timezone

    async def pauses_changed(self) -> None:
        """Read the pauses again."""
        before = self._paused
        self._paused = {pause.scope: pause for pause in await self._registry.pauses()}
        if "all" in before and "all" not in self._paused:
            # An earlier pause whose fire times are not decided yet goes on in this one.
            began = self._pause_over[0] if self._pause_over else before["all"].at
            self._pause_over = (began, self._clock.now())
        job_types = frozenset(scope[4:] for scope in self._paused if scope.startswith("job:"))
        self._dispatcher.hold(everything="all" in self._paused, job_types=job_types)
        self.look()

    def look(self) -> None:
        """Look at the clock and for changes now."""
        self._alarm.ring()

    async def wait_quiet(self) -> datetime | None:
        """Look now, and return when nothing is due; gives when something will be. For who moves the clock by hand."""
        start_in = self._delay_until - self._clock.monotonic()
        if start_in <= 0:
            await asyncio.wait(self._tasks[1:])  # the delayed start, which is under way
        await self._alarm.wait_quiet()
        times = [from_microseconds(self._heap[0][0])] if self._heap else []
        if start_in > 0:
            times.append(self._clock.now() + timedelta(seconds=start_in))
        return min(times, default=None)

    # -- planning ------------------------------------------------------------------------------------------

    async def _plan(self, entries: Sequence[tuple[JobInfo, ScheduleEntry]], *, catch_up: bool = True) -> None:
        fresh: list[PlannedSchedule] = []
        for job, entry in entries:
            self._retire(job)
            try:
                schedules = plan_schedules(job, entry, self._settings.timezone)
            except HostError as error:
                self._broken[job.job_type] = str(error)
                logger.error("schedules not in force", job_type=job.job_type, error=str(error))
                continue
            if schedules:
                self._planned[job.job_type] = schedules
                fresh.extend(schedules)
        self._gone.difference_update(planned.id for planned in fresh)
        # Invariant: a schedule that was out of force begins anew; it never fires what passed meanwhile.
        wanted = {planned.id: planned.version for planned in fresh} | dict.fromkeys(self._gone, OUT_OF_FORCE)
        if wanted:
            cursors = await self._writer.adopt(wanted)
            self._gone.clear()
            await self._begin(fresh, cursors, catch_up=catch_up)

    def _retire(self, job: JobInfo) -> None:
        for planned in self._planned.pop(job.job_type, ()):
            planned.is_retired = True
            self._waiting.pop(planned.id, None)
            self._gone.add(planned.id)
        self._broken.pop(job.job_type, None)

    async def _begin(
        self, fresh: Sequence[PlannedSchedule], cursors: Mapping[UUID, ScheduleCursor], *, catch_up: bool
    ) -> None:
        now = self._clock.now()
        moved: list[ScheduleCursor] = []
        skipped: list[RunRequest] = []
        for planned in fresh:
            planned.adopt(cursors[planned.id], self._settings.timezone)
            if planned.awaits_end:
                self._waiting[planned.id] = planned
                self._ends_changed = True
                continue
            planned.advance()
            if not catch_up and planned.next is not None and planned.next <= now:
                skipped.extend(self._requests(planned, now, until=planned.cursor.effective_from))
                moved.append(planned.cursor)
                planned.advance()
            self._push(planned)
        if moved:
            await self._writer.fire(skipped, moved)

    def _push(self, planned: PlannedSchedule) -> None:
        if planned.next is not None and not planned.is_retired:
            self._order += 1
            heapq.heappush(self._heap, (to_microseconds(planned.next), self._order, planned.generation, planned))

    # -- firing --------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            await self._apply_changes()
            if "all" in self._paused or not self._leadership.is_active():
                await self._alarm.wait(MAX_SLEEP_SECONDS)
                continue
            now = self._clock.now()
            due = self._take_due(to_microseconds(now))
            if due:
                await self._fire(due, now)
                continue
            self._pause_over = None
            await self._alarm.wait(self._until_next())

    def _until_next(self) -> float:
        if not self._heap:
            return MAX_SLEEP_SECONDS
        seconds = (self._heap[0][0] - to_microseconds(self._clock.now())) / 1e6
        return min(MAX_SLEEP_SECONDS, max(0.0, seconds))

    def _take_due(self, now: int) -> list[PlannedSchedule]:
        due: list[PlannedSchedule] = []
        while self._heap and self._heap[0][0] <= now and len(due) < FIRE_BATCH:
            _, _, generation, planned = heapq.heappop(self._heap)
            if not planned.is_retired and generation == planned.generation:
                due.append(planned)
        return due

    async def _fire(self, due: list[PlannedSchedule], now: datetime) -> None:
        requests: list[RunRequest] = []
        for planned in due:
            requests.extend(self._decide(planned, now))
        try:
            firing = self._writer.fire(requests, [planned.cursor for planned in due])
            if requests:
                self._dispatcher.wake()  # its claim shares the commit
            accepted = await firing
        except StoreUnavailableError as error:
            logger.error("fire times wait: the run store cannot be written", count=len(requests), error=str(error))
            for planned in due:
                planned.undo()
                self._push(planned)
            await asyncio.sleep(RETRY_SECONDS)
            return
        if accepted:
            self._bus.publish(RunsChanged())
        for planned in due:
            if planned.awaits_end:
                self._waiting[planned.id] = planned
                self._ends_changed = True
            else:
                planned.advance()
                self._push(planned)

    def _decide(self, planned: PlannedSchedule, now: datetime) -> list[RunRequest]:
        if self._pause_over is not None and planned.next is not None:
            began, ended = self._pause_over
            if planned.next <= ended:
                return self._requests(planned, ended, until=began)
        return self._requests(planned, now, until=None)

    def _requests(self, planned: PlannedSchedule, now: datetime, *, until: datetime | None) -> list[RunRequest]:
        fires = planned.take(now, grace=self._settings.misfire_grace, until=until)
        if self._is_paused(planned):
            planned.pass_over()
            return []
        if any(fire.missed or fire.skip for fire in fires):
            logger.warning(
                "fire times missed",
                job_type=planned.job.job_type,
                schedule_id=str(planned.id),
                missed=sum(fire.missed for fire in fires),
                skipped=any(fire.skip for fire in fires),
            )
        return [planned.request(fire) for fire in fires]

    def _is_paused(self, planned: PlannedSchedule) -> bool:
        if not self._paused:
            return False
        return f"job:{planned.job.job_type}" in self._paused or f"schedule:{planned.id}" in self._paused

    # -- changes -------------------------------------------------------------------------------------------

    def _schedule_changed(self, message: ScheduleChanged) -> None:
        if message.job_type is None:
            self._changes.everything = True
        else:
            self._changes.job_types.add(message.job_type)
        self._alarm.ring()

    def _pauses_noted(self, _: PausesChanged) -> None:
        self._changes.pauses = True
        self._alarm.ring()

    def _runs_changed(self, _: RunsChanged) -> None:
        if self._waiting and not self._ends_changed:
            self._ends_changed = True
            self._alarm.ring()

    async def _apply_changes(self) -> None:
        changes, self._changes = self._changes, _Changes()
        has_ended, self._ends_changed = self._ends_changed, False
        try:
            if changes.pauses:
                await self.pauses_changed()
            if changes.everything:
                await self._plan(await self._directory.all_schedules())
            elif changes.job_types:
                await self._plan([await self._entry(job_type) for job_type in self._known(changes.job_types)])
            for planned in list(self._waiting.values()) if has_ended or self._ends_changed else ():
                await self._resume_after_end(planned)
        except StoreUnavailableError as error:
            logger.error("changes wait: a store cannot be read or written", error=str(error))
            self._changes.everything |= changes.everything
            self._changes.pauses |= changes.pauses
            self._changes.job_types |= changes.job_types
            self._ends_changed = True
            return
        if changes.everything or changes.job_types:
            logger.info("schedules changed", jobs=sorted(changes.job_types) or "all")

    def _known(self, names: set[str]) -> list[str]:
        resolved = (self._catalogue.resolve(name) for name in names)
        return [job_type for job_type in resolved if job_type is not None and job_type in self._directory.jobs()]

    async def _entry(self, job_type: str) -> tuple[JobInfo, ScheduleEntry]:
        job = self._directory.jobs()[job_type]
        return job, await self._directory.schedules(job)

    async def _resume_after_end(self, planned: PlannedSchedule) -> None:
        page = await self._reader.runs(RunFilter(schedule_id=planned.id), limit=1)
        if page.runs and not page.runs[0].state.is_final:
            return
        self._waiting.pop(planned.id, None)
        ended = page.runs[0].finished_at if page.runs else self._clock.now()
        planned.advance(last_end=ended or self._clock.now())
        self._push(planned)

    # -- starting ------------------------------------------------------------------------------------------

    async def _pause_if_asked(self) -> None:
        reason = self._options.paused()
        if reason is not None:
            pause = Pause(scope="all", reason=reason, by="start", at=self._clock.now())
            await self._registry.pause(pause)
            logger.warning("everything is paused", reason=reason, hint="jobhost jobs resume --all")

    async def _start_jobs(self, start_type: JobStartType) -> None:
        registered = [job for job in self._directory.jobs().values() if job.start_type is start_type]
        jobs = {job.id: job for job in registered if not self._options.has_started(job)}
        if not jobs:
            return
        unfinished = await self._reader.latest(list(jobs), UNFINISHED)
        requests = []
        for job in list(jobs.values()):
            if job.id in unfinished:
                continue
            try:
                requests.append(replace(base_request(job, check_parameters(job, {})), owner="start"))
            except HostError as error:
                self._broken[job.job_type] = str(error)
                logger.error("job not started", job_type=job.job_type, error=str(error))
                del jobs[job.id]
        if requests:
            await self._writer.submit(requests)
            self._dispatcher.wake()
        self._options.note_started(jobs.values())

    async def _start_delayed(self) -> None:
        await self._clock.sleep(self._settings.start_delay.total_seconds())
        while True:
            try:
                return await self._start_jobs(JobStartType.DELAY)
            except StoreUnavailableError as error:
                logger.error("delayed start waits: the run store cannot be used", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
