"""What a request is called: its own id, and the trace it belongs to."""

from __future__ import annotations

import re
import secrets

from host.model.traces import TraceParent, parse_traceparent

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


def request_id_of(given: bytes | None) -> str:
    """Give the caller's own id where it is a plain one, else a new one."""
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given.decode("ascii")
    return secrets.token_hex(8)


def trace_of(given: bytes | None) -> TraceParent | None:
    """Give the caller's span where ``traceparent`` names one."""
    return None if given is None else parse_traceparent(given.decode("latin-1"))


def new_trace_id() -> str:
    """Give the id of a trace that begins here."""
    return secrets.token_hex(16)
