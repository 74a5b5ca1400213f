"""Everything that can go wrong, as one kind of answer (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from host.errors import (
    HostError,
    HostUnavailableError,
    InvalidRequestError,
    Problem,
    TooManyAttemptsError,
)
from host_rest.api.answers import problem
from host_rest.api.errors import VersionConflictError

RETRY_AFTER_SECONDS = 5
"""What a caller is told while the host or a store is not available."""


def answer_faults(app: FastAPI) -> None:
    """Make the app answer errors as problem documents."""
    app.add_exception_handler(HostError, _host_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


def problems_of(errors: Sequence[Mapping[str, Any]]) -> list[Problem]:
    """Give what a validation found; never the values themselves, which may be secret."""
    return [
        Problem(message=_message(error), where=_place(error["loc"]), hint=(error.get("ctx") or {}).get("hint"))
        for error in errors
    ]


async def _host_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HostError)
    headers: dict[str, str] = {}
    if isinstance(error, TooManyAttemptsError):
        headers["Retry-After"] = str(error.retry_after_seconds)
    elif error.kind is HostUnavailableError.kind:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    more = {}
    if isinstance(error, VersionConflictError):
        more = {"expected_version": error.expected, "version": error.present}
    return problem(request, error, headers=headers, more=more)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = problems_of(error.errors())
    return problem(request, InvalidRequestError("the request does not have the expected form", problems=found))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    fault = InvalidRequestError(str(error.detail))
    return problem(request, fault, status=error.status_code, headers=error.headers)


async def _unexpected(request: Request, error: Exception) -> Response:
    hidden = HostError(f"internal error: {type(error).__name__}", hint="the host's log has the details")
    return problem(request, hidden)


def _message(error: Mapping[str, Any]) -> str:
    text = str(error["msg"])
    if error["type"] == "missing":
        return "it is missing"
    return text[:1].lower() + text[1:]


def _place(location: Sequence[object]) -> str:
    return ".".join(str(part)[:80] for part in location)
