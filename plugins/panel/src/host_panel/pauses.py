"""What is paused, with names and places for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from host.contracts.registry import Pause
from host.errors import JobNotFoundError, ScheduleNotFoundError
from host.model.jobs import JobInfo
from host.model.schedules import schedule_ids
from host_panel.desk import Desk

EVERYTHING = "all"
QUARANTINE = "quarantine"
"""Who paused a job whose run killed its host again and again: the engine's word."""
_JOB, _SCHEDULE = "job:", "schedule:"
MOST = 50
"""Pauses that are named on a page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPause:
    """A pause as a page shows it."""

    pause: Pause
    name: str
    path: str | None = None
    """Below the panel's own, of what is paused."""
    job: JobInfo | None = None
    """If the pause is a registered job's."""

    @property
    def is_quarantine(self) -> bool:
        """Say whether the host itself paused the job."""
        return self.pause.by == QUARANTINE

    @property
    def consequence(self) -> str:
        """Say what its end brings."""
        what = "Runs of all jobs start" if self.pause.scope == EVERYTHING else f"{self.name[:200]}: runs start"
        return f"{what} again. Fire times inside the pause are not made up for."


def job_scope(job: JobInfo) -> str:
    """Give the scope of a job's pause."""
    return f"{_JOB}{job.job_type}"


def schedule_scope(schedule_id: object) -> str:
    """Give the scope of a schedule's pause."""
    return f"{_SCHEDULE}{schedule_id}"


async def scope_of(desk: Desk, job: JobInfo, schedule: str) -> tuple[str, str]:
    """Give the scope of a job, or of one of its schedules by id, and how it is called; raises ScheduleNotFoundError."""
    if not schedule:
        return job_scope(job), f"Job {job.name[:200]}"
    entry = await desk.jobs.get_job_schedules(str(job.id))
    if schedule not in map(str, schedule_ids(job.job_type, entry.schedules)):
        hint = "it was changed or removed meanwhile; load the page again"
        raise ScheduleNotFoundError("the job has no such schedule", where=job.name[:200], hint=hint)
    return schedule_scope(schedule), f"The schedule of {job.name[:200]}"


async def named_pauses(desk: Desk, pauses: Sequence[Pause]) -> Sequence[NamedPause]:
    """Give the first ``MOST`` of them, that of everything before all others."""
    ordered = sorted(pauses, key=lambda pause: pause.scope != EVERYTHING)
    return [await _named(desk, pause) for pause in ordered[:MOST]]


async def _named(desk: Desk, pause: Pause) -> NamedPause:
    scope = pause.scope
    if scope == EVERYTHING:
        return NamedPause(pause=pause, name="Everything")
    if scope.startswith(_SCHEDULE):
        identity = scope.removeprefix(_SCHEDULE)
        return NamedPause(pause=pause, name=f"Schedule {identity}", path=f"/runs?schedule={identity}")
    try:
        job = await desk.jobs.get_job(scope.removeprefix(_JOB))
    except JobNotFoundError:
        return NamedPause(pause=pause, name=scope.removeprefix(_JOB))
    return NamedPause(pause=pause, name=job.name, path=f"/jobs/{job.id}", job=job)
