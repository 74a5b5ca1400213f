"""The resource of schedules: those in force of a job, and replacing them under a version."""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Header, Path, Query, Response
from pydantic import Field

from host.contracts.http import HttpCall
from host.errors import InvalidRequestError, ScheduleVersionError
from host.model.jobs import JobInfo
from host.model.schedules import ScheduleEntry
from host.model.security import Policy
from host.triggers import upcoming
from host_rest.api.answers import answer
from host_rest.api.demands import demand
from host_rest.api.errors import VersionConflictError
from host_rest.api.inputs import Body, Instant, Text, Whole
from host_rest.api.jobs import JobName, PauseChange, Pausing
from host_rest.api.schedule_values import Entry, Schedules, ShownFire, shown_fires, unmasked
from host_rest.api.services import By, Call, Host, Services
from host_rest.api.shown import shown_entry, words_of
from host_rest.api.strict import new_router

router = new_router("schedules")
READ = demand(Policy.READ_SYSTEM_JOBS)
ALTER = demand(Policy.ALTER_SYSTEM_JOB_SCHEDULE)
NEXT = 5
_ETAGS = re.compile(r'"[^"]*"(\s*,\s*"[^"]*")*')

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=1000,
        description="ETag of the schedules as they were read, or several of which one must fit; "
        "another version is refused with 409.",
    ),
]
ScheduleId = Annotated[UUID, Path(description="Id of one schedule, as its job's schedules show it.")]
Expected = Annotated[str | None, Query(max_length=200, description="The same as If-Match, without quotes.")]


class Replacement(Body):
    """All schedules that a job shall have."""

    schedules: Schedules
    expected_version: Text | None = Field(None, description="The same as If-Match, without quotes.")


@router.get("/jobs/{job}/schedules", response_model=Entry, openapi_extra=READ)
async def get_schedules(host: Host, job: JobName) -> Response:
    """Give the schedules in force of a job; the ETag is their version."""
    info = await host.jobs.get_job(job)
    return await _shown(host, info, await host.jobs.get_job_schedules(info.job_type))


@router.put("/jobs/{job}/schedules", response_model=Entry, openapi_extra=ALTER)
async def put_schedules(host: Host, call: Call, job: JobName, body: Replacement, if_match: IfMatch = None) -> Response:
    """Replace the schedules of a job for good, all or nothing.

    A secret parameter that still is ``***`` keeps its stored value.
    """
    info = await host.jobs.get_job(job)
    present = await host.jobs.get_job_schedules(info.job_type)
    expected = expected_version_of(if_match, body.expected_version, present.version)
    rules = unmasked(info, [each.to_model() for each in body.schedules], present.schedules)
    zone = await host.timezone()
    try:
        entry = await host.jobs.set_job_schedule(info.job_type, rules, expected_version=expected)
    except ScheduleVersionError as error:
        raise await _conflict(host, info, expected or "") from error
    _note(call, info, "; ".join(words_of(rule, zone) for rule in entry.schedules) or "none")
    return await _shown(host, info, entry)


@router.delete("/jobs/{job}/schedules", response_model=Entry, openapi_extra=ALTER)
async def clear_schedules(
    host: Host, call: Call, job: JobName, if_match: IfMatch = None, expected_version: Expected = None
) -> Response:
    """Leave a job without any schedule, whatever the configuration says; gives the entry as it now is."""
    info = await host.jobs.get_job(job)
    present = await host.jobs.get_job_schedules(info.job_type)
    expected = expected_version_of(if_match, expected_version, present.version)
    try:
        entry = await host.jobs.clear_job_schedule(info.job_type, expected_version=expected)
    except ScheduleVersionError as error:
        raise await _conflict(host, info, expected or "") from error
    _note(call, info, "none")
    return await _shown(host, info, entry)


@router.post("/jobs/{job}/schedules/remove", response_model=Entry, openapi_extra=ALTER)
async def remove_schedules(
    host: Host, call: Call, job: JobName, if_match: IfMatch = None, expected_version: Expected = None
) -> Response:
    """Forget what was stored for a job, so that the schedules of the configuration or of code are in force again."""
    info = await host.jobs.get_job(job)
    present = await host.jobs.get_job_schedules(info.job_type)
    expected = expected_version_of(if_match, expected_version, present.version)
    for name in (info.job_type, *info.aliases):
        if await host.schedules.get(name) is not None:
            try:
                await host.schedules.remove(name, expected_version=expected)
            except ScheduleVersionError as error:
                raise await _conflict(host, info, expected or "") from error
            break
    _note(call, info, "the fallback's")
    return await _shown(host, info, await host.jobs.get_job_schedules(info.job_type))


@router.get("/jobs/{job}/schedules/next", response_model=list[ShownFire], openapi_extra=READ)
async def next_fire_times(
    host: Host,
    job: JobName,
    after: Annotated[Instant | None, Query(description="Fire times after this; now if left out.")] = None,
    count: Annotated[Whole, Query(ge=1, le=1000)] = NEXT,
) -> Response:
    """Give the next fire times of the schedules in force together, as if they came into force then, oldest first."""
    info = await host.jobs.get_job(job)
    entry = await host.jobs.get_job_schedules(info.job_type)
    zone, begin = await host.timezone(), after or host.now()
    reckoned = partial(upcoming, entry.schedules, job_id=info.id, default_timezone=zone, after=begin, count=count)
    return answer(shown_fires(await host.reckon(reckoned)))


@router.post("/schedules/{schedule_id}/pause", response_model=PauseChange, openapi_extra=ALTER)
async def pause_schedule(host: Host, by: By, schedule_id: ScheduleId, body: Pausing) -> Response:
    """Let a schedule start nothing until it is resumed; its job may be started otherwise."""
    scope = f"schedule:{schedule_id}"
    return answer(PauseChange(scope=scope, changed=await host.control.pause(scope, reason=body.reason, by=by)))


@router.post("/schedules/{schedule_id}/resume", response_model=PauseChange, openapi_extra=ALTER)
async def resume_schedule(host: Host, by: By, schedule_id: ScheduleId) -> Response:
    """End the pause of a schedule; fire times inside it are not made up for."""
    scope = f"schedule:{schedule_id}"
    return answer(PauseChange(scope=scope, changed=await host.control.resume(scope, by=by)))


def expected_version_of(if_match: str | None, member: str | None, present: str) -> str | None:
    """Give the version that a change is based on; None if any will do."""
    if if_match is None:
        return member
    version = _matching(if_match.strip(), present)
    if member is not None and member != version:
        raise InvalidRequestError("If-Match and expected_version differ")
    return version


def _matching(if_match: str, present: str) -> str:
    """Give the version that If-Match names (RFC 9110 §13.1.1): of several the present one, if it is among them."""
    if if_match == "*":
        return present
    if not _ETAGS.fullmatch(if_match):
        hint = 'send the ETag as it was given, e.g. If-Match: "1f3a"; a weak one (W/) says too little'
        raise InvalidRequestError("If-Match holds no ETag of these schedules", hint=hint)
    versions = re.findall(r'"([^"]*)"', if_match)
    return present if present in versions else versions[0]


async def _shown(host: Services, info: JobInfo, entry: ScheduleEntry) -> Response:
    return answer(await shown_entry(host, info, entry), headers={"ETag": f'"{entry.version}"'})


async def _conflict(host: Services, info: JobInfo, expected: str) -> VersionConflictError:
    return VersionConflictError(expected, (await host.jobs.get_job_schedules(info.job_type)).version)


def _note(call: HttpCall, info: JobInfo, words: str) -> None:
    call.audit.update(job=info.job_type, schedules=words[:1000])
