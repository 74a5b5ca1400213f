"""What a configuration would run by itself, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from host.errors import HostError
from host.kernel.graph import Resolution
from host.model.jobs import JobInfo, JobStartType
from host.model.schedules import JobSchedule, ScheduleEntry
from host.triggers import describe

_STARTS = {JobStartType.IMMEDIATE: "at start", JobStartType.DELAY: "shortly after start"}


def foresee(
    resolution: Resolution, infos: Mapping[str, JobInfo], stored: Sequence[ScheduleEntry], timezone: str
) -> tuple[str, ...]:
    """Give a line for each configured job: its type, when it would run, and where that is said."""
    entries = {entry.job_type: entry for entry in stored}
    lines = []
    for job, job_type in resolution.jobs:
        if job_type is None:
            continue
        names = (job_type, *infos[job_type].aliases)
        entry = next((entries[name] for name in names if name in entries), None)
        schedules, source = (entry.schedules, entry.source) if entry else (job.schedules, job.where)
        parts = [_STARTS[job.start_type]] if job.start_type in _STARTS else []
        parts.extend(_words(schedule, timezone) for schedule in schedules)
        place = f" [{source}]" if schedules else ""
        lines.append(f"{job_type}: {'; '.join(parts) or 'not by itself'}{place}")
    return tuple(lines)


def _words(schedule: JobSchedule, timezone: str) -> str:
    try:
        return describe(schedule, default_timezone=timezone)
    except HostError as error:
        return f"never ({error})"
