"""One schedule in force: its trigger, how far it has come, and the runs it asks for."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from host.engine.policies import Fire, decide_missed
from host.engine.requests import base_request
from host.model.jobs import JobInfo
from host.model.parameters import check_parameters
from host.model.runs import RunRequest
from host.model.schedules import (
    IntervalMode,
    JobSchedule,
    ScheduleCursor,
    ScheduleEntry,
    schedule_ids,
    schedule_version,
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

    def __init__(self, job: JobInfo, schedule: JobSchedule, schedule_id: UUID) -> None:
        self.job = job
        self.schedule = schedule
        self.id = schedule_id
        self.version = schedule_version(schedule)
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
        cursor = self.cursor
        # One microsecond less: a fire time equal to the instant the schedule came into force counts.
        after = cursor.last_fire_time or cursor.effective_from - timedelta(microseconds=1)
        self.next = self._trigger.next_after(after, last_end=last_end, fired=cursor.fire_count)
        self.generation += 1

    def take(self, now: datetime, *, grace: timedelta, catch_up: bool) -> list[Fire]:
        """Take the fire times up to now, and move the cursor past them."""
        assert self._trigger is not None
        assert self.next is not None
        cursor, nominal = self.cursor, self.next
        self._before = cursor
        following = None
        if self.schedule.mode is not IntervalMode.FIXED_DELAY:
            following = self._trigger.next_after(nominal, fired=cursor.fire_count + 1)
        if catch_up and now - nominal <= grace and (following is None or following > now):
            fires, last = [Fire(fire_time=nominal)], nominal
        else:
            since = cursor.last_fire_time or cursor.effective_from - timedelta(microseconds=1)
            fires, latest = decide_missed(self.schedule, self._trigger, after=since, now=now, catch_up=catch_up)
            last = latest or nominal
        self.cursor = replace(cursor, last_fire_time=last, fire_count=cursor.fire_count + len(fires))
        return fires

    def undo(self) -> None:
        """Forget the last ``take``, whose result could not be stored."""
        self.cursor = self._before
        self.generation += 1

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
    """Plan the schedules of one job; raises InvalidScheduleError if one of them can never work."""
    ids = schedule_ids(job.job_type, entry.schedules)
    for schedule in entry.schedules:
        check_schedule(schedule, default_timezone=timezone)
    return [PlannedSchedule(job, schedule, id) for schedule, id in zip(entry.schedules, ids, strict=True)]


_NO_CURSOR = ScheduleCursor(schedule_id=UUID(int=0), version="", effective_from=datetime.min)  # noqa: DTZ901
