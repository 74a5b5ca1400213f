"""Runs of a real host as spans in a real collector."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace

from host.contracts.jobs import Job, JobContext, RunControl
from host.contracts.metrics import TraceExport
from host.errors import InvalidRequestError, ProviderStartError, SecretNotFoundError
from host.model.jobs import JobParameter, OverlapPolicy
from host.model.runs import JobRun, RunState
from host.model.submissions import RunSubmission
from host.testing.host import running_host
from host.testing.kit import HostKit
from host_otel import OtlpExport, export
from plugins.otel.tests.collector import Collector, attributes_of

pytestmark = pytest.mark.slow

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
tracer = trace.get_tracer(__name__)


class Nested(Job):
    """Makes a span of its own."""

    overlap = OverlapPolicy.ALLOW

    async def run(self, context: JobContext) -> None:
        with tracer.start_as_current_span("inner"):
            context.log.info("seen", trace_id=context.trace_id)


class Threaded(Job):
    """The same, in a thread."""

    overlap = OverlapPolicy.ALLOW

    def run(self, context: JobContext) -> None:
        with tracer.start_as_current_span("inner"):
            pass


class Leaky(Job):
    """Fails and says its secret."""

    overlap = OverlapPolicy.ALLOW
    parameters = (JobParameter("password", str, secret=True),)

    async def run(self, context: JobContext) -> None:
        raise ConnectionError(f"cannot log in with {context.parameters['password']}")


def go(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(work())


def exporting(
    folder: Path, url: str, *jobs: type[Job], more: str = "", inner: str = ""
) -> AbstractAsyncContextManager[HostKit]:
    section = f'<section xsi:type="OtlpConfigurationSection" endpoint="{url}" {more}>{inner}</section>'
    return running_host(folder, jobs=jobs or [Nested], providers=[OtlpExport], sections=section)


async def submitted(host: HostKit, job: type[Job], trace_id: str) -> JobRun:
    submission = RunSubmission(job=f"{job.__module__}:{job.__qualname__}", trace_id=trace_id)
    (run_id,) = await host.get(RunControl).submit([submission])
    return await host.wait(run_id)


def test_a_run_is_the_root_span_of_its_own_trace(tmp_path: Path) -> None:
    async def check() -> None:
        with Collector() as collector:
            async with exporting(tmp_path, collector.url, more='serviceName="nightly"') as host:
                run = await host.perform(Nested)
            span = collector.named(run.job_type)
            assert span.trace_id.hex() == run.trace_id
            assert span.parent_span_id == b""
            assert span.kind == 5  # consumer
            assert attributes_of(span) == {
                "job.id": str(run.job_id),
                "run.id": str(run.id),
                "attempt": 1,
                "outcome": "completed",
            }
            (resource,) = collector.resources
            assert resource["service.name"] == "nightly"

    go(check)


@pytest.mark.parametrize("job", [Nested, Threaded])
def test_spans_of_the_job_are_children_of_the_runs(tmp_path: Path, job: type[Job]) -> None:
    async def check() -> None:
        with Collector() as collector:
            async with exporting(tmp_path, collector.url, job) as host:
                run = await host.perform(job)
            outer, inner = collector.named(run.job_type), collector.named("inner")
            assert (inner.trace_id, inner.parent_span_id) == (outer.trace_id, outer.span_id)

    go(check)


def test_a_run_submitted_with_a_traceparent_is_a_child_of_the_callers_span(tmp_path: Path) -> None:
    async def check() -> None:
        with Collector() as collector:
            async with exporting(tmp_path, collector.url) as host:
                run = await submitted(host, Nested, f"00-{TRACE}-{SPAN}-01")
                (line,) = await host.log_of(run)
            span = collector.named(run.job_type)
            assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, SPAN)
            assert run.trace_id == TRACE
            assert line.fields == {"trace_id": TRACE}

    go(check)


def test_a_trace_that_its_caller_does_not_record_is_not_exported(tmp_path: Path) -> None:
    async def check() -> None:
        with Collector() as collector:
            async with exporting(tmp_path, collector.url) as host:
                run = await submitted(host, Nested, f"00-{TRACE}-{SPAN}-00")
                assert run.trace_id == TRACE
            assert not collector.spans

    go(check)


def test_of_traces_that_begin_here_only_the_share_is_exported_of_others_all(tmp_path: Path) -> None:
    async def check() -> None:
        with Collector() as collector:
            async with exporting(tmp_path, collector.url, more='samplingRatio="0"') as host:
                await host.perform(Nested)
                called = await submitted(host, Nested, f"00-{TRACE}-{SPAN}-01")
            assert {span.trace_id.hex() for span in collector.spans} == {called.trace_id}

    go(check)


def test_what_is_no_trace_is_refused_and_nothing_submitted(tmp_path: Path) -> None:
    async def check() -> None:
        with Collector() as collector:
            async with exporting(tmp_path, collector.url) as host:
                for text in ("", "x" * 32, "0" * 32, TRACE.upper(), f"00-{TRACE}-{SPAN}", f"00-{TRACE}-{'0' * 16}-01"):
                    with pytest.raises(InvalidRequestError, match="is no trace id"):
                        await submitted(host, Nested, text)
                assert not await host.runs_of(Nested)

    go(check)


def test_a_failed_run_tells_its_error_without_secrets(tmp_path: Path) -> None:
    async def check() -> None:
        with Collector() as collector:
            async with exporting(tmp_path, collector.url, Leaky) as host:
                run = await host.perform(Leaky, {"password": "open sesame"})
            span = collector.named(run.job_type)
            (event,) = span.events
            told = attributes_of(event)
            assert (attributes_of(span)["outcome"], span.status.code) == ("failed", 2)
            assert (told["exception.type"], told["exception.message"]) == (
                "ConnectionError",
                "cannot log in with (hidden)",
            )
            assert "test_export.py" in told["exception.stacktrace"]
            assert b"open sesame" not in span.SerializeToString()

    go(check)


def test_headers_carry_secrets_that_are_looked_up_at_start(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "otlp").write_text("Bearer abc\n")
    (tmp_path / "secrets" / "otlp").chmod(0o600)

    async def check() -> None:
        with Collector() as collector:
            inner = '<header name="authorization" value="secret:otlp"/><header name="x-scope" value="jobs"/>'
            async with exporting(tmp_path, collector.url, inner=inner) as host:
                await host.perform(Nested)
            (headers,) = collector.headers
            assert (headers["authorization"], headers["x-scope"]) == ("Bearer abc", "jobs")
            with pytest.raises(SecretNotFoundError, match="there is no secret 'other'"):
                async with exporting(tmp_path, collector.url, inner='<header name="a" value="secret:other"/>'):
                    pass

    go(check)


def test_a_collector_that_is_away_disturbs_no_run_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "FLUSH_SECONDS", 0.3)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening: connections are refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1/traces"

        async def check() -> None:
            async with exporting(tmp_path, url, more='timeout="PT0.2S"') as host:
                run = await host.perform(Nested)
                assert run.state is RunState.COMPLETED
                exporter = host.get(TraceExport)
                assert isinstance(exporter, OtlpExport)
                async with asyncio.timeout(60):
                    while not exporter.check():
                        await asyncio.sleep(0.02)
                (finding,) = exporter.check()
                assert "2 spans are lost so far" in finding.message
                assert not finding.is_failure
                assert (await host.perform(Nested)).state is RunState.COMPLETED
                began = time.monotonic()
            assert time.monotonic() - began < OtlpExport.stop_seconds

        go(check)


def test_hosts_one_after_another_each_export_and_two_at_once_do_not(tmp_path: Path) -> None:
    async def check() -> None:
        for folder in (tmp_path / "one", tmp_path / "two"):
            folder.mkdir()
            with Collector() as collector:
                async with exporting(folder, collector.url) as host:
                    run = await host.perform(Nested)
                    (folder / "other").mkdir()
                    with pytest.raises(ProviderStartError, match="another host of this process"):
                        async with exporting(folder / "other", collector.url):
                            pass
                assert collector.named(run.job_type).trace_id.hex() == run.trace_id
                assert collector.named("inner")

    go(check)
