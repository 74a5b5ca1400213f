"""What the calls of the control socket do: read, change, or neither; and a change in words, for the audit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from host.contracts.host import BackupReport
from host.model.runs import BulkReport, CancelResult, JobRun, RunFilter
from host.model.submissions import RunSubmission

NAMED = 10
"""Of many targets, how many are named."""
_NAMES: Mapping[type, str] = {RunSubmission: "job", JobRun: "id", CancelResult: "run_id"}
"""Attributes that name values."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is told of a call besides its name."""

    target: str = ""
    """The argument that names what was acted on."""
    told: tuple[str, ...] = ()
    """Arguments whose values are told as well; never parameters of a job."""


READS = frozenset(
    {
        "JobManagerService.jobs",
        "JobManagerService.get_available_jobs",
        "JobManagerService.get_job",
        "JobManagerService.is_job_registered",
        "JobManagerService.get_job_schedules",
        "JobScheduleManager.all",
        "JobScheduleManager.get",
        "JobRunReader.run",
        "JobRunReader.runs",
        "JobRunReader.latest",
        "JobRunReader.counters",
        "JobRunReader.changes",
        "JobRunReader.statistics",
        "JobRunReader.failing",
        "RunLog.read",
        "RunLog.follow",
        "HostControl.pauses",
        "HostControl.status",
        "HostControl.plugins",
        "AuditTrail.events",
    }
)
"""``Contract.method`` of calls that change nothing."""

CHANGES: Mapping[str, Change] = {
    "JobManagerService.add_job": Change("job_type"),
    "JobManagerService.register_job": Change("job_type"),
    "JobManagerService.start_job": Change("job"),
    "JobManagerService.cancel_job": Change("job"),
    "JobManagerService.set_job_schedule": Change("job"),
    "JobManagerService.clear_job_schedule": Change("job"),
    "RunControl.submit": Change("submissions"),
    "RunControl.cancel": Change("run_id"),
    "RunControl.retry": Change("run_id"),
    "RunControl.amend": Change("run_id", ("priority", "not_before", "is_locked")),
    "RunControl.release": Change("run_id"),
    "RunControl.bulk": Change("where", ("action",)),
    "RunControl.pause": Change("scope", ("reason",)),
    "RunControl.resume": Change("scope"),
    "JobScheduleManager.replace": Change("job_type"),
    "JobScheduleManager.clear": Change("job_type"),
    "JobScheduleManager.remove": Change("job_type"),
    "RunLog.prune": Change("run_ids"),
    "HostControl.drain": Change(),
    "HostControl.reload": Change(),
    "HostBackup.create": Change("folder"),
}
"""``{Contract.method: what is told}`` of calls that change something, unless they are a ``dry_run``."""

REFUSED = frozenset({"AuditTrail.record", "AuditTrail.prune", "RunLog.append"})
"""Calls that nobody may make from outside; as all that stand in none of these tables."""


def target_of(action: str, given: Mapping[str, object]) -> str:
    """Say what a call acts on; empty where no argument names it."""
    change = CHANGES.get(action, Change())
    return words(given.get(change.target))


def told_of(action: str, given: Mapping[str, object]) -> dict[str, str]:
    """Give what else is told of a call's arguments, and on whose behalf the caller says it is."""
    names = (*CHANGES.get(action, Change()).told, "by")
    return {name: words(given[name]) for name in names if given.get(name) is not None}


def result_of(result: object) -> dict[str, str]:
    """Give what is told of a call's result."""
    match result:
        case BulkReport():
            return {"changed": f"{result.changed} of {result.matched}"}
        case BackupReport():
            return {"archive": result.archive}
        case UUID() | JobRun() | list() | tuple():
            return {"runs": words(result)}
        case _:
            return {}


def words(value: object) -> str:
    """Give a value as a short text: what a run, a submission or a filter names, never what it carries."""
    if value is None:
        return ""
    if isinstance(value, RunFilter):
        return _filter_words(value)
    if isinstance(value, Collection) and not isinstance(value, str):
        shown = [words(item) for item in list(value)[:NAMED]]
        return ", ".join([*shown, f"{len(value) - NAMED} more"] if len(value) > NAMED else shown)
    name = _NAMES.get(type(value))
    return str(getattr(value, name) if name else value)


def _filter_words(where: RunFilter) -> str:
    given = {
        "job": where.job_id,
        "states": " ".join(sorted(where.states)),
        "tenant": where.tenant,
        "schedule": where.schedule_id,
        "from": where.created_from,
        "until": where.created_until,
        "text": where.text,
    }
    return ", ".join(f"{name} {value}" for name, value in given.items() if value) or "all runs"
