"""Schedules in words, and their fire times to come; triggers are imported only when asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from host.cli.connect import ConnectedHost
from host.cli.find import now
from host.cli.text import duration, relative
from host.model.jobs import JobInfo
from host.model.runs import JobRun, RunFilter
from host.model.schedules import JobSchedule, ScheduleEntry, schedule_ids

if TYPE_CHECKING:
    from host.triggers import FireTime, NextFire


def describe_rule(rule: JobSchedule, zone: str) -> str:
    """Say when a schedule fires; raises InvalidScheduleError."""
    from host.triggers import describe

    return describe(rule, default_timezone=zone)


def upcoming(job_id: UUID, rules: Sequence[JobSchedule], zone: str, after: datetime, count: int) -> Sequence[FireTime]:
    """Give the first fire times of several schedules together, by time; as if they came into force at ``after``."""
    from host import triggers

    return triggers.upcoming(rules, job_id=job_id, default_timezone=zone, after=after, count=count)


def fire_words(fire: NextFire) -> str:
    """Give it as words: ``in 5 min``, ``within 20 min``, ``never``; ``-`` for what no run tells yet."""
    if fire.is_over:
        return "never"
    return f"within {duration(fire.within)}" if fire.within else relative(fire.at, now())


async def next_fires(host: ConnectedHost, job: JobInfo, entry: ScheduleEntry, zone: str) -> Sequence[NextFire]:
    """Give the next fire time of each schedule, in their order."""
    from host.triggers import is_floating, next_fire

    fires = []
    for rule, identity in zip(entry.schedules, schedule_ids(job.job_type, entry.schedules), strict=True):
        newest = await _newest_run(host, identity) if is_floating(rule) else None
        fires.append(next_fire(rule, job_id=job.id, default_timezone=zone, now=now(), newest=newest))
    return fires


async def _newest_run(host: ConnectedHost, identity: UUID) -> JobRun | None:
    page = await host.runs.runs(RunFilter(schedule_id=identity), limit=1)
    return page.runs[0] if page.runs else None
