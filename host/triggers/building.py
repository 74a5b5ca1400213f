"""From a stored schedule to the trigger that computes its fire times."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID
from zoneinfo import ZoneInfo

from host.model.ids import to_microseconds
from host.model.schedules import IntervalMode, JobSchedule, ScheduleKind
from host.triggers.calendar import WeeklyRule
from host.triggers.checking import check_schedule, cron_expression, given_start, schedule_zone
from host.triggers.cron import cron_rule
from host.triggers.interval import FixedDelayTrigger, FixedRateTrigger
from host.triggers.once import OnceRule, OnceTrigger
from host.triggers.trigger import MICROSECOND, Limits, Trigger
from host.triggers.walls import WallRule, WallTrigger
from host.triggers.zones import FIRST_INSTANT, LAST_INSTANT, LAST_YEAR, instant_of, wall_of


def build_trigger(schedule: JobSchedule, *, job_id: UUID, default_timezone: str, effective_from: datetime) -> Trigger:
    """Give the trigger of a schedule of one job, in force from an aware instant; that instant may fire itself.

    ``default_timezone`` is used where the schedule names none. ``H`` in a cron expression follows from
    ``job_id``. Raises InvalidScheduleError for a schedule that can never work.
    """
    check_schedule(schedule, default_timezone=default_timezone)
    zone = schedule_zone(schedule, default_timezone)
    start = given_start(schedule)
    begin = None if start is None else instant_of(start, zone)
    in_force = min(max(effective_from, FIRST_INSTANT), LAST_INSTANT)
    limits = Limits(
        after=(in_force if begin is None else max(begin, in_force)) - MICROSECOND,
        stop=LAST_INSTANT if schedule.stop is None else instant_of(schedule.stop, zone),
        max_count=schedule.max_count,
    )
    if schedule.kind is ScheduleKind.INTERVAL:
        return _interval(schedule, begin, in_force, limits)
    if schedule.kind is ScheduleKind.ONCE:
        return _once(schedule, zone, limits)
    rule: WallRule
    if schedule.kind is ScheduleKind.CALENDAR:
        assert schedule.start is not None
        rule = WeeklyRule(schedule.days, wall_of(schedule.start, zone).time())
    else:
        rule = cron_rule(cron_expression(schedule), dialect=schedule.dialect, job_id=job_id)
    return WallTrigger(rule, zone=zone, limits=limits)


def jitter_of(schedule_id: UUID, fire_time: datetime, jitter: timedelta) -> timedelta:
    """Give the delay of one fire, between zero and ``jitter`` inclusive; equal for equal arguments, everywhere."""
    instant = to_microseconds(fire_time).to_bytes(8, "big", signed=True)
    chosen = int.from_bytes(sha256(schedule_id.bytes + instant).digest()[:8], "big")
    return MICROSECOND * (chosen % (jitter // MICROSECOND + 1))


def _interval(schedule: JobSchedule, begin: datetime | None, in_force: datetime, limits: Limits) -> Trigger:
    interval = schedule.interval
    assert interval is not None
    if schedule.mode is IntervalMode.FIXED_RATE:
        return FixedRateTrigger(interval, anchor=begin or in_force, fires_at_anchor=begin is not None, limits=limits)
    if begin is not None and begin >= in_force:
        return FixedDelayTrigger(interval, first=begin, limits=limits)
    first = in_force + interval if interval < LAST_INSTANT - in_force else LAST_INSTANT
    return FixedDelayTrigger(interval, first=first, limits=limits)


def _once(schedule: JobSchedule, zone: ZoneInfo, limits: Limits) -> Trigger:
    assert schedule.start is not None
    if schedule.start.tzinfo is None and schedule.start.year <= LAST_YEAR:
        return WallTrigger(OnceRule(schedule.start), zone=zone, limits=limits)
    return OnceTrigger(instant_of(schedule.start, zone), limits=limits)
