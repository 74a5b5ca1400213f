"""jobhost: a pluggable host for background jobs. What authors of jobs, providers and programs need, by short names."""

from typing import TYPE_CHECKING

from host.contracts.contract import Contract, Finding, Service, Settings
from host.contracts.functions import job
from host.contracts.jobs import Discard, Job, JobContext, JobManagerService, Retry, RunControl, RunLogger, Snooze
from host.contracts.runs import JobRunReader
from host.contracts.schedules import JobScheduleManager
from host.errors import HostError
from host.model.jobs import JobInfo, JobParameter, JobStartType, OverlapPolicy, RecoveryPolicy, RetryPolicy
from host.model.runs import JobResult, JobRun, RunReason, RunState
from host.model.schedules import JobSchedule, Weekday
from host.model.submissions import RunSubmission

if TYPE_CHECKING:
    from host.kernel.host import Host

__all__ = [
    "Contract",
    "Discard",
    "Finding",
    "Host",
    "HostError",
    "Job",
    "JobContext",
    "JobInfo",
    "JobManagerService",
    "JobParameter",
    "JobResult",
    "JobRun",
    "JobRunReader",
    "JobSchedule",
    "JobScheduleManager",
    "JobStartType",
    "OverlapPolicy",
    "RecoveryPolicy",
    "Retry",
    "RetryPolicy",
    "RunControl",
    "RunLogger",
    "RunReason",
    "RunState",
    "RunSubmission",
    "Service",
    "Settings",
    "Snooze",
    "Weekday",
    "job",
]


def __getattr__(name: str) -> object:
    """Import ``Host`` when it is first asked for: it brings third-party libraries, which authors of jobs do without."""
    if name != "Host":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from host.kernel.host import Host

    return Host
