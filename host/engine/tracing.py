"""The run's trace id in OpenTelemetry's context, so that spans of a job join the run's trace."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context, trace

_TRACE_ID_DIGITS = 32


@contextmanager
def in_trace(trace_id: str) -> Iterator[None]:
    """Make ``trace_id`` (W3C, 32 hexadecimal digits) the parent of spans started inside."""
    if len(trace_id) != _TRACE_ID_DIGITS:
        yield
        return
    parent = trace.SpanContext(
        trace_id=int(trace_id, 16),
        span_id=random.getrandbits(64) or 1,  # an id, no secret
        is_remote=True,
        trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
    )
    token = context.attach(trace.set_span_in_context(trace.NonRecordingSpan(parent)))
    try:
        yield
    finally:
        context.detach(token)
