"""Schedules in requests and answers: the members of JobSchedule, all four kinds in one shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, GetPydanticSchema, StrictInt

from host.errors import InvalidParameterError, InvalidScheduleError, Problem
from host.model.jobs import JobInfo
from host.model.masking import HIDDEN, secret_names
from host.model.schedules import (
    CronDialect,
    IntervalMode,
    JobSchedule,
    MisfirePolicy,
    ScheduleKind,
    Weekday,
    timing_of,
)
from host.triggers import FireTime
from host_rest.api.inputs import AnyDuration, Body, Text, WallTime

MOST_SCHEDULES = 100
"""Schedules that one job may be given by a request."""
MOST_TIMES = 2**62
_BELONGS_TO: Mapping[str, ScheduleKind] = {
    "interval": ScheduleKind.INTERVAL,
    "days": ScheduleKind.CALENDAR,
    "expression": ScheduleKind.CRON,
}


class Schedule(Body):
    """One rule. What is left out, null or empty is as if it were not given."""

    kind: ScheduleKind
    interval: AnyDuration | None = Field(None, description="Of kind interval: how often.")
    mode: IntervalMode = Field(IntervalMode.FIXED_RATE, description="Of kind interval: what it is measured from.")
    days: list[Weekday] = Field([], max_length=7, description="Of kind calendar; the time of day is that of start.")
    expression: Text | None = Field(None, description="Of kind cron: 5 fields, 6 with seconds first, or a macro.")
    dialect: CronDialect = Field(
        CronDialect.UNIX, description="Of kind cron: whether either day field may match (unix) or both must (cis)."
    )
    start: WallTime | None = Field(None, description="First allowed instant; in year 1 only its time of day counts.")
    stop: WallTime | None = Field(None, description="First forbidden instant.")
    timezone: Text | None = Field(None, description="IANA name; null means the host's default zone.")
    max_count: Annotated[StrictInt, Field(ge=-MOST_TIMES, le=MOST_TIMES)] | None = Field(
        None, description="At most so many times."
    )
    jitter: AnyDuration = Field(timedelta(0), description="Start up to so much later.", validate_default=False)
    misfire: MisfirePolicy = Field(MisfirePolicy.LATEST, description="What becomes of missed fire times.")
    misfire_window: AnyDuration | None = Field(None, description="How far back missed fire times count.")
    parameters: dict[str, Any] | None = Field(None, description="Of its runs, over the configured ones.")
    id: Text | None = Field(None, description="A name for good; null derives an identity from the timing.")

    def to_model(self) -> JobSchedule:
        """Give it as the host knows it; raises InvalidScheduleError for what belongs to another kind."""
        for name, kind in _BELONGS_TO.items():
            if getattr(self, name) and kind is not self.kind:
                raise InvalidScheduleError(f"{name} belongs to kind {kind}, not {self.kind}", hint="leave it out")
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return JobSchedule(**{**values, "days": tuple(self.days)})


Schedules = Annotated[list[Schedule], Field(max_length=MOST_SCHEDULES)]
ShownSchedule = Annotated[JobSchedule, GetPydanticSchema(lambda _, handler: handler(Schedule))]
"""A JobSchedule in an answer, documented as what a request may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one schedule of a job stands."""

    id: UUID
    words: str
    """When it fires, in English."""
    next_fire_time: datetime | None
    next_fire_within: timedelta | None
    """Instead of it, where no run tells yet what an interval is counted from."""
    paused: str | None
    """Why it is paused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The schedules of a job in force, and how each of them stands."""

    job_type: str
    schedules: tuple[ShownSchedule, ...]
    version: str
    """To be named when replacing them; also the ETag. Empty for a fallback, and without any."""
    source: str | None
    """Where they stand: ``file:line``, ``code``; null without any."""
    standing: tuple[Standing, ...]
    """One a schedule, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFire:
    """One fire time to come."""

    fire_time: datetime
    local: Annotated[datetime, "with the offset of the schedule's zone"]
    note: str | None
    """What the clocks do to it."""


def shown_fires(times: Sequence[FireTime]) -> list[ShownFire]:
    """Give fire times as answers show them."""
    return [ShownFire(fire_time=time.fire_time, local=time.local, note=time.note) for time in times]


def unmasked(job: JobInfo | None, given: Sequence[JobSchedule], present: Sequence[JobSchedule]) -> list[JobSchedule]:
    """Put stored values back where a client sends the mask it was shown; of a job that nobody knows, in any parameter.

    They come from the present schedule of the same id, else of the same timing. Raises InvalidParameterError where
    there is none.
    """
    secret = None if job is None else secret_names(job)
    return [_unmasked(rule, secret, present) for rule in given]


def _unmasked(rule: JobSchedule, secret: frozenset[str] | None, present: Sequence[JobSchedule]) -> JobSchedule:
    masked = {
        name
        for name, value in (rule.parameters or {}).items()
        if value == HIDDEN and (secret is None or name in secret)
    }
    if not masked:
        return rule
    stored = next((each.parameters or {} for each in present if _is_same(rule, each)), {})
    problems = [
        Problem(message=f"parameter {name!r} is {HIDDEN}, which stands for a value that is not shown")
        for name in sorted(masked - stored.keys())
    ]
    if problems:
        hint = "give the value itself, or a reference secret:NAME"
        raise InvalidParameterError("a secret parameter has no value", problems=problems, hint=hint)
    values = {name: stored[name] if name in masked else value for name, value in (rule.parameters or {}).items()}
    return replace(rule, parameters=values)


def _is_same(rule: JobSchedule, other: JobSchedule) -> bool:
    return rule.id == other.id and (rule.id is not None or timing_of(rule) == timing_of(other))
