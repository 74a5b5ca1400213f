"""The run's trace id in OpenTelemetry's context, so that spans of a job join the run's trace."""

from __future__ import annotations

import random

from opentelemetry import context, trace

_TRACE_ID_DIGITS = 32
_EMPTY = context.Context()


def enter_trace(trace_id: str) -> None:
    """Make ``trace_id`` (W3C, 32 hexadecimal digits) the parent of spans that the present task starts from now on.

    There is no way back: the task is the run's own and its context ends with it.
    """
    if len(trace_id) != _TRACE_ID_DIGITS:
        return
    parent = trace.SpanContext(
        trace_id=int(trace_id, 16),
        span_id=random.getrandbits(64) or 1,
        is_remote=True,
        trace_flags=_SAMPLED,
    )
    context.attach(trace.set_span_in_context(trace.NonRecordingSpan(parent), _EMPTY))


_SAMPLED = trace.TraceFlags(trace.TraceFlags.SAMPLED)
