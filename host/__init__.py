"""jobhost: a pluggable host for background jobs. What a job or provider author needs, by its short name."""

from host.contracts.contract import Contract, Finding, Service, Settings
from host.contracts.functions import job
from host.contracts.jobs import Job, JobContext, JobManagerService, RunControl, RunLogger
from host.contracts.runs import JobRunReader
from host.contracts.schedules import JobScheduleManager
from host.errors import HostError
from host.model.jobs import JobInfo, JobParameter, JobStartType, OverlapPolicy, RecoveryPolicy
from host.model.runs import JobResult, JobRun, RunReason, RunState
from host.model.schedules import JobSchedule, Weekday
from host.model.submissions import RunSubmission

__all__ = [
    "Contract",
    "Finding",
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
    "RunControl",
    "RunLogger",
    "RunReason",
    "RunState",
    "RunSubmission",
    "Service",
    "Settings",
    "Weekday",
    "job",
]
