"""The schedules of one job as its page shows them: in words, with the next fire times and what clocks do to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from host.contracts.registry import Pause
from host.errors import InvalidScheduleError
from host.model.jobs import JobInfo
from host.model.schedules import IntervalMode, JobSchedule, ScheduleEntry, ScheduleKind, schedule_ids
from host.triggers import FireTime, NextFire, is_floating, preview
from host_panel.desk import Desk
from host_panel.job_rows import words_of

FIRES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSchedule:
    """One schedule."""

    id: UUID
    words: str
    fires: Sequence[FireTime]
    within: timedelta | None
    """Instead of fire times, where no run tells yet what an interval is counted from."""
    is_over: bool
    pause: Pause | None
    has_parameters: bool


async def shown_schedules(
    desk: Desk, job: JobInfo, entry: ScheduleEntry, pauses: Mapping[str, Pause]
) -> Sequence[ShownSchedule]:
    """Give each schedule of an entry, in stored order."""
    timezone, now = await desk.timezone(), desk.now()
    known = await desk.forecasts.of_schedules(job, entry, timezone=timezone, now=now)
    identities = schedule_ids(job.job_type, entry.schedules)
    return [
        ShownSchedule(
            id=identity,
            words=words_of(rule, timezone),
            fires=_fires(job, rule, fire, timezone, now),
            within=fire.within,
            is_over=fire.is_over,
            pause=pauses.get(f"schedule:{identity}"),
            has_parameters=bool(rule.parameters),
        )
        for rule, identity, fire in zip(entry.schedules, identities, known, strict=True)
    ]


def _fires(job: JobInfo, rule: JobSchedule, known: NextFire, timezone: str, now: datetime) -> Sequence[FireTime]:
    if known.at is None:
        return ()
    after = now
    if is_floating(rule) and rule.interval is not None:
        after = known.at - rule.interval  # as if it had come into force one interval before
    count = 1 if rule.kind is ScheduleKind.INTERVAL and rule.mode is IntervalMode.FIXED_DELAY else FIRES
    try:
        return preview(rule, job_id=job.id, default_timezone=timezone, after=after, count=count)
    except InvalidScheduleError:
        return ()
