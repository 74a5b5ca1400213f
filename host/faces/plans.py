"""What fires when, job by job, read from a host with few questions for many jobs: they may cross a network."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from host.contracts.jobs import JobManagerService
from host.contracts.runs import JobRunReader
from host.contracts.schedules import JobScheduleManager
from host.errors import InvalidScheduleError, UnsupportedOperationError
from host.faces.in_force import Untold, schedules_in_force
from host.model.jobs import JobInfo
from host.model.runs import JobRun, RunFilter
from host.model.schedules import JobSchedule, ScheduleEntry, schedule_ids
from host.triggers import describe, is_floating

SLICE_SECONDS = 0.005
"""The event loop is everybody's: after so long the reckoning lets others in."""
REST_SECONDS = 0.005


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The schedules in force of one job; another object once they are reckoned anew."""

    job: JobInfo
    rules: tuple[tuple[JobSchedule, UUID], ...]
    words: tuple[str, ...]
    """Of each rule."""
    read_at: float
    """When they were read, by the host's monotonic clock."""


class Pace:
    """Reminds long work to let others in."""

    def __init__(self) -> None:
        self._until = time.monotonic() + SLICE_SECONDS

    async def rest(self) -> None:
        """Wait a little, if it is time to."""
        if time.monotonic() >= self._until:
            await asyncio.sleep(REST_SECONDS)
            self._until = time.monotonic() + SLICE_SECONDS


class PlanReader:
    """Asks a host for what plans are made of."""

    def __init__(self, jobs: JobManagerService, schedules: JobScheduleManager, runs: JobRunReader) -> None:
        self._jobs, self._schedules, self._runs = jobs, schedules, runs

    async def stored(self) -> Mapping[str, ScheduleEntry]:
        """Give all stored schedules by job type; none where that cannot be told."""
        try:
            return {entry.job_type: entry for entry in await self._schedules.all()}
        except UnsupportedOperationError:
            return {}

    async def entries(
        self, jobs: Sequence[JobInfo], stored: Mapping[str, ScheduleEntry]
    ) -> Sequence[tuple[JobInfo, ScheduleEntry | Untold]]:
        """Give the schedules in force of each job, in no order; only those that are not ``stored`` are asked for."""
        known = [(job, entry) for job in jobs if (entry := _stored_for(job, stored))]
        others = [job for job in jobs if _stored_for(job, stored) is None] if stored else jobs
        asked = await schedules_in_force(self._jobs, [job.job_type for job in others])
        return [*known, *zip(others, asked, strict=True)]

    async def newest_runs(self, plans: Iterable[Plan]) -> Mapping[UUID, JobRun]:
        """Give the newest run of each schedule whose fire times follow from runs: ``{schedule id: run}``."""
        floating = [(plan.job.id, identity) for plan in plans for rule, identity in plan.rules if is_floating(rule)]
        latest = await self._runs.latest({job_id for job_id, _ in floating}) if floating else {}
        found: dict[UUID, JobRun] = {}
        for job_id, identity in floating:
            run = latest.get(job_id)
            if run is not None and run.schedule_id != identity:  # else the job's newest is the schedule's, too
                page = await self._runs.runs(RunFilter(schedule_id=identity), limit=1)
                run = page.runs[0] if page.runs else None
            if run is not None:
                found[identity] = run
        return found


def plan_of(job: JobInfo, entry: ScheduleEntry, timezone: str, *, read_at: float) -> Plan:
    """Give the plan of a job's schedules."""
    identities = schedule_ids(job.job_type, entry.schedules)
    words = tuple(_words(schedule, timezone) for schedule in entry.schedules)
    return Plan(job, tuple(zip(entry.schedules, identities, strict=True)), words, read_at)


def _stored_for(job: JobInfo, stored: Mapping[str, ScheduleEntry]) -> ScheduleEntry | None:
    return next((stored[name] for name in (job.job_type, *job.aliases) if name in stored), None)


def _words(schedule: JobSchedule, timezone: str) -> str:
    try:
        return describe(schedule, default_timezone=timezone)
    except InvalidScheduleError as error:
        return error.message
