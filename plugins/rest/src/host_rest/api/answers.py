"""Answers: values as JSON, errors as problem documents."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import Request, Response

from host.contracts.http import HttpCall, HttpRefusal, Scope
from host.errors import HostError
from host.wire import to_json
from host_rest.problems import MEDIA_TYPE, problem_of, status_of


def answer(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Give a value as ``host.wire.to_json`` writes it."""
    return Response(to_json(value), status_code=status, media_type="application/json", headers=headers)


def problem(
    request: Request,
    error: HostError,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, object] | None = None,
) -> Response:
    """Give an error as a problem document; ``more`` are members that only this error has."""
    status = status or status_of(error)
    call: HttpCall | None = request.scope.get("state", {}).get("jobhost")
    members = problem_of(error, status=status, request_id=call.request_id if call else None)
    return Response(
        to_json({**members, **(more or {})}), status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {})
    )


def refusal_answer(scope: Scope, refusal: HttpRefusal) -> Response:
    """Give the problem document of a request that was not let in; ``policy`` is what was demanded and not granted."""
    more = {"policy": refusal.policy.name} if refusal.policy else {}
    return problem(Request(scope), refusal.error, status=refusal.status, headers=refusal.headers, more=more)
