"""Problem documents (RFC 9457) as the errors that the upstream raised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from host.errors import AccessDeniedError, ErrorKind, HostError, Problem, UpstreamUnavailableError, WireError
from host.wire import error_from_wire, from_json, to_wire
from host_upstream.link import UpstreamAnswer

MEDIA_TYPE = "application/problem+json"
SHOWN = 200
"""Characters of an answer without a problem document that the error quotes."""
_KINDS: Mapping[int, ErrorKind] = MappingProxyType(
    {
        401: ErrorKind.DENIED,
        403: ErrorKind.DENIED,
        404: ErrorKind.MISSING,
        409: ErrorKind.CONFLICT,
        429: ErrorKind.UNAVAILABLE,
        501: ErrorKind.CONFLICT,
        503: ErrorKind.UNAVAILABLE,
    }
)
"""Kinds of errors whose code nobody knows here, by the status they came with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    code: str
    detail: str = ""
    title: str = ""
    where: str | None = None
    hint: str | None = None
    problems: tuple[Problem, ...] = field(default=())


def error_of(answer: UpstreamAnswer) -> HostError:
    """Give the error that an answer of a jobhost tells, of the class that it has there.

    A code that is unknown here gives a HostError that keeps the code, of the kind that fits the status. An answer
    without a problem document is none of a jobhost: UpstreamUnavailableError, or AccessDeniedError for a 403.
    """
    told = error_in(answer)
    if told is not None:
        return told
    kind = answer.headers.get("content-type", "").partition(";")[0].strip() or "no media type"
    text = " ".join(answer.body[: 2 * SHOWN].decode("utf-8", "replace").split())[:SHOWN]
    what = f"status {answer.status}, {kind}: {text!r}"
    if answer.status == 403:
        return AccessDeniedError(f"the upstream refuses: {what}", hint="does a proxy before it let this host through?")
    hint = "is that a jobhost? check the realm's domain and port, and pathPrefix"
    return UpstreamUnavailableError(f"the upstream's answer is no problem document of a jobhost: {what}", hint=hint)


def error_in(answer: UpstreamAnswer) -> HostError | None:
    """Give the error that an answer's problem document tells; None if it has none with a ``code``."""
    if answer.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        return None
    try:
        found = from_json(answer.body, _Document)
    except WireError:
        return None  # the same media type from somebody else
    default = ErrorKind.INVALID if answer.status < 500 else ErrorKind.INTERNAL
    return error_from_wire(
        {
            "code": found.code,
            "kind": _KINDS.get(answer.status, default).value,
            "message": found.detail or found.title or found.code,
            "where": found.where,
            "hint": found.hint,
            "problems": to_wire(found.problems),
        }
    )
