"""Ended spans on their way out: bounded, sent in batches on a thread of their own, and counted where they are lost."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

import structlog
from opentelemetry import context
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY  # the SDK's own batches use it, too
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind

logger = structlog.get_logger(__name__)

MAX_WAITING = 8192
BATCH = 512
DELAY_SECONDS = 2.0
HOST_SCOPE = "jobhost"


class SpanQueue(SpanProcessor):
    """Takes spans from any thread without waiting; what does not fit, or cannot be sent, is dropped and counted.

    The SDK's own batch processor tells nobody how many spans it drops, and its flush knows no limit.
    """

    def __init__(self, exporter: SpanExporter, why_failed: Callable[[], str]) -> None:
        self._exporter, self._why_failed = exporter, why_failed
        self._is_failing = False
        self._waiting: deque[ReadableSpan] = deque()
        self._guard = threading.Lock()
        self._wake = threading.Event()
        self._ends_at: float | None = None
        self._thread = threading.Thread(target=self._work, name="otlp export", daemon=True)
        self.lost = 0
        """Spans lost so far."""
        self.is_losing = False
        """Whether any was lost since a batch was last sent."""

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    def on_start(self, span: Span, parent_context: context.Context | None = None) -> None:
        """Do nothing yet."""

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        with self._guard:
            if len(self._waiting) >= MAX_WAITING or self._ends_at is not None:
                self.lost, self.is_losing = self.lost + 1, True
                return
            self._waiting.append(span)
            is_batch = len(self._waiting) >= BATCH
        if is_batch:
            self._wake.set()

    def finish(self, seconds: float) -> None:
        """Send what waits within this time, then end; what is left is lost. Blocks."""
        with self._guard:
            self._ends_at = time.monotonic() + seconds
        self._wake.set()
        self._thread.join(seconds)
        self._exporter.shutdown()  # ends its wait between two tries, too
        self._thread.join(seconds)

    def _work(self) -> None:
        context.attach(context.set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))  # else exports would be traced
        while self._ends_at is None:
            self._wake.wait(DELAY_SECONDS)
            self._wake.clear()
            self._send_waiting()
        self._send_waiting()

    def _send_waiting(self) -> None:
        while batch := self._batch():
            is_late = self._ends_at is not None and time.monotonic() >= self._ends_at
            is_sent = not is_late and self._exporter.export(batch) is SpanExportResult.SUCCESS
            with self._guard:
                self.is_losing = not is_sent
                self.lost += 0 if is_sent else len(batch)
            if self._is_failing is is_sent:
                self._tell(is_failing=not is_sent)

    def _tell(self, *, is_failing: bool) -> None:
        self._is_failing = is_failing
        if is_failing:
            logger.warning("traces are not exported", reason=self._why_failed())
        else:
            logger.info("traces are exported again", lost=self.lost)

    def _batch(self) -> Sequence[ReadableSpan]:
        with self._guard:
            return [_rooted(self._waiting.popleft()) for _ in range(min(BATCH, len(self._waiting)))]


def _rooted(span: ReadableSpan) -> ReadableSpan:
    """Give a run that nobody called for as the root of its trace: its parent is a mere bearer of the trace's id."""
    scope, parent = span.instrumentation_scope, span.parent
    is_run = span.kind is SpanKind.CONSUMER and scope is not None and scope.name == HOST_SCOPE
    if not is_run or parent is None or parent.is_remote:
        return span
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=None,
        resource=span.resource,
        attributes=span.attributes,
        events=span.events,
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=scope,
    )
