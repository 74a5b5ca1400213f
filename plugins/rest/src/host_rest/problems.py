"""Errors as HTTP answers: one status an error, one body for all of them (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping

from host.errors import (
    AuthenticationError,
    ErrorKind,
    HostError,
    InvalidParameterError,
    InvalidScheduleError,
    TooManyAttemptsError,
    UnsupportedOperationError,
)
from host.wire import to_json

MEDIA_TYPE = "application/problem+json"
MAX_PROBLEMS = 100
"""Findings that an answer tells: it stays small, whatever was sent."""
_STATUS: Mapping[ErrorKind, int] = {
    ErrorKind.INVALID: 400,
    ErrorKind.MISSING: 404,
    ErrorKind.CONFLICT: 409,
    ErrorKind.DENIED: 403,
    ErrorKind.UNAVAILABLE: 503,
    ErrorKind.INTERNAL: 500,
}
_BY_CLASS: Mapping[type[HostError], int] = {
    TooManyAttemptsError: 429,
    AuthenticationError: 401,
    InvalidParameterError: 422,
    InvalidScheduleError: 422,
    UnsupportedOperationError: 501,
}


def status_of(error: HostError) -> int:
    """Give the HTTP status of an error."""
    for kind, status in _BY_CLASS.items():
        if isinstance(error, kind):
            return status
    return _STATUS[error.kind]


def problem_of(error: HostError, *, status: int | None = None, request_id: str | None = None) -> dict[str, object]:
    """Give an error as the members of a problem document; empty ones are left out, and findings past a bound."""
    members = {
        "type": f"urn:jobhost:error:{error.code}",
        "title": error.code.replace("-", " ").capitalize(),
        "status": status or status_of(error),
        "detail": error.message,
        "code": error.code,
        "where": error.where,
        "hint": error.hint,
        "problems": error.problems[:MAX_PROBLEMS],
        "request_id": request_id,
    }
    return {name: value for name, value in members.items() if value}


def problem_body(error: HostError, *, status: int | None = None, request_id: str | None = None) -> bytes:
    """Give the problem document itself."""
    return to_json(problem_of(error, status=status, request_id=request_id))
