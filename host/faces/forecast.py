"""When jobs fire next: reckoned when asked for, and remembered until that moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from host.contracts.runs import JobRunReader
from host.errors import InvalidScheduleError
from host.model.jobs import JobInfo
from host.model.runs import JobRun, RunFilter
from host.model.schedules import JobSchedule, ScheduleEntry, schedule_ids
from host.triggers import NextFire, is_floating, next_fire

UNKNOWN_SECONDS = 2
"""What follows from the end of a run that is not known yet is looked up again after this long."""
DISTANT = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobForecast:
    """The soonest fire time of a job's schedules."""

    at: datetime | None
    within: timedelta | None
    """Instead of it, where no run tells yet what an interval is counted from."""


@dataclass(frozen=True, slots=True)
class _Known:
    version: str
    change: int | None
    """Of the job's newest run, where fire times follow from runs."""
    until: datetime
    forecast: JobForecast


class Forecasts:
    """Gives next fire times; one entry a job is remembered."""

    def __init__(self, runs: JobRunReader) -> None:
        self._runs = runs
        self._known: dict[str, _Known] = {}

    async def of_job(
        self, job: JobInfo, entry: ScheduleEntry, latest: JobRun | None, *, timezone: str, now: datetime
    ) -> JobForecast:
        """Give the soonest of a job's schedules; ``latest`` is the job's newest run."""
        known = self._known.get(job.job_type)
        change = latest.change if latest else 0
        if known and known.version == entry.version and known.until > now and known.change in {None, change}:
            return known.forecast
        fires = await self.of_schedules(job, entry, timezone=timezone, now=now, latest=latest)
        forecast = JobForecast(
            at=min((fire.at for fire in fires if fire.at), default=None),
            within=min((fire.within for fire in fires if fire.within), default=None),
        )
        floats = [fire for rule, fire in zip(entry.schedules, fires, strict=True) if is_floating(rule)]
        until = forecast.at or now + DISTANT
        if any(fire.at is None for fire in floats):
            until = min(until, now + timedelta(seconds=UNKNOWN_SECONDS))
        self._known[job.job_type] = _Known(entry.version, change if floats else None, until, forecast)
        return forecast

    async def of_schedules(
        self, job: JobInfo, entry: ScheduleEntry, *, timezone: str, now: datetime, latest: JobRun | None = None
    ) -> Sequence[NextFire]:
        """Give what is known of each schedule, in order, as things are now; ``latest``, if known, spares questions."""
        identities = schedule_ids(job.job_type, entry.schedules)
        return [
            await self._of_schedule(job, rule, identity, timezone=timezone, now=now, latest=latest)
            for rule, identity in zip(entry.schedules, identities, strict=True)
        ]

    async def _of_schedule(
        self,
        job: JobInfo,
        rule: JobSchedule,
        identity: UUID,
        *,
        timezone: str,
        now: datetime,
        latest: JobRun | None,
    ) -> NextFire:
        newest = latest if latest and latest.schedule_id == identity else None
        if newest is None and is_floating(rule):
            page = await self._runs.runs(RunFilter(schedule_id=identity), limit=1)
            newest = page.runs[0] if page.runs else None
        try:
            return next_fire(rule, job_id=job.id, default_timezone=timezone, now=now, newest=newest)
        except InvalidScheduleError:
            return NextFire()
