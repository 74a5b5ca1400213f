"""Schedules as they are stored, of registered jobs and of any others; for hosts before this one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Path, Query, Response
from pydantic import Field

from host.errors import JobNotFoundError, ScheduleNotFoundError, ScheduleVersionError
from host.model.jobs import JobInfo
from host.model.masking import HIDDEN, entry_without_secrets
from host.model.schedules import JobSchedule, ScheduleEntry
from host.model.security import Policy
from host_rest.api.answers import answer
from host_rest.api.cursors import cursor_of, read_cursor
from host_rest.api.demands import demand
from host_rest.api.errors import VersionConflictError
from host_rest.api.inputs import Body, Text, Whole
from host_rest.api.jobs import Cursor
from host_rest.api.schedule_values import Schedule, ShownSchedule, unmasked
from host_rest.api.schedules import ALTER, Expected, IfMatch, expected_version_of
from host_rest.api.services import Call, Host, Services
from host_rest.api.shown import words_of
from host_rest.api.strict import new_router

router = new_router("schedules")
READ = demand(Policy.READ_SYSTEM_JOBS)
LISTING = "stored-schedules"
MOST_SCHEDULES = 1_000
"""Of one entry: a file that people write may hold more than a request may set otherwise."""

JobType = Annotated[str, Path(max_length=1000, description="As the entry has it, never another name of the job.")]


class Storing(Body):
    """All schedules that an entry shall hold; none: the job is cleared, and no fallback counts."""

    schedules: Annotated[list[Schedule], Field(max_length=MOST_SCHEDULES)]
    expected_version: Text | None = Field(
        None, description="The same as If-Match, without quotes; empty: nothing is stored yet."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One entry of the schedule store."""

    job_type: str
    schedules: tuple[ShownSchedule, ...]
    """Empty: an operator cleared the job, and no fallback counts."""
    version: str
    """To be named when removing it; also the ETag."""
    source: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPage:
    """One page of all entries, in stored order."""

    entries: tuple[Stored, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What became of an entry."""

    was_stored: bool


@router.get("/stored-schedules", response_model=StoredPage, openapi_extra=READ)
async def list_stored(host: Host, cursor: Cursor = None, limit: Annotated[Whole, Query(ge=1, le=200)] = 50) -> Response:
    """List what the schedule store holds, in its order; a job without entry has the schedules of its fallback."""
    entries = await host.schedules.all()
    begin = 0 if cursor is None else _after(entries, read_cursor(cursor, LISTING))
    page = entries[begin : begin + limit]
    is_more = begin + limit < len(entries)
    following = cursor_of(LISTING, (page[-1].job_type, str(begin + limit))) if is_more else None
    return answer(StoredPage(entries=tuple([await _shown(host, each) for each in page]), next_cursor=following))


@router.get("/stored-schedules/{job_type}", response_model=Stored, openapi_extra=READ)
async def get_stored(host: Host, job_type: JobType) -> Response:
    """Give the entry of a job type; 404 where its fallback is in force. The ETag is its version."""
    entry = await host.schedules.get(job_type)
    if entry is None:
        raise ScheduleNotFoundError(f"nothing is stored for {job_type[:200]!r}", hint="its fallback is in force")
    return answer(await _shown(host, entry), headers={"ETag": f'"{entry.version}"'})


@router.put("/stored-schedules/{job_type}", response_model=Stored, openapi_extra=ALTER)
async def put_stored(host: Host, call: Call, job_type: JobType, body: Storing, if_match: IfMatch = None) -> Response:
    """Store these schedules as the entry of a job type, registered or not, all or nothing; equal ones change nothing.

    A hidden parameter that still is ``***`` keeps its stored value. The ETag of the answer is the new version.
    """
    entry = await host.schedules.get(job_type)
    present = entry.version if entry else ""
    expected = expected_version_of(if_match, body.expected_version, present)
    stored = entry.schedules if entry else ()
    rules = unmasked(await _declared(host, job_type), [each.to_model() for each in body.schedules], stored)
    zone = await host.timezone()
    try:
        entry = await host.schedules.replace(job_type, rules, expected_version=expected)
    except ScheduleVersionError as error:
        raise VersionConflictError(expected or "", await _version(host, job_type)) from error
    words = "; ".join(words_of(rule, zone) for rule in entry.schedules) or "none"
    call.audit.update(job=job_type[:200], schedules=words[:1000])
    return answer(await _shown(host, entry), headers={"ETag": f'"{entry.version}"'})


@router.delete("/stored-schedules/{job_type}", response_model=Removed, openapi_extra=ALTER)
async def remove_stored(
    host: Host, call: Call, job_type: JobType, if_match: IfMatch = None, expected_version: Expected = None
) -> Response:
    """Forget the entry of a job type, also of one that nobody offers any more; its fallback is in force again."""
    entry = await host.schedules.get(job_type)
    present = entry.version if entry else ""
    expected = expected_version_of(if_match, expected_version, present)
    call.audit.update(job=job_type[:200], schedules="the fallback's")
    try:
        was_stored = await host.schedules.remove(job_type, expected_version=expected)
    except ScheduleVersionError as error:
        raise VersionConflictError(expected or "", await _version(host, job_type)) from error
    return answer(Removed(was_stored=was_stored))


async def _version(host: Services, job_type: str) -> str:
    entry = await host.schedules.get(job_type)
    return entry.version if entry else ""


def _after(entries: Sequence[ScheduleEntry], place: tuple[str, ...]) -> int:
    """Give where to go on: after the entry shown last, or where it stood."""
    shown, number = place[0], place[-1]
    found = next((index for index, entry in enumerate(entries, 1) if entry.job_type == shown), None)
    if found is not None:
        return found
    return max(0, int(number) - 1) if number.isascii() and number.isdigit() else 0


async def _shown(host: Services, entry: ScheduleEntry) -> Stored:
    job = await _declared(host, entry.job_type)
    shown = entry_without_secrets(entry, job).schedules if job else tuple(map(_all_hidden, entry.schedules))
    return Stored(job_type=entry.job_type, schedules=shown, version=entry.version, source=entry.source)


async def _declared(host: Services, job_type: str) -> JobInfo | None:
    try:
        return await host.jobs.get_job(job_type)
    except JobNotFoundError:
        offered = await host.jobs.get_available_jobs()
        return next((job for job in offered if job_type == job.job_type or job_type in job.aliases), None)


def _all_hidden(rule: JobSchedule) -> JobSchedule:
    """Hide every parameter: nobody says which of them are secret."""
    return replace(rule, parameters=dict.fromkeys(rule.parameters, HIDDEN)) if rule.parameters else rule
