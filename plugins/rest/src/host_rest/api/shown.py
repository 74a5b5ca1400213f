"""Runs and jobs as answers show them: secrets hidden, pauses named, next fire times reckoned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from host.contracts.registry import Pause
from host.errors import InvalidScheduleError, JobNotFoundError
from host.faces.forecast import JobForecast
from host.faces.in_force import Untold, schedules_in_force
from host.model.jobs import JobInfo
from host.model.masking import entry_without_secrets, job_without_secrets, without_secrets
from host.model.runs import JobRun
from host.model.schedules import JobSchedule, ScheduleEntry, schedule_ids
from host.triggers import describe
from host_rest.api.schedule_values import Entry, Standing
from host_rest.api.services import Services

EVERYTHING = "all"
NOT_KNOWN = JobForecast(at=None, within=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A registered job and how it stands."""

    job: JobInfo
    latest_run: JobRun | None
    next_fire_time: datetime | None
    """The soonest of its schedules that is known."""
    next_fire_within: timedelta | None
    """Instead of it, where no run tells yet what an interval is counted from."""
    paused: Pause | None
    """Of the job or of everything."""


async def shown_runs(host: Services, runs: Sequence[JobRun]) -> Sequence[JobRun]:
    """Give runs with secret parameters hidden; of a job that nobody knows, all parameters."""
    jobs = [job for job_id in {run.job_id for run in runs if run.parameters} if (job := await _known(host, job_id))]
    return without_secrets(runs, jobs)


async def shown_run(host: Services, run: JobRun) -> JobRun:
    """Give one run with secret parameters hidden."""
    return (await shown_runs(host, [run]))[0]


async def shown_jobs(host: Services, jobs: Sequence[JobInfo]) -> Sequence[JobView]:
    """Give jobs with their latest runs, next fire times and pauses."""
    latest = await host.runs.latest([job.id for job in jobs])
    paused = await pauses_by_scope(host)
    entries = await schedules_in_force(host.jobs, [job.job_type for job in jobs])
    return [await _view(host, job, entry, latest.get(job.id), paused) for job, entry in zip(jobs, entries, strict=True)]


async def shown_entry(host: Services, job: JobInfo, entry: ScheduleEntry) -> Entry:
    """Give the schedules of a job with how each stands."""
    shown = entry_without_secrets(entry, job)
    paused = await pauses_by_scope(host)
    zone = await host.timezone()
    fires = await host.forecasts.of_schedules(job, entry, timezone=zone, now=host.now())
    identities = schedule_ids(job.job_type, entry.schedules)
    return Entry(
        job_type=entry.job_type,
        schedules=shown.schedules,
        version=entry.version,
        source=entry.source,
        standing=tuple(
            Standing(
                id=identity,
                words=words_of(rule, zone),
                next_fire_time=fire.at,
                next_fire_within=fire.within,
                paused=_reason(paused, f"schedule:{identity}"),
            )
            for rule, identity, fire in zip(entry.schedules, identities, fires, strict=True)
        ),
    )


async def pauses_by_scope(host: Services) -> Mapping[str, Pause]:
    """Give all pauses: ``{scope: pause}``."""
    return {pause.scope: pause for pause in await host.host.pauses()}


def words_of(schedule: JobSchedule, zone: str) -> str:
    """Say when a schedule fires; of one that a newer version stored and this one refuses, why."""
    try:
        return describe(schedule, default_timezone=zone)
    except InvalidScheduleError as error:
        return error.message


async def _view(
    host: Services, job: JobInfo, entry: ScheduleEntry | Untold, latest: JobRun | None, paused: Mapping[str, Pause]
) -> JobView:
    forecast = NOT_KNOWN
    if isinstance(entry, ScheduleEntry):
        zone = await host.timezone()
        forecast = await host.forecasts.of_job(job, entry, latest, timezone=zone, now=host.now())
    return JobView(
        job=job_without_secrets(job),
        latest_run=without_secrets([latest], [job])[0] if latest else None,
        next_fire_time=forecast.at,
        next_fire_within=forecast.within,
        paused=paused.get(f"job:{job.job_type}") or paused.get(EVERYTHING),
    )


async def _known(host: Services, job_id: UUID) -> JobInfo | None:
    try:
        return await host.jobs.get_job(str(job_id))
    except JobNotFoundError:
        return _find(await host.jobs.get_available_jobs(), job_id)


def _find(jobs: Iterable[JobInfo], job_id: UUID) -> JobInfo | None:
    return next((job for job in jobs if job.id == job_id), None)


def _reason(paused: Mapping[str, Pause], scope: str) -> str | None:
    return paused[scope].reason if scope in paused else None
