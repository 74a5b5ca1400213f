"""A request's ``traceparent`` is where the run that it submits belongs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

import pytest
from opentelemetry import trace

from host.contracts.jobs import Job, JobContext
from host.model.runs import JobResult
from host_rest.api.mount import RestMount
from plugins.rest.tests.resthost import rest_host

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Looking(Job):
    """Tells the span it runs below."""

    async def run(self, context: JobContext) -> JobResult:
        return JobResult(value=trace.format_span_id(trace.get_current_span().get_span_context().span_id))


@pytest.mark.slow
def test_a_run_submitted_by_a_traced_request_belongs_below_the_requests_span(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, RestMount, jobs=[Looking]) as web:
            answer = await web.request(
                "POST",
                "/rest/v1/runs",
                "operator",
                json={"job": f"{Looking.__module__}:{Looking.__qualname__}"},
                headers={"traceparent": f"00-{TRACE}-{SPAN}-01"},
            )
            assert answer.status_code == 201, answer.text
            assert answer.json()["trace_id"] == TRACE
            run = await web.kit.wait(UUID(answer.json()["id"]))
            assert (run.trace_id, run.result) == (TRACE, SPAN)

    asyncio.run(go())
