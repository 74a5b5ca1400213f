"""Why something was not done, told by a SanteDB server or known before asking it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from host.errors import (
    AccessDeniedError,
    AuthenticationError,
    HostError,
    InvalidRequestError,
    JobNotFoundError,
    JobRegisteredError,
    RunStateError,
    UnsupportedOperationError,
    UpstreamUnavailableError,
)
from host.santedb.ami import json_form, xml_reading
from host.santedb.ami.values import RestServiceFault
from host_upstream.link import UpstreamAnswer, UpstreamRequest

SHOWN = 300
"""Characters of an answer that is no fault that an error quotes."""

_BY_TYPE: Mapping[str, type[HostError]] = MappingProxyType(
    {
        "KeyNotFoundException": JobNotFoundError,
        "FileNotFoundException": JobNotFoundError,
        "PolicyViolationException": AccessDeniedError,
        "SecurityException": AccessDeniedError,
        "UnauthorizedAccessException": AccessDeniedError,
        "AuthenticationException": AuthenticationError,
        "SecuritySessionException": AuthenticationError,
        "NotSupportedException": UnsupportedOperationError,
        "NotImplementedException": UnsupportedOperationError,
        "DuplicateNameException": JobRegisteredError,
        "DomainStateException": UpstreamUnavailableError,
        "LimitExceededException": UpstreamUnavailableError,
    }
)
"""By the simple name of .NET's exception."""
_BY_STATUS: Mapping[int, type[HostError]] = MappingProxyType(
    {
        401: AuthenticationError,
        403: AccessDeniedError,
        404: JobNotFoundError,
        405: UnsupportedOperationError,
        409: RunStateError,
        423: RunStateError,
        429: UpstreamUnavailableError,
        501: UnsupportedOperationError,
    }
)


def error_of(
    request: UpstreamRequest,
    answer: UpstreamAnswer,
    *,
    invalid: type[HostError] = InvalidRequestError,
    conflict: type[HostError] = RunStateError,
) -> HostError:
    """Give the error of an answer that is none of success, by the fault's root cause, else by its status.

    ``invalid`` and ``conflict`` say what the request makes of a 400 and a 409. What is no fault of SanteDB's comes
    from something else at that address: UpstreamUnavailableError, unless the status alone says enough.
    """
    fault = _fault_of(answer)
    if fault is None:
        return _without_fault(request, answer)
    root = fault.root
    kind = _BY_TYPE.get(root.type) or _by_status(answer.status, invalid, conflict)
    return kind(f"the upstream refuses: {_said(fault)}", where=_place(request), hint=_hint(root))


def not_ami(request: UpstreamRequest, reason: str) -> UpstreamUnavailableError:
    """Give the error of an answer that cannot be read."""
    return UpstreamUnavailableError(
        f"the upstream's answer is not what SanteDB's AMI answers: {reason}",
        where=_place(request),
        hint="is the realm's address that of a SanteDB server?",
    )


def unsupported(what: str, hint: str) -> UnsupportedOperationError:
    """Give the error of an operation that AMI does not have."""
    return UnsupportedOperationError(f"SanteDB's AMI cannot {what}", hint=hint)


def _by_status(status: int, invalid: type[HostError], conflict: type[HostError]) -> type[HostError]:
    if status == 409:
        return conflict
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return invalid if status < 500 else UpstreamUnavailableError


def _fault_of(answer: UpstreamAnswer) -> RestServiceFault | None:
    """Read a fault in either form: SanteDB's, where it fails early, is not always in the form asked for."""
    is_json = answer.body.lstrip()[:1] == b"{"
    try:
        return json_form.read_fault(answer.body) if is_json else xml_reading.read_fault(answer.body)
    except HostError:
        return None  # a proxy's page, or nothing; what it is, is told by the status


def _without_fault(request: UpstreamRequest, answer: UpstreamAnswer) -> HostError:
    text = " ".join(answer.body[: 2 * SHOWN].decode("utf-8", "replace").split())[:SHOWN]
    if answer.status in (401, 403):
        message = f"the upstream refuses with status {answer.status} and without a reason"
        return _BY_STATUS[answer.status](message, where=_place(request))
    return not_ami(request, f"status {answer.status}, {text!r}")


def _said(fault: RestServiceFault) -> str:
    root = fault.root
    return root.message or fault.message or root.type or "it does not say why"


def _hint(root: RestServiceFault) -> str | None:
    if root.policy_id is None:
        return None
    name = f"{root.policy_name} ({root.policy_id})" if root.policy_name else root.policy_id
    return f"give this host's account there the policy {name}"


def _place(request: UpstreamRequest) -> str:
    return f"{request.method} {request.path}"
