"""Turning "run this job" into a complete request by the job's own policies."""

from __future__ import annotations

from dataclasses import replace

from host.errors import InvalidRequestError
from host.model.jobs import JobInfo, OverlapPolicy
from host.model.json import JsonObject
from host.model.parameters import check_parameters
from host.model.runs import JobRun, RunRequest
from host.model.submissions import RunSubmission
from host.model.traces import is_trace


def request_of(job: JobInfo, submission: RunSubmission) -> RunRequest:
    """Give the request for a submission; raises InvalidParameterError, InvalidRequestError for what is no trace."""
    if submission.trace_id is not None and not is_trace(submission.trace_id):
        hint = "give 32 hexadecimal digits in lower case, or a traceparent as W3C Trace Context has it"
        raise InvalidRequestError(f"{submission.trace_id[:60]!r} is no trace id", where=submission.job, hint=hint)
    return RunRequest(
        job_id=job.id,
        job_type=job.job_type,
        parameters=check_parameters(job, submission.parameters),
        tenant=submission.tenant,
        owner=submission.owner,
        priority=job.priority if submission.priority is None else submission.priority,
        not_before=submission.not_before,
        expires_at=submission.expires_at,
        timeout=job.timeout if submission.timeout is None else submission.timeout,
        max_attempts=job.max_attempts,
        executor=job.executor,
        overlap=job.overlap,
        exclusive_key=exclusive_key(job),
        recovery=job.recovery,
        trace_id=submission.trace_id,
        idempotency_key=submission.idempotency_key,
        hold=submission.hold,
    )


def base_request(job: JobInfo, parameters: JsonObject) -> RunRequest:
    """Give the plain request of a job, with parameters that are checked already."""
    return RunRequest(
        job_id=job.id,
        job_type=job.job_type,
        parameters=parameters,
        priority=job.priority,
        timeout=job.timeout,
        max_attempts=job.max_attempts,
        executor=job.executor,
        overlap=job.overlap,
        exclusive_key=exclusive_key(job),
        recovery=job.recovery,
    )


def exclusive_key(job: JobInfo) -> str | None:
    """Give the key under which the job's runs exclude each other; None where they may overlap."""
    return None if job.overlap is OverlapPolicy.ALLOW else f"job:{job.id}"


def repeat_request(job: JobInfo, run: JobRun, owner: str | None) -> RunRequest:
    """Give the request that repeats a finished run with its own parameters."""
    return replace(
        base_request(job, run.parameters), tenant=run.tenant, owner=owner, priority=run.priority, origin_run_id=run.id
    )
