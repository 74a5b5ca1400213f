"""When a job should run, as stored and shown; computing fire times is the triggers' work."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from hashlib import sha256
from uuid import UUID, uuid5

from host.model.json import JsonObject

_NAMESPACE = UUID("4f3c2f0e-6d0b-5c53-9d0c-8e3b6f3a1c77")


class ScheduleKind(StrEnum):
    """The four kinds of rule."""

    INTERVAL = "interval"
    CALENDAR = "calendar"
    CRON = "cron"
    ONCE = "once"


class IntervalMode(StrEnum):
    """What an interval is measured from."""

    FIXED_RATE = "fixed_rate"
    """From one fire time to the next."""
    FIXED_DELAY = "fixed_delay"
    """From the end of one run to the start of the next."""


class CronDialect(StrEnum):
    """How day-of-month and day-of-week combine when both are restricted."""

    UNIX = "unix"
    """Either may match (crontab(5))."""
    CIS = "cis"
    """Both must match (Quartz, CIS TaskSchedulingService)."""


class MisfirePolicy(StrEnum):
    """What happens to fire times that passed while nobody could fire."""

    LATEST = "latest"
    """The latest one fires once; the run carries ``missed``, the number of older ones."""
    SKIP = "skip"
    """None fires; one SKIPPED run records the latest, with ``missed``."""
    ALL = "all"
    """Every one inside the misfire window fires."""


class Weekday(StrEnum):
    """Days by SanteDB's names (.NET DayOfWeek)."""

    SUNDAY = "Sunday"
    MONDAY = "Monday"
    TUESDAY = "Tuesday"
    WEDNESDAY = "Wednesday"
    THURSDAY = "Thursday"
    FRIDAY = "Friday"
    SATURDAY = "Saturday"


NO_START_YEAR = 1
"""A ``start`` in year 1 carries only a time of day: no lower bound (SanteDB writes 0001-01-01)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSchedule:
    """One stored rule. Build it with ``every``, ``weekly``, ``cron`` or ``once``.

    ``start`` and ``stop`` are wall time in the schedule's zone when naive; with an offset they are instants
    and are converted to that zone. ``start`` is the first allowed instant (inclusive), ``stop`` the first
    forbidden one. A calendar schedule takes its time of day from ``start``.
    """

    kind: ScheduleKind
    interval: timedelta | None = None
    mode: IntervalMode = IntervalMode.FIXED_RATE
    days: tuple[Weekday, ...] = ()
    expression: str | None = None
    dialect: CronDialect = CronDialect.UNIX
    start: datetime | None = None
    stop: datetime | None = None
    timezone: str | None = None
    """IANA name; None means the host's default zone."""
    max_count: int | None = None
    jitter: timedelta = timedelta(0)
    misfire: MisfirePolicy = MisfirePolicy.LATEST
    misfire_window: timedelta | None = None
    """How far back missed fire times are looked at; None means without limit for LATEST, one day for ALL."""
    parameters: JsonObject | None = None
    """Parameters of its runs, over the configured ones."""
    id: str | None = None
    """Explicit identity (``jh:id``); None derives one from the timing."""

    @classmethod
    def every(
        cls,
        interval: timedelta,
        *,
        mode: IntervalMode = IntervalMode.FIXED_RATE,
        start: datetime | None = None,
        stop: datetime | None = None,
        timezone: str | None = None,
        max_count: int | None = None,
    ) -> JobSchedule:
        """Run every ``interval``, from ``start`` (or from when the schedule was first seen)."""
        return cls(
            kind=ScheduleKind.INTERVAL,
            interval=interval,
            mode=mode,
            start=start,
            stop=stop,
            timezone=timezone,
            max_count=max_count,
        )

    @classmethod
    def weekly(
        cls,
        days: Iterable[Weekday],
        at: time | datetime,
        *,
        stop: datetime | None = None,
        timezone: str | None = None,
        max_count: int | None = None,
    ) -> JobSchedule:
        """Run on ``days`` at a time of day; a datetime also gives the first allowed instant."""
        start = at if isinstance(at, datetime) else datetime.combine(date.min, at)
        order = list(Weekday)
        unique = tuple(sorted(set(days), key=order.index))
        return cls(
            kind=ScheduleKind.CALENDAR, days=unique, start=start, stop=stop, timezone=timezone, max_count=max_count
        )

    @classmethod
    def cron(
        cls,
        expression: str,
        *,
        timezone: str | None = None,
        dialect: CronDialect = CronDialect.UNIX,
        start: datetime | None = None,
        stop: datetime | None = None,
        max_count: int | None = None,
    ) -> JobSchedule:
        """Run when a cron expression matches: 5 fields, or 6 with seconds first, or a macro."""
        return cls(
            kind=ScheduleKind.CRON,
            expression=expression,
            dialect=dialect,
            start=start,
            stop=stop,
            timezone=timezone,
            max_count=max_count,
        )

    @classmethod
    def once(cls, at: datetime, *, timezone: str | None = None) -> JobSchedule:
        """Run one time."""
        return cls(kind=ScheduleKind.ONCE, start=at, timezone=timezone)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleEntry:
    """All schedules of one job as they are stored, and the version to name when replacing them."""

    job_type: str
    schedules: tuple[JobSchedule, ...]
    """In stored order; empty means cleared by an operator, which no fallback overrides."""
    version: str
    """Opaque; changes whenever the entry does."""
    source: str | None = None
    """Where the entry stands, ``file:line``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleCursor:
    """How far a schedule has been considered; kept in the run store, written with the runs it caused."""

    schedule_id: UUID
    version: str
    effective_from: datetime
    """When this version was first seen; no fire time before it is ever considered."""
    last_fire_time: datetime | None = None
    """The latest nominal fire time considered."""
    fire_count: int = 0


def timing_of(schedule: JobSchedule) -> str:
    """Give the canonical text of all fields that change fire times."""
    return json.dumps(
        [
            schedule.kind,
            None if schedule.interval is None else schedule.interval / timedelta(microseconds=1),
            schedule.mode if schedule.kind is ScheduleKind.INTERVAL else None,
            sorted(schedule.days),
            schedule.expression,
            schedule.dialect if schedule.kind is ScheduleKind.CRON else None,
            schedule.start and schedule.start.isoformat(),
            schedule.stop and schedule.stop.isoformat(),
            schedule.timezone,
            schedule.max_count,
        ]
    )


def schedule_version(schedule: JobSchedule) -> str:
    """Give the version of a schedule: a hash of all fields that change fire times."""
    return _version(timing_of(schedule))


def schedule_ids(job_type: str, schedules: Sequence[JobSchedule]) -> tuple[UUID, ...]:
    """Give the id of each schedule of a job, in order.

    An explicit ``id`` names it for good; else the id follows from job type, timing and the ordinal among
    schedules of equal timing.
    """
    return tuple(schedule_id for schedule_id, _ in identify(job_type, schedules))


def identify(job_type: str, schedules: Sequence[JobSchedule]) -> tuple[tuple[UUID, str], ...]:
    """Give ``(id, version)`` of each schedule of a job, in order."""
    seen: dict[str, int] = {}
    identities = []
    for schedule in schedules:
        timing = timing_of(schedule)
        key = f"id:{schedule.id}" if schedule.id else timing
        ordinal = seen.get(key, 0)
        seen[key] = ordinal + 1
        identities.append((uuid5(_NAMESPACE, f"{job_type}|{key}|{ordinal}"), _version(timing)))
    return tuple(identities)


def _version(timing: str) -> str:
    return sha256(timing.encode()).hexdigest()[:16]
