"""Secret values that a form showed as hidden and sent back so: the stored ones are meant."""

from __future__ import annotations

from dataclasses import replace

from host.errors import InvalidParameterError
from host.model.jobs import JobInfo
from host.model.masking import HIDDEN, secret_names
from host.model.schedules import JobSchedule


def with_stored_secrets(job: JobInfo, schedule: JobSchedule, kept: JobSchedule | None) -> JobSchedule:
    """Put stored values back where the mask came back; raises InvalidParameterError where there is none."""
    given = schedule.parameters or {}
    masked = {name for name in secret_names(job) if given.get(name) == HIDDEN}
    stored = (kept.parameters if kept else None) or {}
    if masked - stored.keys():
        name = min(masked - stored.keys())
        raise InvalidParameterError(
            f"parameter {name!r}: {HIDDEN} stands for a value that is not shown", hint="write it"
        )
    if not masked:
        return schedule
    return replace(schedule, parameters={**given, **{name: stored[name] for name in masked}})
