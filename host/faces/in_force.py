"""The schedules in force of many jobs, asked for together: a host before another one makes one request of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeAlias

from host.contracts.jobs import JobManagerService
from host.errors import InvalidScheduleError, JobNotFoundError
from host.model.schedules import ScheduleEntry

MOST_TOGETHER = 200
"""Jobs asked about at once: what one request to an upstream carries."""

Untold: TypeAlias = JobNotFoundError | InvalidScheduleError
"""Why one job's schedules cannot be had, whatever the others' are: it is gone, or they make no sense here."""


async def schedules_in_force(jobs: JobManagerService, names: Sequence[str]) -> Sequence[ScheduleEntry | Untold]:
    """Give the schedules in force of each of these jobs, in order, or why they cannot be had; raises other errors."""
    found: list[ScheduleEntry | Untold] = []
    for begin in range(0, len(names), MOST_TOGETHER):
        some = names[begin : begin + MOST_TOGETHER]
        found += await asyncio.gather(*(_asked(jobs, name) for name in some))
    return found


async def _asked(jobs: JobManagerService, name: str) -> ScheduleEntry | Untold:
    try:
        return await jobs.get_job_schedules(name)
    except (JobNotFoundError, InvalidScheduleError) as error:
        return error
