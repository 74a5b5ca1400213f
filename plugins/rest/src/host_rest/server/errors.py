"""Why the server itself answers a request: the errors of its own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from host.contracts.http import HttpRefusal
from host.errors import ErrorKind, HostError
from host.model.security import Policy, Principal

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
LAST_OF_CONNECTION: Mapping[str, str] = MappingProxyType({"Connection": "close"})
"""Where what follows on the connection cannot be trusted to be another request."""


class PathNotFoundError(HostError):
    """Nothing answers at this path."""

    code = "path-not-found"
    kind = ErrorKind.MISSING


class MethodNotAllowedError(HostError):
    """The path answers other methods."""

    code = "method-not-allowed"
    kind = ErrorKind.INVALID


class MalformedRequestError(HostError):
    """The request's target or headers are not what HTTP allows, or may mean two things."""

    code = "request-malformed"
    kind = ErrorKind.INVALID


class UnknownHostNameError(HostError):
    """The request names a host that this server is not."""

    code = "host-name-unknown"
    kind = ErrorKind.INVALID


class CrossSiteError(HostError):
    """A page of another site made a browser send this."""

    code = "cross-site-request"
    kind = ErrorKind.DENIED


class RequestTooLargeError(HostError):
    """The request's target, headers or body are larger than the server takes."""

    code = "request-too-large"
    kind = ErrorKind.INVALID


class RequestTooSlowError(HostError):
    """The request did not arrive in time."""

    code = "request-too-slow"
    kind = ErrorKind.INVALID


class UnexpectedError(HostError):
    """A defect; the host's log has the details under the request's id."""

    code = "unexpected-error"


class Refused(Exception):  # noqa: N818  # no error: what a check says to the gate
    """A check does not let a request in."""

    def __init__(
        self,
        status: int,
        error: HostError,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        policy: Policy | None = None,
        principal: Principal | None = None,
    ) -> None:
        super().__init__(str(error))
        self.refusal = HttpRefusal(status=status, error=error, headers=headers, policy=policy, principal=principal)


def malformed(message: str, *, hint: str | None = None) -> Refused:
    """Give the refusal of a request that HTTP does not allow."""
    return Refused(400, MalformedRequestError(message, hint=hint), headers=LAST_OF_CONNECTION)
