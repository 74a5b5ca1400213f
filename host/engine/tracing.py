"""Runs in OpenTelemetry's terms: the run's trace id for all, a span a call where an SDK records spans."""

from __future__ import annotations

import random
from importlib.metadata import version

from opentelemetry import context, trace

from host.model.runs import ClaimedRun, RunOutcome
from host.model.traces import TraceParent, parse_traceparent

_TRACE_ID_DIGITS = 32
_EMPTY = context.Context()
_SAMPLED = trace.TraceFlags(trace.TraceFlags.SAMPLED)


def enter_trace(trace_: str) -> None:
    """Make a trace id, or the span of a ``traceparent``, the parent of spans that the present task starts from now on.

    There is no way back: the task is the run's own and its context ends with it. What is no trace is let pass.
    """
    parent = _parent_of(trace_)
    if parent is not None:
        context.attach(trace.set_span_in_context(trace.NonRecordingSpan(parent), _EMPTY))


class RunSpans:
    """Makes a span of each call of a job: ``consumer``, named by the job type, in the run's trace."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    @classmethod
    def if_recorded(cls) -> RunSpans | None:
        """Give them if this process has an SDK that may record spans; None if not."""
        provider = trace.get_tracer_provider()
        if isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider):
            return None
        return cls(provider.get_tracer("jobhost", version("jobhost")))

    def begin(self, run: ClaimedRun) -> RunSpan:
        """Begin the span of a run and make it the parent of spans that the present task starts from now on."""
        parent = _parent_of(run.trace_id)
        place = _EMPTY if parent is None else trace.set_span_in_context(trace.NonRecordingSpan(parent), _EMPTY)
        span = self._tracer.start_span(
            run.job_type,
            context=place,
            kind=trace.SpanKind.CONSUMER,
            attributes={"job.id": str(run.job_id), "run.id": str(run.id), "attempt": run.attempt},
        )
        context.attach(trace.set_span_in_context(span, place))
        return RunSpan(span)


class RunSpan:
    """The span of one call."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        """Give the span as the parent of spans elsewhere."""
        at = self._span.get_span_context()
        return str(
            TraceParent(
                trace_id=trace.format_trace_id(at.trace_id),
                span_id=trace.format_span_id(at.span_id),
                is_sampled=at.trace_flags.sampled,
            )
        )

    def end(self, outcome: RunOutcome | None) -> None:
        """End it with what became of the run; an error is told as its row tells it, without secrets."""
        if outcome is not None and self._span.is_recording():
            self._span.set_attribute("outcome", outcome.state.value)
            if outcome.reason is not None:
                self._span.set_attribute("reason", outcome.reason.value)
            if outcome.error is not None:
                self._fail(outcome.error.error, outcome.error.traceback)
        self._span.end()

    def _fail(self, error: str, frames: str | None) -> None:
        kind, _, message = error.partition(": ")
        details = {"exception.type": kind, "exception.message": message, "exception.stacktrace": frames or ""}
        if not frames:  # the host's own words, not an exception of the job
            details = {"exception.message": error}
        self._span.add_event("exception", details)
        self._span.set_status(trace.Status(trace.StatusCode.ERROR, error))


def _parent_of(trace_: str) -> trace.SpanContext | None:
    """Give the caller's span, which is remote; for a mere trace id one that nobody records, which is not."""
    if len(trace_) == _TRACE_ID_DIGITS:
        try:
            trace_id = int(trace_, 16)
        except ValueError:
            return None
        return trace.SpanContext(trace_id, random.getrandbits(64) or 1, is_remote=False, trace_flags=_SAMPLED)
    parent = parse_traceparent(trace_)
    if parent is None:
        return None
    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if parent.is_sampled else trace.TraceFlags.DEFAULT)
    return trace.SpanContext(int(parent.trace_id, 16), int(parent.span_id, 16), is_remote=True, trace_flags=flags)
