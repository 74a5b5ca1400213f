"""Answers of the token endpoint and its neighbours: never stored, errors as RFC 6749 §5.2 has them."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from host.errors import TooManyAttemptsError
from host.wire import to_json

UNSTORED = {"Cache-Control": "no-store", "Pragma": "no-cache", "X-Content-Type-Options": "nosniff"}


class OAuthError(Exception):
    """Why a request for tokens is refused; ``error`` is one of the registered words."""

    def __init__(
        self, error: str, description: str, *, status: int = 400, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status
        self.headers = dict(headers or {})

    @classmethod
    def too_many(cls, error: TooManyAttemptsError) -> OAuthError:
        """Give the answer to somebody who must wait (RFC 6585 §4)."""
        headers = {"Retry-After": str(error.retry_after_seconds)}
        return cls("invalid_grant", error.message, status=429, headers=headers)


def json_answer(
    members: Mapping[str, object], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Give members as JSON that nobody stores; those that are None are left out."""
    body = to_json({name: value for name, value in members.items() if value is not None})
    return Response(body, status, {**UNSTORED, **(headers or {})}, "application/json")


def error_answer(error: OAuthError) -> Response:
    """Give an error as JSON."""
    members = {"error": error.error, "error_description": error.description}
    return json_answer(members, status=error.status, headers=error.headers)
