"""Which traces are recorded: those whose caller records them, and a share of those that begin here."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span
from opentelemetry.util.types import Attributes


class RunSampler(Sampler):
    """Follows whoever began the trace; of the traces of runs that nobody called for, it records a share.

    The host gives such a run a parent that nobody records: local, sampled and not recording.
    """

    def __init__(self, share: float) -> None:
        self._own = TraceIdRatioBased(share)

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide about a span that begins."""
        parent = get_current_span(parent_context)
        at = parent.get_span_context()
        if at.is_valid and (at.is_remote or parent.is_recording() or not at.trace_flags.sampled):
            decision = Decision.RECORD_AND_SAMPLE if at.trace_flags.sampled else Decision.DROP
            return SamplingResult(decision, attributes, at.trace_state)
        return self._own.should_sample(parent_context, trace_id, name, kind, attributes, links)

    def get_description(self) -> str:
        """Give it as OpenTelemetry names samplers."""
        return f"RunSampler{{{self._own.get_description()}}}"
