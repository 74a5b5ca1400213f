"""One schedule in force: its trigger, how far it has come, and the runs it asks for."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from host.engine.policies import Fire, decide_missed
from host.engine.requests import base_request
from host.model.jobs import JobInfo
from host.model.parameters import check_parameters
from host.model.runs import RunReason, RunRequest
from host.model.schedules import (
    IntervalMode,
    JobSchedule,
    MisfirePolicy,
    ScheduleCursor,
    ScheduleEntry,
    identify,
)
from host.triggers import build_trigger, check_schedule, jitter_of
from host.triggers.trigger import Trigger


class PlannedSchedule:
    """A schedule on its way from one fire time to the next."""

    __slots__ = (
        "_before",
        "_template",
        "_trigger",
        "cursor",
        "generation",
        "id",
        "is_retired",
        "job",
        "next",
        "schedule",
        "version",
    )

    def __init__(self, job: JobInfo, schedule: JobSchedule, schedule_id: UUID, version: str) -> None:
        self.job = job
        self.schedule = schedule
        self.id = schedule_id
        self.version = version
        self.cursor = _NO_CURSOR
        self.next: datetime | None = None
        self.generation = 0
        self.is_retired = False
        self._trigger: Trigger | None = None
        self._template: RunRequest | None = None
        self._before = _NO_CURSOR

    @property
    def awaits_end(self) -> bool:
        """Whether the next fire time depends on the end of the last run."""
        return self.schedule.mode is IntervalMode.FIXED_DELAY and self.cursor.fire_count > 0

    def adopt(self, cursor: ScheduleCursor, timezone: str) -> None:
        """Continue from a stored cursor."""
        self.cursor = cursor
        self._trigger = build_trigger(
            self.schedule, job_id=self.job.id, default_timezone=timezone, effective_from=cursor.effective_from
        )

    def advance(self, last_end: datetime | None = None) -> None:
        """Compute the next fire time after the last one considered."""
        assert self._trigger is not None
        self.next = self._trigger.next_after(self._since, last_end=last_end, fired=self.cursor.fire_count)
        self.generation += 1

    def take(self, now: datetime, *, grace: timedelta, until: datetime | None = None) -> list[Fire]:
        """Take the fire times up to now, and move the cursor past them.

        Those after ``until`` do not count as missed: they fell into a pause, or nobody wants to catch up.
        """
        assert self._trigger is not None
        assert self.next is not None
        self._before = self.cursor
        nominal = self.next
        last: datetime | None
        if self.schedule.mode is IntervalMode.FIXED_DELAY:
            fires, last = self._take_single(nominal, now - nominal > grace, until), nominal
        else:
            following = self._trigger.next_after(nominal, fired=self.cursor.fire_count + 1)
            if until is None and now - nominal <= grace and (following is None or following > now):
                fires, last = [Fire(fire_time=nominal)], nominal
            else:
                fires, last = decide_missed(self.schedule, self._trigger, after=self._since, now=now, until=until)
        count = self.cursor.fire_count
        if self.schedule.max_count is not None:
            fires = fires[: max(0, self.schedule.max_count - count)]
        self.cursor = replace(self.cursor, last_fire_time=last or nominal, fire_count=count + len(fires))
        return fires

    def missed(self, now: datetime) -> tuple[int, int]:
        """Give how many runs a start at ``now`` would cause, and for how many fire times; moves the cursor."""
        if self.next is None or self.next > now:
            return 0, 0
        fires = [fire for fire in self.take(now, grace=timedelta(0)) if fire.skip is None]
        return len(fires), len(fires) + sum(fire.missed for fire in fires)

    def _take_single(self, nominal: datetime, is_late: bool, until: datetime | None) -> list[Fire]:
        is_out = until is not None and nominal > until
        if is_out or (is_late and self.schedule.misfire is MisfirePolicy.SKIP):
            return [Fire(fire_time=nominal, skip=RunReason.MISFIRE)]
        return [Fire(fire_time=nominal)]

    @property
    def _since(self) -> datetime:
        # One microsecond less: a fire time equal to the instant the schedule came into force counts.
        return self.cursor.last_fire_time or self.cursor.effective_from - timedelta(microseconds=1)

    def undo(self) -> None:
        """Forget the last ``take``, whose result could not be stored."""
        self.cursor = self._before
        self.generation += 1

    def pass_over(self) -> None:
        """Let the fires of the last ``take`` cause no run, and so not count against ``max_count``."""
        self.cursor = replace(self.cursor, fire_count=self._before.fire_count)

    def request(self, fire: Fire) -> RunRequest:
        """Give the run request of a fire."""
        if self._template is None:
            parameters = check_parameters(self.job, self.schedule.parameters or {})
            self._template = replace(
                base_request(self.job, parameters),
                schedule_id=self.id,
                schedule_version=self.version,
                owner="schedule",
            )
        not_before = None
        if self.schedule.jitter:
            not_before = fire.fire_time + jitter_of(self.id, fire.fire_time, self.schedule.jitter)
        return replace(
            self._template, fire_time=fire.fire_time, missed=fire.missed, skip=fire.skip, not_before=not_before
        )


def plan_schedules(job: JobInfo, entry: ScheduleEntry, timezone: str) -> list[PlannedSchedule]:
    """Plan the schedules of one job.

    Raises InvalidScheduleError if one of them can never work, InvalidParameterError if its runs never could.
    """
    identities = identify(job.job_type, entry.schedules)
    for schedule in entry.schedules:
        check_schedule(schedule, default_timezone=timezone)
        check_parameters(job, schedule.parameters or {})
    return [
        PlannedSchedule(job, schedule, schedule_id, version)
        for schedule, (schedule_id, version) in zip(entry.schedules, identities, strict=True)
    ]


_NO_CURSOR = ScheduleCursor(schedule_id=UUID(int=0), version="", effective_from=datetime.min)  # noqa: DTZ901
