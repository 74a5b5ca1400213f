"""Submitting runs: one, or several of which all are accepted or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Header, Response
from pydantic import AfterValidator, Field, StrictBool
from pydantic_core import PydanticCustomError

from host.contracts.http import HttpCall
from host.errors import InvalidRequestError, UnsupportedOperationError
from host.model.runs import DEFAULT_TENANT, JobRun
from host.model.security import Policy
from host.model.submissions import RunSubmission
from host.model.traces import is_trace
from host_rest.api.answers import answer
from host_rest.api.demands import demand
from host_rest.api.inputs import Body, Duration, Instant, Number, Text
from host_rest.api.jobs import JobName
from host_rest.api.programs import demand_program, is_program
from host_rest.api.runs import existing
from host_rest.api.services import Base, Call, Host, Services
from host_rest.api.shown import shown_run
from host_rest.api.strict import new_router

router = new_router("runs")
START = demand(Policy.START_SYSTEM_JOB)
MOST_AT_ONCE = 10_000
MOST_BYTES = 16 * 1024 * 1024
"""Of a request with several runs."""


def _trace(value: str) -> str:
    if not is_trace(value):
        hint = "e.g. 0af7651916cd43dd8448eb211c80319c, or a whole traceparent of version 00"
        raise PydanticCustomError("trace", "it is no trace id of W3C Trace Context", {"hint": hint})
    return value


Parameters = Annotated[
    dict[str, Any] | list[Any], Field(description="By name as an object, or by position as an array.")
]
Trace = Annotated[str, AfterValidator(_trace)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="A second request with the same key for the same job gives the first one's run.",
    ),
]


class Start(Body):
    """A run asked for; what is left out is as the job declares."""

    parameters: Parameters = Field({})
    tenant: Annotated[Text, Field(min_length=1)] = DEFAULT_TENANT
    owner: Text | None = Field(
        None, description="Whose run it is, said by programs only; null: nobody's. Left out: the caller's."
    )
    priority: Number | None = Field(None, description="Higher goes first.")
    not_before: Instant | None = Field(None, description="Start no sooner.")
    expires_at: Instant | None = Field(None, description="Fail it if it has not started by then.")
    timeout: Duration | None = Field(None, description="Stop an attempt that takes longer.")
    idempotency_key: Annotated[Text, Field(min_length=1)] | None = None
    trace_id: Trace | None = Field(
        None,
        description="What trace it belongs to: an id of 32 hexadecimal digits, or a whole traceparent; null: one of "
        "its own. Left out: the request's.",
    )
    hold: StrictBool = Field(False, description="Keep it pending until it is released.")


class Submission(Start):
    """A run of a job asked for."""

    job: Annotated[Text, Field(min_length=1, description="Id, type name, alias or unambiguous name.")]


class Submissions(Body):
    """Several runs asked for at once."""

    runs: Annotated[list[Submission], Field(min_length=1, max_length=MOST_AT_ONCE)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The runs that were accepted."""

    ids: tuple[UUID, ...]
    """In the order they were asked for; equal keys of one job give equal ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A job that was asked to start, at an upstream that tells no run of it."""

    job_id: UUID
    job_type: str


WITHOUT_RUN: dict[int | str, dict[str, Any]] = {
    202: {"model": Started, "description": "The job was asked to start; an upstream tells no run of it."}
}


@router.post("/runs", status_code=201, response_model=JobRun, responses=WITHOUT_RUN, openapi_extra=START)
async def submit_run(host: Host, call: Call, base: Base, body: Submission, key: IdempotencyKey = None) -> Response:
    """Submit a run of a job. What was answered is durable."""
    return await _submitted(host, call, base, _submission(call, body, body.job, key=key))


@router.post("/jobs/{job}/start", status_code=201, response_model=JobRun, responses=WITHOUT_RUN, openapi_extra=START)
async def start_job(
    host: Host, call: Call, base: Base, job: JobName, body: Start, key: IdempotencyKey = None
) -> Response:
    """Submit a run of this job."""
    return await _submitted(host, call, base, _submission(call, body, job, key=key))


@router.post(
    "/submissions",
    status_code=201,
    response_model=Accepted,
    openapi_extra=demand(Policy.START_SYSTEM_JOB, max_body_bytes=MOST_BYTES),
)
async def submit_runs(host: Host, call: Call, body: Submissions) -> Response:
    """Submit several runs in one transaction: all are accepted, or none."""
    call.audit["runs"] = str(len(body.runs))
    submissions = [_submission(call, each, each.job) for each in body.runs]
    ids = await host.control.submit(submissions)
    return answer(Accepted(ids=tuple(ids)), status=201)


async def _submitted(host: Services, call: HttpCall, base: str, submission: RunSubmission) -> Response:
    try:
        (run_id,) = await host.control.submit([submission])
    except UnsupportedOperationError:
        if not _is_plain(submission):
            raise
        return await _started(host, call, base, submission)
    return await _accepted(host, call, base, await existing(host, run_id))


async def _started(host: Services, call: HttpCall, base: str, asked: RunSubmission) -> Response:
    """Start a job where submissions are not possible: that asks for no run's id."""
    job = await host.jobs.get_job(asked.job)
    call.audit.update(job=job.job_type)
    run = await host.jobs.start_job(str(job.id), asked.parameters, by=asked.owner)
    if run is not None:
        return await _accepted(host, call, base, run)
    return answer(Started(job_id=job.id, job_type=job.job_type), status=202)


def _is_plain(asked: RunSubmission) -> bool:
    """Say whether nothing is asked for that starting a job could not promise; its trace is a courtesy."""
    plain = RunSubmission(job=asked.job, parameters=asked.parameters, owner=asked.owner, trace_id=asked.trace_id)
    return asked == plain


async def _accepted(host: Services, call: HttpCall, base: str, run: JobRun) -> Response:
    call.audit.update(job=run.job_type, run=str(run.id))
    return answer(await shown_run(host, run), status=201, headers={"Location": f"{base}/runs/{run.id}"})


def _submission(call: HttpCall, body: Start, job: str, *, key: str | None = None) -> RunSubmission:
    if key is not None and body.idempotency_key is not None and key != body.idempotency_key:
        raise InvalidRequestError("the header Idempotency-Key and the member idempotency_key differ")
    return RunSubmission(
        job=job,
        parameters=body.parameters,
        tenant=body.tenant,
        owner=_owner(call, body),
        priority=body.priority,
        not_before=body.not_before,
        expires_at=body.expires_at,
        timeout=body.timeout,
        idempotency_key=key or body.idempotency_key,
        trace_id=body.trace_id if "trace_id" in body.model_fields_set else call.trace,
        hold=body.hold,
    )


def _owner(call: HttpCall, body: Start) -> str | None:
    """Give whose run it is to be; raises AccessDeniedError for a person who names an owner."""
    if body.owner is not None:
        demand_program(call, "submit runs of others", hint="leave out owner: the run is yours")
    return body.owner if "owner" in body.model_fields_set and is_program(call) else call.caller
