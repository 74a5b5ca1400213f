"""OpenTelemetry's SDK put together: sampler, spans, queue, exporter; imported when a host starts that has it."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from host_otel.queue import SpanQueue
from host_otel.sampling import RunSampler
from host_otel.settings import OtlpSettings
from host_otel.switch import switch_on

_EXPORTER_LOG = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")


class Pipeline:
    """Records from the moment it is made until ``finish``; raises ProviderStartError if the process records already."""

    def __init__(self, settings: OtlpSettings, headers: Mapping[str, str], names: Mapping[str, str]) -> None:
        self._reasons = _Reasons()
        exporter = OTLPSpanExporter(endpoint=settings.url, headers=headers, timeout=settings.timeout.total_seconds())
        self._queue = SpanQueue(exporter, lambda: self._reasons.last)
        provider = TracerProvider(
            sampler=RunSampler(settings.sampling_ratio),
            resource=Resource.create({"service.name": settings.service_name, **names}),
            shutdown_on_exit=False,
        )
        provider.add_span_processor(self._queue)
        self._switch = switch_on(provider)
        _EXPORTER_LOG.addFilter(self._reasons)
        self._queue.begin()

    def end(self) -> None:
        """Record nothing more."""
        self._switch.target = None

    def finish(self, seconds: float) -> None:
        """Send what waits, within this time, about. Blocks."""
        self._queue.finish(seconds)
        _EXPORTER_LOG.removeFilter(self._reasons)

    @property
    def lost(self) -> int:
        """Give how many spans were lost so far."""
        return self._queue.lost

    @property
    def trouble(self) -> str | None:
        """Say why spans are being lost; None while they are not."""
        return (self._reasons.last or "too many end at once") if self._queue.is_losing else None


class _Reasons(logging.Filter):
    """Keeps what the exporter says of its failures, which is told once, not with every batch."""

    def __init__(self) -> None:
        super().__init__()
        self.last = ""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR:
            self.last = " ".join(record.getMessage().split())[:300]
        return False
