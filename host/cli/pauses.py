"""What is paused, and the words for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from host.cli.connect import ConnectedHost
from host.cli.find import now
from host.cli.text import relative
from host.contracts.host import HostStatus
from host.contracts.registry import Pause
from host.model.jobs import JobInfo
from host.model.schedules import ScheduleEntry, schedule_ids

EVERYTHING = "all"


def paused_scopes(status: HostStatus) -> Mapping[str, str]:
    """Give ``{scope: why, by whom and since when, in words}`` of all pauses."""
    return {pause.scope: _words(pause) for pause in status.pauses}


def job_scope(job: JobInfo) -> str:
    """Give the scope of a job's pause."""
    return f"job:{job.job_type}"


def schedule_scope(identity: UUID) -> str:
    """Give the scope of a schedule's pause."""
    return f"schedule:{identity}"


async def names_of_scopes(host: ConnectedHost, scopes: Iterable[str]) -> Mapping[str, str]:
    """Give ``{scope: name for people}``; a scope whose job or schedule is gone keeps its own."""
    wanted = set(scopes)
    names = {EVERYTHING: "everything"}
    for job in await host.jobs.jobs():
        names[job_scope(job)] = job.name
        if any(scope.startswith("schedule:") for scope in wanted):
            entry = await host.jobs.get_job_schedules(job.job_type)
            names.update(_names_of_schedules(job, entry))
    return {scope: names.get(scope, scope) for scope in wanted}


def _words(pause: Pause) -> str:
    by = f"by {pause.by}, " if pause.by else ""
    return f"{pause.reason} ({by}{relative(pause.at, now())})"


def _names_of_schedules(job: JobInfo, entry: ScheduleEntry) -> Mapping[str, str]:
    identities = schedule_ids(job.job_type, entry.schedules)
    return {schedule_scope(identity): f"{job.name}, schedule {n}" for n, identity in enumerate(identities, 1)}
