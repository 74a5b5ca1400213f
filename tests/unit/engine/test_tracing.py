"""Without an SDK a run's trace is in place all the same, for whatever its code calls."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry import trace

from host.contracts.jobs import Job, JobContext, RunControl
from host.engine.tracing import enter_trace
from host.model.jobs import OverlapPolicy
from host.model.runs import JobResult
from host.model.submissions import RunSubmission
from tests.unit.engine.desk import desk, go, name_of

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def present() -> JobResult:
    at = trace.get_current_span().get_span_context()
    return JobResult(value=[trace.format_trace_id(at.trace_id), trace.format_span_id(at.span_id)])


class Looking(Job):
    """Tells the span it runs below."""

    overlap = OverlapPolicy.ALLOW

    async def run(self, context: JobContext) -> JobResult:
        return present()


class LookingInThread(Job):
    """The same, in a thread."""

    overlap = OverlapPolicy.ALLOW

    def run(self, context: JobContext) -> JobResult:
        return present()


@pytest.mark.parametrize("job", [Looking, LookingInThread])
def test_the_code_of_a_run_is_in_the_runs_trace(tmp_path: Path, job: type[Job]) -> None:
    async def check() -> None:
        async with desk(tmp_path, job) as at:
            run = await at.finished(await at.start(job))
            assert isinstance(run.result, list)
            assert run.result[0] == run.trace_id

    go(check())


def test_a_run_below_a_callers_span_has_it_as_its_parent(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Looking) as at:
            asked = RunSubmission(job=name_of(Looking), trace_id=f"00-{TRACE}-{SPAN}-01")
            (run_id,) = await at.host.get(RunControl).submit([asked])
            run = await at.finished(run_id)
            assert run.trace_id == TRACE
            assert run.result == [TRACE, SPAN]

    go(check())


@pytest.mark.parametrize("text", ["", "x" * 32, "0123", f"00-{TRACE}-{SPAN}"])
def test_what_is_no_trace_is_let_pass(text: str) -> None:
    enter_trace(text)
