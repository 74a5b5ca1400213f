"""What a list of jobs shows of each: schedules in words, next fire time, latest runs, pause, usual durations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from host.contracts.registry import Pause
from host.errors import HostError, InvalidScheduleError, JobNotFoundError
from host.faces.forecast import JobForecast
from host.faces.in_force import MOST_TOGETHER
from host.model.jobs import JobInfo
from host.model.masking import without_secrets
from host.model.runs import JobRun, RunFilter
from host.model.schedules import JobSchedule
from host.triggers import describe
from host_panel.desk import Desk
from host_panel.job_parts import Parts, of_each
from host_panel.strips import RUNS
from host_panel.usual import Usual, usual_of

NOTHING = JobForecast(at=None, within=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """One job of the list; what is None is not known."""

    job: JobInfo
    schedules: Sequence[str] | None
    """In words."""
    forecast: JobForecast
    latest: JobRun | None
    pause: Pause | None
    """Of the job itself."""
    failing: int
    """Failed runs in a row up to now."""
    runs: Sequence[JobRun] | None
    """The latest ones, newest first."""
    usual: Usual | None

    @property
    def may_have_runs(self) -> bool:
        """Say whether there may be runs to cancel."""
        return self.latest is not None and not self.latest.state.is_final


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows of a page, and what could not be found out."""

    rows: Sequence[JobRow]
    pause: Pause | None
    """Of everything."""
    problems: Sequence[HostError]
    knows_runs: bool


async def rows_of(desk: Desk, jobs: Sequence[JobInfo], *, with_charts: bool) -> Rows:
    """Give a row a job; with the latest runs and usual durations of each only where ``with_charts``."""
    parts, ids = Parts(), [job.id for job in jobs]
    pauses = await parts.get(desk.pauses(), {})
    latest = await parts.get(desk.runs.latest(ids), None)
    failing = await parts.get(desk.runs.failing(ids), {})
    planned = await parts.get(_planned(desk, jobs, latest or {}), {})
    strips = await parts.get(_strips(desk, jobs), {}) if with_charts else {}
    rows = [
        JobRow(
            job=job,
            schedules=planned[job.id][0] if job.id in planned else None,
            forecast=planned[job.id][1] if job.id in planned else NOTHING,
            latest=(latest or {}).get(job.id),
            pause=pauses.get(f"job:{job.job_type}"),
            failing=failing.get(job.id, 0),
            runs=strips.get(job.id),
            usual=usual_of(strips.get(job.id, ())),
        )
        for job in jobs
    ]
    return Rows(rows=rows, pause=pauses.get("all"), problems=parts.problems, knows_runs=latest is not None)


def words_of(schedule: JobSchedule, timezone: str) -> str:
    """Say when a schedule fires; of one that a newer version stored and this one refuses, why."""
    try:
        return describe(schedule, default_timezone=timezone)
    except InvalidScheduleError as error:
        return error.message


async def _planned(
    desk: Desk, jobs: Sequence[JobInfo], latest: Mapping[UUID, JobRun]
) -> Mapping[UUID, tuple[Sequence[str], JobForecast]]:
    timezone, now = await desk.timezone(), desk.now()

    async def plan(job: JobInfo) -> tuple[Sequence[str], JobForecast]:
        try:
            entry = await desk.jobs.get_job_schedules(job.job_type)
        except (JobNotFoundError, InvalidScheduleError) as error:  # of this job alone
            return [error.message], NOTHING
        forecast = await desk.forecasts.of_job(job, entry, latest.get(job.id), timezone=timezone, now=now)
        return [words_of(rule, timezone) for rule in entry.schedules], forecast

    # All at once, for a host before another one asks for schedules together that are asked for at the same time.
    planned = await of_each(jobs, plan, at_once=MOST_TOGETHER)
    return dict(zip([job.id for job in jobs], planned, strict=True))


async def _strips(desk: Desk, jobs: Sequence[JobInfo]) -> Mapping[UUID, Sequence[JobRun]]:
    async def latest(job: JobInfo) -> Sequence[JobRun]:
        page = await desk.runs.runs(RunFilter(job_id=job.id), limit=RUNS)
        return without_secrets(page.runs, [job])

    return dict(zip([job.id for job in jobs], await of_each(jobs, latest), strict=True))
