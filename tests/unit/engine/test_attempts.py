"""Retries, and what a job may ask for instead: another time, later, never."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.contracts.executors import JobCall, JobExecutor, JobNotBegunError
from host.contracts.jobs import Discard, Job, JobContext, Retry, Snooze
from host.engine.policies import LONGEST_WAIT, retry_delay
from host.model.jobs import OverlapPolicy, RetryPolicy
from host.model.runs import JobResult, JobRun, RunReason, RunState
from tests.unit.engine.desk import Desk, desk, go

SECOND = timedelta(seconds=1)
EXACT = RetryPolicy(delay=SECOND, jitter=0)


class Raising(Job):
    """Raises what it is told, then completes."""

    overlap = OverlapPolicy.ALLOW
    max_attempts = 3
    retry = EXACT
    to_raise: tuple[BaseException, ...] = ()
    began = 0

    async def run(self, context: JobContext) -> None:
        cls = type(self)
        cls.began += 1
        if cls.began <= len(cls.to_raise):
            raise cls.to_raise[cls.began - 1]


class InThread(Raising):
    """The same in a thread."""

    def run(self, context: JobContext) -> None:  # type: ignore[override]  # as any plain def
        cls = type(self)
        cls.began += 1
        if cls.began <= len(cls.to_raise):
            raise cls.to_raise[cls.began - 1]


class Choosy(Raising):
    """Tries again after an OSError only, never when a file is missing."""

    retry = RetryPolicy(delay=SECOND, jitter=0, only_on=(OSError,), never_on=(FileNotFoundError,))


@pytest.fixture(params=[Raising, InThread])
def job(request: pytest.FixtureRequest) -> type[Raising]:
    kind: type[Raising] = request.param
    return kind


async def perform(at: Desk, kind: type[Raising], *to_raise: BaseException) -> JobRun:
    """Start the job; gives the run once it has ended or waits for another attempt."""
    kind.began, kind.to_raise = 0, to_raise
    run_id = await at.start(kind)
    return await at.until(run_id, lambda run: run.state.is_final or run.state is RunState.SCHEDULED)


async def wait_out(at: Desk, run: JobRun) -> JobRun:
    """Let the time to the next attempt pass."""
    assert run.not_before is not None
    at.clock.move((run.not_before - at.clock.now()).total_seconds())
    at.dispatcher.wake()
    return await at.until(
        run.id, lambda row: row.state.is_final or (row.state is RunState.SCHEDULED and row.attempt > run.attempt)
    )


def test_a_failed_attempt_is_tried_again_and_its_error_kept(tmp_path: Path, job: type[Raising]) -> None:
    async def check() -> None:
        async with desk(tmp_path, job) as at:
            first = await perform(at, job, OSError("gone"), OSError("still gone"))
            assert (first.state, first.reason, first.attempt) == (RunState.SCHEDULED, RunReason.RETRY, 1)
            assert first.not_before == at.clock.now() + SECOND
            second = await wait_out(at, first)
            assert second.not_before == at.clock.now() + 2 * SECOND
            last = await wait_out(at, second)
            assert (last.state, last.attempt) == (RunState.COMPLETED, 3)
            assert [(error.attempt, error.error) for error in last.errors] == [
                (1, "OSError: gone"),
                (2, "OSError: still gone"),
            ]
            assert "raise cls.to_raise" in str(last.errors[0].traceback)

    go(check())


def test_without_attempts_left_the_run_has_failed(tmp_path: Path, job: type[Raising]) -> None:
    async def check() -> None:
        async with desk(tmp_path, job) as at:
            run = await perform(at, job, *(ValueError(str(number)) for number in range(3)))
            for _ in range(2):
                run = await wait_out(at, run)
            assert (run.state, run.reason, run.attempt) == (RunState.FAILED, RunReason.ERROR, 3)
            assert len(run.errors) == 3

    go(check())


@pytest.mark.parametrize(
    ("error", "is_again"),
    [(OSError("x"), True), (ConnectionError("x"), True), (FileNotFoundError("x"), False), (ValueError("x"), False)],
)
def test_the_policy_says_which_exceptions_are_tried_again(
    tmp_path: Path, error: BaseException, *, is_again: bool
) -> None:
    async def check() -> None:
        async with desk(tmp_path, Choosy) as at:
            run = await perform(at, Choosy, error)
            expected = (RunState.SCHEDULED, RunReason.RETRY) if is_again else (RunState.FAILED, RunReason.DISCARDED)
            assert (run.state, run.reason) == expected

    go(check())


def test_retry_says_when_whatever_the_policy_says(tmp_path: Path, job: type[Raising]) -> None:
    async def check() -> None:
        async with desk(tmp_path, job, Choosy) as at:
            for kind in (job, Choosy):
                run = await perform(at, kind, Retry("not ready", after=timedelta(minutes=7)))
                assert run.not_before == at.clock.now() + timedelta(minutes=7)
                assert run.errors[0].error == "Retry: not ready"

    go(check())


class Patient(Raising):
    """Waits for ever between attempts."""

    retry = RetryPolicy(delay=timedelta.max, longest=timedelta.max, jitter=0)


@pytest.mark.parametrize(
    "error",
    [ValueError(), Retry(after=timedelta.max), Snooze(after=timedelta.max)],
    ids=lambda error: type(error).__name__,
)
def test_a_wait_beyond_the_calendar_is_the_longest_there_is(tmp_path: Path, error: Exception) -> None:
    async def check() -> None:
        async with desk(tmp_path, Patient) as at:
            run = await perform(at, Patient, error)
            assert (run.state, run.not_before) == (RunState.SCHEDULED, at.clock.now() + LONGEST_WAIT)

    go(check())


def test_retry_without_a_time_waits_as_the_policy_says_and_counts(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Raising) as at:
            run = await perform(at, Raising, Retry(), Retry(), Retry())
            assert run.not_before == at.clock.now() + SECOND
            for _ in range(2):
                run = await wait_out(at, run)
            assert (run.state, run.attempt) == (RunState.FAILED, 3)

    go(check())


def test_discard_fails_the_run_for_good(tmp_path: Path, job: type[Raising]) -> None:
    async def check() -> None:
        async with desk(tmp_path, job) as at:
            run = await perform(at, job, Discard("the order was deleted"))
            assert (run.state, run.reason, run.attempt) == (RunState.FAILED, RunReason.DISCARDED, 1)
            assert run.errors[0].error == "Discard: the order was deleted"

    go(check())


def test_snooze_counts_no_attempt(tmp_path: Path, job: type[Raising]) -> None:
    async def check() -> None:
        async with desk(tmp_path, job) as at:
            run = await perform(at, job, Snooze("no file yet", after=timedelta(minutes=5)))
            assert (run.state, run.reason, run.attempt) == (RunState.SCHEDULED, RunReason.SNOOZED, 0)
            assert run.status_text == "put off: no file yet"
            assert (run.not_before, run.errors) == (at.clock.now() + timedelta(minutes=5), ())
            at.clock.move(300)
            at.dispatcher.wake()
            done = await at.finished(run.id)
            assert (done.state, done.attempt) == (RunState.COMPLETED, 1)

    go(check())


class FullExecutor(JobExecutor):
    """Can begin nothing until it has room."""

    name = "full"
    cancel_effect = "none"
    has_room = False

    @property
    def slots(self) -> int:
        return 5

    async def perform(self, call: JobCall) -> JobResult | None:
        if not type(self).has_room:
            raise JobNotBegunError("no thread could be had")
        call.create()
        return None


class Elsewhere(Job):
    """Wants the full executor."""

    executor = "full"

    async def run(self, context: JobContext) -> None:
        raise NotImplementedError


def test_a_call_that_cannot_begin_is_put_off_and_counts_for_nothing(tmp_path: Path) -> None:
    async def check() -> None:
        FullExecutor.has_room = False
        async with desk(tmp_path, Elsewhere, providers=[FullExecutor]) as at:
            run_id = await at.start(Elsewhere)
            run = await at.until(run_id, lambda run: run.state is RunState.SCHEDULED)
            assert (run.attempt, run.crashes, run.errors) == (0, 0, ())
            assert run.status_text == "cannot begin: no thread could be had"
            FullExecutor.has_room = True
            at.clock.move(5)
            at.dispatcher.wake()
            assert (await at.finished(run_id)).state is RunState.COMPLETED

    go(check())


def test_after_must_be_a_duration() -> None:
    for ask in (lambda: Retry(after=5), lambda: Snooze(after=None)):  # type: ignore[arg-type]  # what is to be refused
        with pytest.raises(TypeError, match="expected a timedelta"):
            ask()


@given(
    attempt=st.integers(1, 5000),
    fraction=st.floats(0, 1, exclude_max=True),
    jitter=st.floats(0, 1),
    factor=st.floats(1, 10),
)
def test_waits_grow_to_the_longest_and_stay_within_their_jitter(
    attempt: int, fraction: float, jitter: float, factor: float
) -> None:
    policy = RetryPolicy(delay=SECOND, factor=factor, longest=60 * SECOND, jitter=jitter)
    full = retry_delay(RetryPolicy(delay=SECOND, factor=factor, longest=60 * SECOND, jitter=0), attempt, fraction)
    assert timedelta(0) <= retry_delay(policy, attempt, fraction) <= full <= 60 * SECOND
    assert retry_delay(policy, attempt, fraction) >= full * (1 - jitter) - timedelta(microseconds=1)


@pytest.mark.parametrize("wrong", [{"factor": 0.5}, {"jitter": 1.5}, {"jitter": -0.1}, {"delay": -SECOND}])
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must"):
        RetryPolicy(**wrong)  # type: ignore[arg-type]  # what is to be refused


class Slow(Job):
    """Takes as long as the test's clock moves."""

    overlap = OverlapPolicy.ALLOW
    goes_on: asyncio.Event

    async def run(self, context: JobContext) -> None:
        await type(self).goes_on.wait()


def test_how_long_a_run_took_does_not_depend_on_the_clock_on_the_wall(tmp_path: Path) -> None:
    async def check() -> None:
        Slow.goes_on = asyncio.Event()
        async with desk(tmp_path, Slow) as at:
            run_id = await at.start(Slow)
            await at.until(run_id, lambda run: run.state is RunState.RUNNING)
            at.clock.move(5)
            at.clock.step(-8 * 3600)
            Slow.goes_on.set()
            run = await at.finished(run_id)
            assert (run.took, run.duration) == (5 * SECOND, 5 * SECOND)
            assert run.finished_at is not None
            assert run.started_at is not None
            assert run.finished_at < run.started_at

    go(check())
