"""Calling a job by hand."""

from __future__ import annotations

import asyncio
import gc

import pytest

from host import Job, JobContext, JobParameter, JobResult, job
from host.errors import InvalidParameterError
from host.model.logs import LogLevel
from host.testing import RecordingContext


class Counting(Job):
    """Counts, and says so."""

    parameters = (JobParameter("until", int, default=2, maximum=5),)

    def run(self, context: JobContext) -> JobResult:
        until = int(str(context.parameters["until"]))
        for number in range(1, until + 1):
            context.raise_if_cancelled()
            context.progress(number / until, f"{number}")
            context.log.info("counted", number=number)
        context.log.warning("done")
        (context.workspace / "count").write_text(str(until))
        return JobResult(value=until)


@job()
async def greet(context: JobContext, name: str) -> JobResult:
    """Greet somebody."""
    context.log.debug("hello", name=name)
    return JobResult(value=f"{name}, attempt {context.attempt}")


def test_what_a_job_says_is_kept_in_order() -> None:
    context = RecordingContext(Counting)

    assert Counting().run(context).value == 2
    assert context.reported == [(0.5, "1"), (1.0, "2")]
    assert context.log.lines == [
        (LogLevel.INFO, "counted", {"number": 1}),
        (LogLevel.INFO, "counted", {"number": 2}),
        (LogLevel.WARNING, "done", {}),
    ]


def test_parameters_are_checked_and_completed() -> None:
    assert RecordingContext(Counting, {"until": "4"}).parameters == {"until": 4}
    with pytest.raises(InvalidParameterError, match="at most 5"):
        RecordingContext(Counting, {"until": 6})
    with pytest.raises(InvalidParameterError, match="name"):
        RecordingContext(greet)


def test_a_cancellation_reaches_the_job() -> None:
    context = RecordingContext(Counting)
    assert not context.is_cancelled
    context.is_cancelled = True

    with pytest.raises(asyncio.CancelledError):
        Counting().run(context)
    assert context.reported == []


def test_the_workspace_goes_with_the_context() -> None:
    context = RecordingContext(Counting)
    Counting().run(context)
    folder = context.workspace
    assert (folder / "count").read_text() == "2"

    del context
    gc.collect()
    assert not folder.exists()


def test_a_function_is_a_job_like_any_other() -> None:
    context = RecordingContext(greet, {"name": "Ada"}, attempt=2)

    result = greet().run(context)
    assert asyncio.iscoroutine(result)
    assert asyncio.run(result) == JobResult(value="Ada, attempt 2")
