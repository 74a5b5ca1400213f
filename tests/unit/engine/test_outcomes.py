"""Whatever a job does, its run ends in the state that says so, and the host goes on."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from host.contracts.executors import InvalidResultError, JobCall, JobExecutor
from host.contracts.jobs import Job, JobContext
from host.model.jobs import JobParameter, OverlapPolicy, RecoveryPolicy
from host.model.runs import JobResult, RunReason, RunState
from tests.unit.engine.desk import Desk, Plain, desk, eventually, go

SOON = timedelta(milliseconds=30)


class EvilError(Exception):
    """Cannot even be printed."""

    def __str__(self) -> str:
        raise RuntimeError("cannot be printed")


class Doing(Job):
    """Does what its parameter says."""

    overlap = OverlapPolicy.ALLOW
    parameters = (JobParameter("what", str, default="nothing"),)

    async def run(self, context: JobContext) -> JobResult | None:
        return await DEEDS[str(context.parameters["what"])](context)


class DoingInThread(Doing):
    """Does it in a thread."""

    def run(self, context: JobContext) -> JobResult | None:  # type: ignore[override]
        return asyncio.run(DEEDS[str(context.parameters["what"])](context))


class StopsIteration(Job):
    """Raises what futures cannot carry."""

    def run(self, context: JobContext) -> None:
        raise StopIteration


class CannotBeBuilt(Job):
    """Has a constructor that raises."""

    def __init__(self) -> None:
        raise ValueError("no database")

    async def run(self, context: JobContext) -> None:
        return None


class Elsewhere(Plain):
    """Returns what no executor can bring back; would be tried again after an error."""

    executor = "far"
    max_attempts = 3


class Far(JobExecutor):
    """Brings back no result."""

    name = "far"
    cancel_effect = "none"

    @property
    def slots(self) -> int:
        return 1

    async def perform(self, call: JobCall) -> JobResult | None:
        raise InvalidResultError("the job returned int; expected JobResult or None")


class Trying(Doing):
    """May be tried three times."""

    max_attempts = 3


class Limited(Doing):
    """May take a moment only."""

    timeout = SOON


class LimitedTrying(Limited):
    """May take a moment, twice."""

    max_attempts = 2


class AtMostOnce(Doing):
    """Must not be started twice."""

    recovery = RecoveryPolicy.FAIL


class LimitedAtMostOnce(AtMostOnce):
    """Must not be started twice, and may take a moment only."""

    timeout = SOON


class Strict(Job):
    """Takes one number."""

    parameters = (JobParameter("days", int, minimum=1),)

    async def run(self, context: JobContext) -> JobResult:
        return JobResult(value=context.parameters["days"])


async def nothing(context: JobContext) -> None:
    return None


async def result(context: JobContext) -> JobResult:
    return JobResult(value={"rows": 3, "of": [1, None, "ž"]}, status_text="done")


async def fail(context: JobContext) -> None:
    raise ValueError("bad row")


async def evil(context: JobContext) -> None:
    raise EvilError(1)


async def surrogate(context: JobContext) -> None:
    raise ValueError("\ud800 and \0")


async def leave(context: JobContext) -> None:
    sys.exit(3)


async def interrupt(context: JobContext) -> None:
    raise KeyboardInterrupt


async def cancel_itself(context: JobContext) -> None:
    raise asyncio.CancelledError


async def wait(context: JobContext) -> None:
    await asyncio.Event().wait()


async def text(context: JobContext) -> object:
    return "a text"


async def not_json(context: JobContext) -> JobResult:
    return JobResult(value=object())


async def surrogate_result(context: JobContext) -> JobResult:
    return JobResult(value={"x": "\ud800"})


async def infinite(context: JobContext) -> JobResult:
    return JobResult(value=[float("inf"), float("nan")])


async def odd_keys(context: JobContext) -> JobResult:
    return JobResult(value={(1, 2): 3})


async def huge_number(context: JobContext) -> JobResult:
    return JobResult(value=2**200)


async def circular(context: JobContext) -> JobResult:
    value: list[object] = []
    value.append(value)
    return JobResult(value=value)


async def too_large(context: JobContext) -> JobResult:
    return JobResult(value="x" * 1_000_001)


async def odd_status(context: JobContext) -> JobResult:
    return JobResult(status_text=5)  # type: ignore[arg-type]


async def long_status(context: JobContext) -> JobResult:
    return JobResult(status_text="x" * 100_000)


async def odd_log(context: JobContext) -> None:
    context.log.info("odd", thing=object(), text="\ud800", number=2**200)
    context.log.info("event", event="mine", level="mine", timestamp="mine")


async def odd_progress(context: JobContext) -> None:
    context.progress(float("nan"), "\ud800")
    context.progress(7)


async def convert(context: JobContext) -> None:
    try:
        await wait(context)
    except asyncio.CancelledError:
        raise ValueError("was disturbed") from None


async def finish_anyway(context: JobContext) -> JobResult:
    try:
        await wait(context)
    except asyncio.CancelledError:
        return JobResult(value="finished all the same")
    return JobResult()


DEEDS = {name: deed for name, deed in globals().items() if asyncio.iscoroutinefunction(deed)}


async def done(at: Desk, job: type[Job], **parameters: object):
    return await at.finished(await at.start(job, **parameters))


async def is_healthy(at: Desk) -> None:
    """Prove that the host still works and has all its slots."""
    assert (await done(at, Doing)).state is RunState.COMPLETED
    await eventually(lambda: all(each.busy == 0 for each in at.dispatcher.executors()))
    assert not any(task.done() for task in at.dispatcher.background())


def check_deed(tmp_path: Path, job: type[Job], what: str, state: RunState, reason: RunReason | None):
    found = []

    async def check() -> None:
        async with desk(tmp_path, job, *({Doing} - {job})) as at:
            run = await done(at, job, **({"what": what} if what else {}))
            assert (run.state, run.reason) == (state, reason), run
            await is_healthy(at)
            found.append(run)

    go(check())
    return found[0]


@pytest.mark.parametrize("job", [Doing, DoingInThread])
@pytest.mark.parametrize("what", ["nothing", "result", "odd_log", "odd_progress", "long_status"])
def test_returning_means_completed(tmp_path: Path, job: type[Job], what: str) -> None:
    run = check_deed(tmp_path, job, what, RunState.COMPLETED, None)

    assert run.attempt == 1
    assert run.duration is not None
    assert len(run.status_text or "") <= 1000
    if what == "result":
        assert (run.result, run.status_text) == ({"rows": 3, "of": [1, None, "ž"]}, "done")


@pytest.mark.parametrize("job", [Doing, DoingInThread])
@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("fail", "ValueError: bad row"),
        ("evil", "EvilError"),
        ("surrogate", "ValueError: ? and"),
        ("leave", "SystemExit"),
        ("cancel_itself", "CancelledError: the job cancelled itself"),
    ],
)
def test_raising_means_failed(tmp_path: Path, job: type[Job], what: str, error: str) -> None:
    run = check_deed(tmp_path, job, what, RunState.FAILED, RunReason.ERROR)

    assert run.errors[0].error.startswith(error)
    assert run.errors[0].attempt == 1


def test_a_keyboard_interrupt_from_a_job_is_its_failure(tmp_path: Path) -> None:
    check_deed(tmp_path, Doing, "interrupt", RunState.FAILED, RunReason.ERROR)


def test_stop_iteration_from_a_thread_is_a_failure(tmp_path: Path) -> None:
    check_deed(tmp_path, StopsIteration, "", RunState.FAILED, RunReason.ERROR)


@pytest.mark.parametrize(
    "what", ["text", "not_json", "odd_keys", "circular", "too_large", "odd_status", "surrogate_result"]
)
def test_a_result_that_cannot_be_kept_means_failed(tmp_path: Path, what: str) -> None:
    run = check_deed(tmp_path, Doing, what, RunState.FAILED, RunReason.INVALID_RESULT)

    assert run.errors
    assert run.status_text


def test_a_result_that_an_executor_cannot_bring_back_means_failed_like_any_other(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Elsewhere, providers=[Far]) as at:
            row = await at.finished(await at.start(Elsewhere))
            assert (row.state, row.reason, row.attempt) == (RunState.FAILED, RunReason.INVALID_RESULT, 1)
            assert row.errors[0].error == "the job returned int; expected JobResult or None"

    go(check())


def test_a_huge_number_is_kept(tmp_path: Path) -> None:
    assert check_deed(tmp_path, Doing, "huge_number", RunState.COMPLETED, None).result == 2**200


def test_numbers_that_json_does_not_know_become_null(tmp_path: Path) -> None:
    assert check_deed(tmp_path, Doing, "infinite", RunState.COMPLETED, None).result == [None, None]


def test_a_job_that_cannot_be_built_fails(tmp_path: Path) -> None:
    run = check_deed(tmp_path, CannotBeBuilt, "", RunState.FAILED, RunReason.ERROR)

    assert run.errors[0].error == "ValueError: no database"


def test_a_failed_run_is_tried_again_until_its_attempts_are_used_up(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Trying, Doing) as at:
            run_id = await at.start(Trying, what="fail")
            for attempt in (1, 2):
                run = await at.until(run_id, lambda run, attempt=attempt: len(run.errors) == attempt)
                assert (run.state, run.reason, run.attempt) == (RunState.SCHEDULED, RunReason.RETRY, attempt)
                assert run.not_before is not None
                assert timedelta(0) < run.not_before - at.clock.now() <= timedelta(seconds=attempt)
                at.clock.move(2)
                at.dispatcher.wake()
            run = await at.finished(run_id)
            assert (run.state, run.reason, run.attempt) == (RunState.FAILED, RunReason.ERROR, 3)
            assert [error.attempt for error in run.errors] == [1, 2, 3]
            await is_healthy(at)

    go(check())


def test_a_run_longer_than_its_timeout_fails(tmp_path: Path) -> None:
    run = check_deed(tmp_path, Limited, "wait", RunState.FAILED, RunReason.TIMEOUT)

    assert "longer than 0:00:00.030000" in run.errors[0].error


def test_returning_after_the_timeout_is_still_a_timeout(tmp_path: Path) -> None:
    check_deed(tmp_path, Limited, "finish_anyway", RunState.FAILED, RunReason.TIMEOUT)


def test_a_timeout_uses_up_one_attempt(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, LimitedTrying) as at:
            run_id = await at.start(LimitedTrying, what="wait")
            run = await at.until(run_id, lambda run: bool(run.errors))
            assert run.state is RunState.SCHEDULED
            at.clock.move(2)
            at.dispatcher.wake()
            run = await at.finished(run_id)
            assert (run.state, run.reason, len(run.errors)) == (RunState.FAILED, RunReason.TIMEOUT, 2)

    go(check())


@pytest.mark.parametrize("what", ["wait", "finish_anyway"])
@pytest.mark.parametrize("job", [Doing, AtMostOnce, Trying])
def test_a_running_run_can_be_cancelled(tmp_path: Path, job: type[Job], what: str) -> None:
    async def check() -> None:
        async with desk(tmp_path, job, *({Doing} - {job})) as at:
            run_id = await at.start(job, what=what)
            await at.until(run_id, lambda run: run.state is RunState.RUNNING)
            answer = await at.control.cancel(run_id, by="me")
            assert answer.state is RunState.RUNNING
            run = await at.finished(run_id)
            assert (run.state, run.reason, run.cancel_requested_by) == (RunState.CANCELLED, RunReason.REQUESTED, "me")
            await is_healthy(at)

    go(check())


def test_a_run_can_be_cancelled_before_it_starts(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Doing) as at:
            await at.control.pause("all", reason="-")
            run_id = await at.start(Doing)
            assert (await at.control.cancel(run_id)).state is RunState.CANCELLED
            await at.control.resume("all")
            run = await at.run(run_id)
            assert (run.state, run.started_at, run.attempt) == (RunState.CANCELLED, None, 0)

    go(check())


def test_a_run_that_is_cancelled_before_its_task_took_a_step_is_cancelled(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Doing) as at:
            ids = [await at.start(Doing, what="wait") for _ in range(20)]
            for run_id in ids:
                await at.control.cancel(run_id)
            for run_id in ids:
                assert (await at.finished(run_id)).state is RunState.CANCELLED
            await is_healthy(at)

    go(check())


def test_a_job_that_answers_its_cancellation_with_an_error_has_failed(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Doing) as at:
            run_id = await at.start(Doing, what="convert")
            await at.until(run_id, lambda run: run.state is RunState.RUNNING)
            await at.control.cancel(run_id)
            run = await at.finished(run_id)
            assert (run.state, run.errors[0].error) == (RunState.FAILED, "ValueError: was disturbed")

    go(check())


def test_cancelling_a_job_cancels_all_its_unfinished_runs(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Doing) as at:
            ids = [await at.start(Doing, what="wait") for _ in range(5)]
            results = await at.manager.cancel_job("Doing", by="me")
            assert {result.run_id for result in results} == set(ids)
            assert {(await at.finished(run_id)).state for run_id in ids} == {RunState.CANCELLED}
            assert await at.manager.cancel_job("Doing") == []

    go(check())


def test_parameters_that_do_not_fit_any_more_fail_the_run(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Strict, Doing) as at:
            await at.control.pause("all", reason="-")
            run_id = await at.start(Strict, days=5)
        Strict.parameters = (JobParameter("weeks", int, required=True),)
        try:
            async with desk(tmp_path, Strict, Doing, clock=at.clock) as again:
                await again.control.resume("all")
                run = await again.finished(run_id)
                assert (run.state, run.reason) == (RunState.FAILED, RunReason.INVALID_PARAMETERS)
                assert "weeks" in run.errors[0].error
                await is_healthy(again)
        finally:
            Strict.parameters = (JobParameter("days", int, minimum=1),)

    go(check())


def test_a_job_type_that_nobody_offers_any_more_waits_and_is_shown(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Strict, Doing) as at:
            await at.control.pause("all", reason="-")
            run_id = await at.start(Strict, days=5)
        async with desk(tmp_path, Doing, clock=at.clock) as without:
            await without.control.resume("all")
            await is_healthy(without)
            assert (await without.run(run_id)).state is RunState.QUEUED
        async with desk(tmp_path, Strict, Doing, clock=at.clock) as again:
            assert (await again.finished(run_id)).result == 5

    go(check())


def test_a_run_that_expired_while_it_waited_fails(tmp_path: Path) -> None:
    from host.model.submissions import RunSubmission

    async def check() -> None:
        async with desk(tmp_path, Doing) as at:
            await at.control.pause("all", reason="-")
            expires = at.clock.now() + timedelta(seconds=5)
            (run_id,) = await at.control.submit([RunSubmission(job="Doing", expires_at=expires)])
            at.clock.move(6)
            await at.control.resume("all")
            run = await at.finished(run_id)
            assert (run.state, run.reason) == (RunState.FAILED, RunReason.EXPIRED)

    go(check())
