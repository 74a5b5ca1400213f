"""The queue of spans, and settings that cannot work."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from host_otel import queue as queues
from host_otel.queue import SpanQueue
from host_otel.settings import OtlpSettings


class Held(SpanExporter):
    """Sends nothing until it may."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.sent: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.may.wait(60)
        self.sent.extend(spans)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Hold nothing any more."""
        self.may.set()


def test_spans_beyond_the_bound_are_lost_and_counted_and_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "MAX_WAITING", 10)
    exporter = Held()
    queue = SpanQueue(exporter, lambda: "")
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(queue)
    tracer = provider.get_tracer("test")
    for number in range(25):
        tracer.start_span(str(number)).end()
    assert (queue.lost, queue.is_losing) == (15, True)

    queue.begin()
    exporter.may.set()
    queue.finish(20)

    assert [span.name for span in exporter.sent] == [str(number) for number in range(10)]
    assert queue.lost == 15


def test_what_ends_after_the_end_is_lost() -> None:
    queue = SpanQueue(Held(), lambda: "")
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(queue)
    queue.begin()
    queue.finish(20)
    provider.get_tracer("test").start_span("late").end()

    assert queue.lost == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"endpoint": "collector:4318"}, "expected a URL"),
        ({"endpoint": "ftp://collector/v1/traces"}, "expected a URL"),
        ({"endpoint": "https://me:word@collector/"}, "no name or password"),
        ({"endpoint": "http://collector.example.org/", "headers": {"a": "b"}}, "unprotected"),
        ({"service_name": " "}, "serviceName"),
        ({"sampling_ratio": 1.5}, "samplingRatio"),
        ({"timeout": timedelta(0)}, "timeout"),
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        OtlpSettings(**given)


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"),
        ("https://c.example.org/otlp/v1/traces", "https://c.example.org/otlp/v1/traces"),
    ],
)
def test_an_endpoint_without_a_path_gets_the_usual_one(endpoint: str, url: str) -> None:
    assert OtlpSettings(endpoint=endpoint).url == url
