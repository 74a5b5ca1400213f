"""Schedules that are only thought of: when they would fire, in words, and what an edit would change."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated
from uuid import UUID

from cron_descriptor import (  # type: ignore[import-untyped]  # it ships no types
    CasingTypeEnum,
    FormatError,
    MissingFieldError,
    Options,
    WrongArgumentError,
    get_description,
)
from fastapi import Response
from pydantic import Field, StrictInt

from host.errors import InvalidRequestError
from host.model.schedules import CronDialect, JobSchedule, ScheduleKind
from host.model.security import Policy
from host.triggers import check_schedule, describe, fire_difference, preview
from host.triggers.cron import split_cron
from host.triggers.cron_fields import is_hashed
from host_rest.api.answers import answer
from host_rest.api.demands import demand
from host_rest.api.inputs import Body, Instant, Text
from host_rest.api.jobs import JobName
from host_rest.api.schedule_values import Schedules, ShownFire, shown_fires
from host_rest.api.services import Host
from host_rest.api.strict import new_router

router = new_router("schedules")
READ = demand(Policy.READ_SYSTEM_JOBS, is_audited=False)
NO_JOB = UUID(int=0)
MOST_FIRES = 1000
"""Fire times of all schedules of an answer together."""
LONGEST_SPAN = timedelta(days=3660)
_OPTIONS = Options(CasingTypeEnum.LowerCase, use_24hour_time_format=True, locale_code="en_US")


class Preview(Body):
    """Schedules, and which of their fire times are wanted."""

    schedules: Schedules
    job: Annotated[Text, Field(min_length=1)] | None = Field(
        None, description="Whose they would be: H in a cron expression and jitter depend on it."
    )
    after: Instant | None = Field(None, description="Fire times after this; now if left out.")
    count: Annotated[StrictInt, Field(ge=1, le=MOST_FIRES)] = Field(
        5, description=f"Of each schedule; of all together at most {MOST_FIRES} are given."
    )


class Worded(Body):
    """Schedules to be put into words."""

    schedules: Schedules


class Edit(Body):
    """The schedules that a job would be given."""

    schedules: Schedules
    since: Instant | None = Field(None, description="Begin of the span that is compared; now if left out.")
    until: Instant | None = Field(None, description="Its end; 30 days later if left out.")
    at_most: Annotated[StrictInt, Field(ge=1, le=MOST_FIRES)] = Field(
        200, description="Fire times of each side that are looked at; the span ends sooner where there are more."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A schedule for people."""

    words: str
    """When it fires, in English."""
    explanation: str | None
    """Of a cron expression that ``words`` only repeats, where an explanation is certain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What an edit does to fire times in a span; oldest first."""

    added: tuple[ShownFire, ...]
    dropped: tuple[ShownFire, ...]
    kept: int
    """How many fire times both have."""
    since: datetime
    until: datetime
    """Where the comparison ends: earlier than asked where there are too many fire times."""
    before: tuple[Words, ...]
    after: tuple[Words, ...]
    version: str
    """Of the schedules in force, to be named when replacing them."""


@router.post("/schedules/preview", response_model=list[list[ShownFire]], openapi_extra=READ)
async def preview_schedules(host: Host, body: Preview) -> Response:
    """Give the next fire times of schedules, one list each, in their order.

    Each is read as one that comes into force at ``after``; of a fixed-delay interval only the first is known.
    """
    job_id = (await host.jobs.get_job(body.job)).id if body.job is not None else NO_JOB
    zone, after = await host.timezone(), body.after or host.now()
    if body.count * len(body.schedules) > MOST_FIRES:
        hint = "ask for fewer of each, or for fewer schedules"
        raise InvalidRequestError(f"at most {MOST_FIRES} fire times are given together", hint=hint)
    schedules = _checked(body.schedules, zone)

    def reckoned() -> list[list[ShownFire]]:
        return [
            shown_fires(preview(schedule, job_id=job_id, default_timezone=zone, after=after, count=body.count))
            for schedule in schedules
        ]

    return answer(await host.reckon(reckoned))


@router.post("/schedules/words", response_model=list[Words], openapi_extra=READ)
async def word_schedules(host: Host, body: Worded) -> Response:
    """Say when schedules fire, in their order."""
    zone = await host.timezone()
    schedules = _checked(body.schedules, zone)
    return answer(await host.reckon(lambda: [_words(schedule, zone) for schedule in schedules]))


@router.post("/jobs/{job}/schedules/diff", response_model=Difference, openapi_extra=READ)
async def compare_schedules(host: Host, job: JobName, body: Edit) -> Response:
    """Say which fire times an edit of a job's schedules would add and drop; changes nothing."""
    info = await host.jobs.get_job(job)
    present = await host.jobs.get_job_schedules(info.job_type)
    since = body.since or host.now()
    until = _until(since, body.until)
    zone = await host.timezone()
    wanted = _checked(body.schedules, zone)
    compare = partial(fire_difference, job_id=info.id, default_timezone=zone, since=since, until=until)
    found = await host.reckon(lambda: compare(present.schedules, wanted, at_most=body.at_most))
    return answer(
        Difference(
            added=tuple(shown_fires(found.added)),
            dropped=tuple(shown_fires(found.dropped)),
            kept=found.kept,
            since=since,
            until=found.until,
            before=tuple(_words(rule, zone) for rule in present.schedules),
            after=tuple(_words(rule, zone) for rule in wanted),
            version=present.version,
        )
    )


def _checked(given: Schedules, zone: str) -> list[JobSchedule]:
    schedules = [each.to_model() for each in given]
    for schedule in schedules:
        check_schedule(schedule, default_timezone=zone)
    return schedules


def _until(since: datetime, until: datetime | None) -> datetime:
    try:
        end = until or since + timedelta(days=30)
    except OverflowError:
        raise InvalidRequestError("since is beyond what can be reckoned with") from None
    if not since < end <= since + min(LONGEST_SPAN, datetime.max.replace(tzinfo=since.tzinfo) - since):
        raise InvalidRequestError("until is not after since, or more than ten years later")
    return end


def _words(schedule: JobSchedule, zone: str) -> Words:
    words = describe(schedule, default_timezone=zone)
    return Words(words=words, explanation=_explanation(schedule) if "(" not in words else None)


def _explanation(schedule: JobSchedule) -> str | None:
    """Explain a cron expression by cron-descriptor, but for what it reads in another way than a trigger does."""
    if schedule.kind is not ScheduleKind.CRON or not schedule.expression:
        return None
    # Invariant: six fields, seconds first, is the one order in which both read an expression.
    fields = split_cron(schedule.expression)
    days, weekdays = fields[3], fields[5]
    has_both_days = days not in "*?" and weekdays not in "*?"
    if (has_both_days and schedule.dialect is CronDialect.CIS) or "l" in f"{days}{weekdays}":
        return None
    if any(map(is_hashed, fields)) or any(map(_is_uneven, fields, (60, 60, 24))):
        return None
    try:
        return str(get_description(" ".join(fields).upper(), _OPTIONS))
    except (FormatError, MissingFieldError, WrongArgumentError):
        return None


def _is_uneven(field: str, cycle: int) -> bool:
    """Say whether a step does not divide its cycle, so that "every 7 minutes" would be wrong at its end."""
    steps = re.findall(r"/(\d+)", field)
    return any(int(step) < 1 or cycle % int(step) for step in steps)
