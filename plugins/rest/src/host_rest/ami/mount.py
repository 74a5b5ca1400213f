"""SanteDB's AMI for jobs: each request read, done by the desk, and answered in the form it asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from email.utils import format_datetime

from host.contracts.clock import Clock
from host.contracts.http import HttpMount, HttpRefusal, HttpRule, Receive, Scope, Send, call_of
from host.contracts.jobs import JobManagerService
from host.contracts.runs import JobRunReader
from host.errors import ErrorKind, HostError
from host.santedb.ami.values import AmiJob, AmiValue
from host_rest.ami.capabilities import JOB_OPTIONS, RULES, SERVICE_OPTIONS
from host_rest.ami.faults import AmiError, fault_of, fault_of_refusal, headers_of
from host_rest.ami.jobs import JobDesk, is_id_of
from host_rest.ami.media import fault_form
from host_rest.ami.messages import AmiAnswer, AmiRequest, is_known, joined
from host_rest.ami.query import read_query


class AmiMount(HttpMount):
    """The resource JobInfo of SanteDB's administrative interface; docs/reference/ami.md."""

    def __init__(self, manager: JobManagerService, runs: JobRunReader, clock: Clock) -> None:
        self._desk = JobDesk(manager, runs, clock)
        self._clock = clock
        self._actions: dict[str, Callable[[AmiRequest], Awaitable[AmiAnswer]]] = {
            "list jobs": self._list,
            "register job": self._register,
            "describe jobs": self._describe_jobs,
            "get job": self._get,
            "schedule job": self._schedule,
            "delete job": self._delete,
            "start job": self._start,
            "cancel job": self._cancel,
            "operate job": self._operate,
            "describe": self._describe,
            "ping": self._ping,
        }

    @property
    def path(self) -> str:
        """Give ``/ami``."""
        return "/ami"

    def rules(self) -> Sequence[HttpRule]:
        """Give every kind of request with what it demands."""
        return RULES

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; a HostError that is not internal becomes a fault in the form it asked for."""
        try:
            answer = await self._actions[call_of(scope).rule.name](AmiRequest(scope, receive))
        except HostError as error:
            if error.kind is ErrorKind.INTERNAL:
                raise  # the server logs it, and has it refused without the details
            status, fault = fault_of(error)
            form = fault_form(joined(scope["headers"]))
            answer = AmiAnswer(status=status, body=form.write(fault), form=form, headers=headers_of(error))
        await self._send(answer, scope, send)

    async def refuse(self, scope: Scope, receive: Receive, send: Send, refusal: HttpRefusal) -> None:
        """Answer with a fault that names the policy, if one was demanded."""
        form = fault_form(joined(scope["headers"]))
        body = form.write(fault_of_refusal(refusal))
        await self._send(AmiAnswer(status=refusal.status, body=body, form=form, headers=refusal.headers), scope, send)

    async def _send(self, answer: AmiAnswer, scope: Scope, send: Send) -> None:
        now = self._clock.now().isoformat()
        await answer.send(send, generated_on=now, is_head=scope["method"] == "HEAD")

    async def _list(self, request: AmiRequest) -> AmiAnswer:
        query = read_query(request.query)
        page = await (self._desk.candidates(query) if query.is_unconfigured else self._desk.page(query))
        return _found(request, page)

    async def _get(self, request: AmiRequest) -> AmiAnswer:
        job = await self._desk.job(request.call.path_values["id"])
        headers = _headers_of(job, request)
        if is_known(request.headers.get(b"if-none-match", b""), headers["ETag"]):
            return AmiAnswer(status=304, headers=headers)
        return _found(request, job, headers)

    async def _register(self, request: AmiRequest) -> AmiAnswer:
        target = request.call.path_values.get("id", "")
        if target.startswith("$"):
            raise _no_operation(target)
        given = await request.resource()
        job_type = given.job_type if isinstance(given, AmiJob) else given.type
        request.call.audit["job"] = (job_type or "")[:200]
        return _created(request, await self._desk.register(job_type))

    async def _schedule(self, request: AmiRequest) -> AmiAnswer:
        target = request.call.path_values["id"]
        given = await request.resource()
        if not isinstance(given, AmiJob):
            raise AmiError("the body is no JobInfo", status=400, exception="ArgumentException")
        job = await self._desk.find(target)
        request.call.audit["job"] = job.name
        if given.id is not None and not is_id_of(job, given.id):
            hint = "PUT a job to its own path"
            raise AmiError("Key mismatch", status=400, exception="ArgumentException", hint=hint)
        return _created(request, await self._desk.schedule(job, given.schedule))

    async def _delete(self, request: AmiRequest) -> AmiAnswer:
        hint = "clear its schedule instead"
        error = AmiError("a job cannot be deleted", status=405, exception="NotSupportedException", hint=hint)
        _, fault = fault_of(error)
        headers = {"Allow": "GET, HEAD, POST, PUT"}
        return AmiAnswer(status=405, body=request.form.write(fault), form=request.form, headers=headers)

    async def _start(self, request: AmiRequest) -> AmiAnswer:
        given = await request.parameters()
        job = await self._desk.find(request.call.path_values["id"])
        request.call.audit["job"] = job.name
        await self._desk.start(job, given.parameter, by=request.by)
        return AmiAnswer(status=204)

    async def _cancel(self, request: AmiRequest) -> AmiAnswer:
        await request.parameters()
        job = await self._desk.find(request.call.path_values["id"])
        request.call.audit["job"] = job.name
        await self._desk.cancel(job, by=request.by)
        return AmiAnswer(status=204)

    async def _operate(self, request: AmiRequest) -> AmiAnswer:
        raise _no_operation(request.call.path_values["operation"])

    async def _describe(self, request: AmiRequest) -> AmiAnswer:
        return _found(request, SERVICE_OPTIONS)

    async def _describe_jobs(self, request: AmiRequest) -> AmiAnswer:
        return _found(request, JOB_OPTIONS)

    async def _ping(self, request: AmiRequest) -> AmiAnswer:
        return AmiAnswer(status=204)


def _found(request: AmiRequest, value: AmiValue, headers: dict[str, str] | None = None) -> AmiAnswer:
    form = request.form
    return AmiAnswer(status=200, body=form.write(value), form=form, headers={"Vary": "Accept", **(headers or {})})


def _created(request: AmiRequest, job: AmiJob) -> AmiAnswer:
    headers = _headers_of(job, request)
    if request.is_silent:
        return AmiAnswer(status=201, headers=headers)
    return AmiAnswer(status=201, body=request.form.write(job), form=request.form, headers=headers)


def _headers_of(job: AmiJob, request: AmiRequest) -> dict[str, str]:
    modified = datetime.fromisoformat(job.modified or "")
    return {
        "ETag": f'"{job.tag}{request.form.mark}"',
        "Last-Modified": format_datetime(modified, usegmt=True),
        "Content-Location": f"{request.root}/JobInfo/{job.id}",
    }


def _no_operation(name: str) -> AmiError:
    message = f"Operation {name.removeprefix('$')[:80]} on JobInfo not found"
    return AmiError(message, status=404, exception="KeyNotFoundException", hint="there are $start and $cancel")
