"""What an upstream speaks, found out by asking it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from host.errors import WireError
from host.wire import from_json
from host_upstream.link import UpstreamAnswer, UpstreamApi, UpstreamRequest
from host_upstream.transport.fault import Fault
from host_upstream.transport.problems import error_in
from host_upstream.transport.verdict import quoted

HOST = "/rest/v1/host"
AMI = "/ami/"
XML = "application/xml"

Ask = Callable[[UpstreamRequest], Awaitable[UpstreamAnswer]]
"""Makes a request; raises as ``UpstreamLink.request`` does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the upstream has said of itself."""

    api: UpstreamApi
    """JOBHOST or SANTEDB."""
    version: str | None = None
    """A jobhost's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Host:
    version: str
    state: str
    timezone: str


async def detect(ask: Ask, wanted: UpstreamApi) -> Found:
    """Find out, or with ``wanted`` JOBHOST make sure; raises Fault for what is neither, and as ``ask`` does.

    A jobhost tells its version at ``GET /rest/v1/host``; it raises what that raises, such as AccessDeniedError. What
    answers to SanteDB's OPTIONS or PING at ``/ami/`` is a SanteDB server, or a jobhost that has only this face.
    """
    answer = await ask(UpstreamRequest(method="GET", path=HOST))
    try:
        if answer.status == 200:
            return Found(api=UpstreamApi.JOBHOST, version=from_json(answer.body, _Host).version)
    except WireError:
        pass  # something else that answers there
    if answer.status != 404 and (error := error_in(answer)) is not None:
        raise error
    seen = [f"GET {HOST} gave {_short(answer)}"]
    for method in ("OPTIONS", "PING") if wanted is UpstreamApi.AUTO else ():
        answer = await ask(UpstreamRequest(method=method, path=AMI, media_type=XML, may_repeat=True))
        if _is_ami(method, answer):
            return Found(api=UpstreamApi.SANTEDB)
        seen.append(f"{method} {AMI} gave {_short(answer)}")
    what = "no jobhost" if wanted is UpstreamApi.JOBHOST else "neither a jobhost nor a SanteDB server"
    hint = "check the realm's domain, port and tls, and pathPrefix"
    raise Fault(f"what answers there is {what}: {', '.join(seen)}", hint=hint, is_outage=False)


def _is_ami(method: str, answer: UpstreamAnswer) -> bool:
    if method == "PING":  # a method that nothing but SanteDB and a jobhost knows
        return answer.status == 204
    if answer.status == 204:
        return "x-generatedon" in answer.headers
    return answer.status == 200 and b"ServiceOptions" in answer.body[:2000]


def _short(answer: UpstreamAnswer) -> str:
    return f"status {answer.status}, {quoted(answer)}"[:160]
