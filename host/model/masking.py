"""Jobs, runs and schedules as anybody may see them: values of secret parameters hidden."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from host.model.jobs import JobInfo
from host.model.json import JsonObject
from host.model.runs import JobRun
from host.model.schedules import JobSchedule, ScheduleEntry

HIDDEN = "***"
"""Stands for the value of a secret parameter."""


def secret_names(job: JobInfo) -> frozenset[str]:
    """Give the names of a job's secret parameters."""
    return frozenset(parameter.name for parameter in job.parameters if parameter.secret)


def without_secrets(runs: Sequence[JobRun], jobs: Iterable[JobInfo]) -> Sequence[JobRun]:
    """Give the runs with the values of secret parameters hidden.

    Of a run whose job is not among ``jobs`` every value is hidden: nobody says which of them are secret.
    """
    secrets = {job.id: secret_names(job) for job in jobs}
    return [_masked_run(run, secrets) for run in runs]


def job_without_secrets(job: JobInfo) -> JobInfo:
    """Give the job with the configured and default values of secret parameters hidden."""
    parameters = tuple(replace(p, default=HIDDEN) if p.secret and p.default is not None else p for p in job.parameters)
    configured = _masked(job.configured_parameters, secret_names(job))
    return replace(job, configured_parameters=configured, parameters=parameters)


def entry_without_secrets(entry: ScheduleEntry, job: JobInfo) -> ScheduleEntry:
    """Give the schedules with the values of secret parameters hidden."""
    secret = secret_names(job)
    return replace(entry, schedules=tuple(_masked_rule(rule, secret) for rule in entry.schedules))


def _masked_run(run: JobRun, secrets: Mapping[UUID, Collection[str]]) -> JobRun:
    secret = secrets.get(run.job_id, run.parameters.keys())
    if not run.parameters.keys() & set(secret):
        return run
    return replace(run, parameters=_masked(run.parameters, secret))


def _masked_rule(rule: JobSchedule, secret: Collection[str]) -> JobSchedule:
    if not rule.parameters or not rule.parameters.keys() & set(secret):
        return rule
    return replace(rule, parameters=_masked(rule.parameters, secret))


def _masked(values: JsonObject, secret: Collection[str]) -> JsonObject:
    return {name: HIDDEN if name in secret else value for name, value in values.items()}
