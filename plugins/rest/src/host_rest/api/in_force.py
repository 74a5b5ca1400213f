"""The schedules in force of many jobs with one question, for a host before this one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import Response
from pydantic import Field, StringConstraints

from host.errors import InvalidScheduleError, JobNotFoundError
from host.faces.in_force import MOST_TOGETHER
from host.model.masking import entry_without_secrets
from host_rest.api.answers import answer
from host_rest.api.inputs import Body
from host_rest.api.replicas import READ_BY_POST
from host_rest.api.schedule_values import ShownSchedule
from host_rest.api.services import Host, Services
from host_rest.api.strict import new_router

router = new_router("replicas")

Name = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """The schedules of a job in force, without how each of them stands."""

    job_type: str
    schedules: tuple[ShownSchedule, ...]
    version: str
    """To be named when replacing them. Empty for a fallback, and without any."""
    source: str | None
    """Where they stand: ``file:line``, ``code``; null without any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllInForce:
    """What was asked for, in the same order."""

    entries: tuple[InForce | None, ...]
    """Null of a job whose schedules cannot be told; asked for them alone, the host says why."""


class InForceOf(Body):
    """Whose schedules are meant."""

    jobs: Annotated[
        list[Name], Field(max_length=MOST_TOGETHER, description="Ids, type names, aliases or unambiguous names.")
    ]


@router.post("/schedules-in-force", response_model=AllInForce, openapi_extra=READ_BY_POST)
async def schedules_in_force(host: Host, body: InForceOf) -> Response:
    """Give the schedules in force of each of these jobs, without how they stand; changes nothing."""
    await host.jobs.jobs()  # a host before another one then knows them all, and asks for none of them alone
    entries = await asyncio.gather(*(_in_force(host, name) for name in body.jobs))
    return answer(AllInForce(entries=tuple(entries)))


async def _in_force(host: Services, name: str) -> InForce | None:
    try:
        job = await host.jobs.get_job(name)
        entry = await host.jobs.get_job_schedules(job.job_type)
    except (JobNotFoundError, InvalidScheduleError):
        return None
    shown = entry_without_secrets(entry, job)
    return InForce(job_type=entry.job_type, schedules=shown.schedules, version=entry.version, source=entry.source)
