"""Why a request was not done, in SanteDB's words: a status and a RestServiceFault."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from host.contracts.http import HttpRefusal
from host.errors import (
    AccessDeniedError,
    AuthenticationError,
    ErrorKind,
    HostError,
    InvalidRequestError,
    JobRegisteredError,
    Problem,
    TooManyAttemptsError,
    UnsupportedOperationError,
    XmlError,
)
from host.model.security import Policy
from host.santedb.ami.values import RestServiceFault
from host.santedb.policies import POLICY_NAMES

MAX_PROBLEMS, MAX_TEXT = 20, 4_000
"""A fault tells so many findings in so many characters: it stays small, whatever was sent."""
RETRY_AFTER_SECONDS = 5
"""What a client is told while the host or a store is not available."""
ANONYMOUS = "ANONYMOUS"
"""SanteDB's name for nobody."""

_BY_KIND: Mapping[ErrorKind, tuple[int, str]] = {
    ErrorKind.INVALID: (400, "ArgumentException"),
    ErrorKind.MISSING: (404, "KeyNotFoundException"),
    ErrorKind.CONFLICT: (409, "PreconditionFailedException"),
    ErrorKind.DENIED: (403, "SecurityException"),
    ErrorKind.UNAVAILABLE: (503, "DomainStateException"),
    ErrorKind.INTERNAL: (500, "Exception"),
}
_BY_CLASS: Mapping[type[HostError], tuple[int, str]] = {
    TooManyAttemptsError: (429, "LimitExceededException"),
    AuthenticationError: (401, "SecuritySessionException"),
    AccessDeniedError: (403, "PolicyViolationException"),
    JobRegisteredError: (409, "DuplicateNameException"),
    UnsupportedOperationError: (501, "NotImplementedException"),
    XmlError: (400, "XmlException"),
}
_BY_STATUS: Mapping[int, str] = {
    401: "AuthenticationException",
    404: "KeyNotFoundException",
    405: "NotSupportedException",
    413: "LimitExceededException",
    429: "LimitExceededException",
    503: "DomainStateException",
}
_DENIED = "Deny"
_ELEVATE = "Elevate"


class AmiError(InvalidRequestError):
    """A request that this interface refuses for reasons of its own, with the status and .NET exception to tell."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        exception: str,
        hint: str | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.exception = exception
        self.headers = headers
        """To be sent with the fault."""


def fault_of(error: HostError) -> tuple[int, RestServiceFault]:
    """Give the status and the fault of an error."""
    status, exception = _meaning(error)
    return status, _fault(exception, _told(error))


def headers_of(error: HostError) -> Mapping[str, str]:
    """Give the headers that go with an error: when to try again, where that may help."""
    if isinstance(error, AmiError):
        return error.headers
    if isinstance(error, TooManyAttemptsError):
        return {"Retry-After": str(error.retry_after_seconds)}
    return {"Retry-After": str(RETRY_AFTER_SECONDS)} if error.kind is ErrorKind.UNAVAILABLE else {}


def fault_of_refusal(refusal: HttpRefusal) -> RestServiceFault:
    """Give the fault of a request that was not let in."""
    if refusal.policy is not None:
        return _policy_fault(refusal, refusal.policy)
    status, exception = _meaning(refusal.error)
    if status != refusal.status:
        exception = _BY_STATUS.get(refusal.status, exception)
    outcome = _ELEVATE if refusal.status == 401 else _DENIED
    return _fault(exception, str(refusal.error), outcome=outcome)


def _policy_fault(refusal: HttpRefusal, policy: Policy) -> RestServiceFault:
    name = POLICY_NAMES[policy]
    user = refusal.principal.name if refusal.principal else ANONYMOUS
    outcome = _ELEVATE if refusal.status == 401 else _DENIED
    return RestServiceFault(
        data=(),
        type="PolicyViolationException",
        message=f"Policy {name} ({policy.value}) was violated by '{user}' with outcome '{outcome}'",
        policy_id=policy.value,
        policy_name=name,
        policy_outcome=outcome,
    )


def _meaning(error: HostError) -> tuple[int, str]:
    if isinstance(error, AmiError):
        return error.status, error.exception
    for kind, meaning in _BY_CLASS.items():
        if isinstance(error, kind):
            return meaning
    return _BY_KIND[error.kind]


def _told(error: HostError) -> str:
    head = str(Problem(message=error.message, where=error.where, hint=error.hint))
    more = len(error.problems) - MAX_PROBLEMS
    said = [head, *map(str, error.problems[:MAX_PROBLEMS]), *([f"and {more:,} more"] if more > 0 else [])]
    return "; ".join(said)[:MAX_TEXT]


def _fault(exception: str, message: str, *, outcome: str = _DENIED) -> RestServiceFault:
    return RestServiceFault(data=(), type=exception, message=message, policy_outcome=outcome)
