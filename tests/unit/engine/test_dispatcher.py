"""Claims, slots, drains and stores that fail: no run is lost, done twice or left behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from host.contracts.jobs import Job, JobContext, JobManagerService, Retry
from host.contracts.runs import JobRunReader
from host.engine import dispatcher, runner
from host.engine.context import ActiveRun
from host.engine.dispatcher import HostedDispatcher
from host.engine.progress import START_DELAY_SECONDS, ProgressWriter
from host.errors import InvalidRequestError
from host.model.jobs import JobParameter
from host.model.runs import JobResult, RunReason, RunState
from host.testing.host import running_host
from tests.unit.engine.counting import (
    Counting,
    Deaf,
    DeafCoroutine,
    Failing,
    LimitedOnce,
    Once,
    Sync,
    Ticking,
    Waiting,
    WaitingOnce,
    gated,
)
from tests.unit.engine.desk import FAST, Desk, Plain, desk, eventually, go, load, name_of

QUICK = '<section xsi:type="DispatcherConfigurationSection" cancelGrace="PT1S" blockedAfter="PT0.05S" />'


# Outcomes and stores that fail.


def test_outcomes_that_the_store_refuses_are_held_shown_and_written_later(tmp_path: Path) -> None:
    async def check() -> None:
        async with gated(tmp_path, Counting) as (at, gate):
            gate.refused.add("finish")
            ids = [await at.start(Counting) for _ in range(3)]
            await eventually(lambda: Counting.began == 3 and gate.calls["finish"] > 1)
            failures = [finding for finding in at.dispatcher.check() if finding.is_failure]
            assert ["3 outcomes wait" in finding.message for finding in failures] == [True]
            gate.refused.clear()
            for run_id in ids:
                assert (await at.finished(run_id)).state is RunState.COMPLETED
            assert Counting.began == 3
            assert [finding for finding in at.dispatcher.check() if finding.is_failure] == []

    go(check())


def test_an_outcome_whose_answer_was_lost_is_told_again_and_changes_nothing(tmp_path: Path) -> None:
    async def check() -> None:
        async with gated(tmp_path, Counting) as (at, gate):
            gate.lost.add("finish")
            run_id = await at.start(Counting)
            await eventually(lambda: gate.calls["finish"] > 1)
            gate.lost.clear()
            assert (await at.finished(run_id)).attempt == 1
            assert Counting.began == 1

    go(check())


def test_a_repeated_outcome_does_not_disturb_the_next_attempt_of_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class WaitingAtLast(Failing):
        """Fails at first, then waits."""

        async def work(self, context: JobContext) -> None:
            if context.attempt == 1:
                raise ValueError
            await asyncio.Event().wait()

    monkeypatch.setattr(runner, "retry_delay", lambda *_: timedelta(0))

    async def check() -> None:
        async with gated(tmp_path, WaitingAtLast) as (at, gate):
            gate.lost.add("finish")
            run_id = await at.start(WaitingAtLast)
            await eventually(lambda: gate.calls["finish"] > 1)
            at.dispatcher.wake()
            await at.until(run_id, lambda run: run.state is RunState.RUNNING and run.attempt == 2)
            calls = gate.calls["finish"]
            await eventually(lambda: gate.calls["finish"] > calls)
            gate.lost.clear()
            await eventually(lambda: not at.dispatcher._outcomes)
            assert (await at.run(run_id)).state is RunState.RUNNING
            await at.control.cancel(run_id)
            assert (await at.finished(run_id)).state is RunState.CANCELLED

    go(check())


def test_one_outcome_that_no_store_can_keep_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Answering(Counting):
        """Returns what it is given."""

        parameters = (JobParameter("what", str),)

        async def run(self, context: JobContext) -> JobResult:  # type: ignore[override]
            await gate_open.wait()
            return JobResult(value=context.parameters["what"])

    gate_open = asyncio.Event()

    async def check() -> None:
        async with gated(tmp_path, Answering) as (at, gate):
            finish = gate._inner.finish

            async def picky(outcomes):
                if any(outcome.result == "poison" for outcome in outcomes):
                    raise InvalidRequestError("no store keeps poison")
                return await finish(outcomes)

            monkeypatch.setattr(gate._inner, "finish", picky)
            ids = [await at.start(Answering, what=what) for what in ("bread", "poison", "wine")]
            gate_open.set()
            bread, poison, wine = [await at.finished(run_id) for run_id in ids]
            assert (bread.result, wine.result) == ("bread", "wine")
            assert (poison.state, poison.reason) == (RunState.FAILED, RunReason.INVALID_RESULT)
            assert poison.status_text == "no store keeps poison"

    go(check())


def test_a_claim_that_fails_is_made_again(tmp_path: Path) -> None:
    async def check() -> None:
        async with gated(tmp_path, Counting) as (at, gate):
            gate.refused.add("claim")
            run_id = await at.start(Counting)
            await eventually(lambda: gate.calls["claim"] > 2)
            assert (await at.run(run_id)).state is RunState.QUEUED
            gate.refused.clear()
            assert (await at.finished(run_id)).state is RunState.COMPLETED

    go(check())


# Recovery policy fail: at most once.


def test_code_that_must_not_start_twice_waits_until_running_is_durable(tmp_path: Path) -> None:
    async def check() -> None:
        async with gated(tmp_path, Once) as (at, gate):
            gate.held["update"] = asyncio.Event()
            run_id = await at.start(Once)
            await at.until(run_id, lambda run: run.state is RunState.RUNNING)
            assert Once.began == 0
            gate.held.pop("update").set()
            assert (await at.finished(run_id)).state is RunState.COMPLETED
            assert Once.began == 1

    go(check())


@pytest.mark.parametrize("fault", ["refused", "lost"])
def test_code_that_must_not_start_twice_does_not_start_while_running_cannot_be_written(
    tmp_path: Path, fault: str
) -> None:
    async def check() -> None:
        async with gated(tmp_path, Once) as (at, gate):
            getattr(gate, fault).add("update")
            run_id = await at.start(Once)
            await eventually(lambda: gate.calls["update"] > 1)
            assert Once.began == 0
            getattr(gate, fault).clear()
            run = await at.finished(run_id)
            assert (run.state, run.attempt, Once.began) == (RunState.COMPLETED, 1, 1)

    go(check())


def test_a_timeout_counts_from_when_the_code_starts(tmp_path: Path) -> None:
    async def check() -> None:
        async with gated(tmp_path, LimitedOnce) as (at, gate):
            gate.held["update"] = asyncio.Event()
            run_id = await at.start(LimitedOnce)
            await at.until(run_id, lambda run: run.state is RunState.RUNNING)
            await asyncio.sleep(0.1)
            gate.held.pop("update").set()
            assert (await at.finished(run_id)).state is RunState.COMPLETED

    go(check())


def test_a_run_cancelled_while_its_claim_is_on_its_way_never_starts(tmp_path: Path) -> None:
    async def check() -> None:
        async with gated(tmp_path, WaitingOnce) as (at, gate):
            await at.dispatcher.wait_quiet()
            gate.held["claim"] = asyncio.Event()
            run_id = await at.start(WaitingOnce)
            await at.until(run_id, lambda run: run.state is RunState.STARTING)
            await at.control.cancel(run_id)
            gate.held.pop("claim").set()
            run = await at.finished(run_id)
            assert (run.state, run.reason, WaitingOnce.began) == (RunState.CANCELLED, RunReason.REQUESTED, 0)

    go(check())


class Late(Job):
    """Its first attempt is told about once more while the second one is active."""

    max_attempts = 2
    tell_late: Callable[[], None]

    async def run(self, context: JobContext) -> None:
        if context.attempt == 1:
            raise Retry(after=timedelta(0))
        type(self).tell_late()
        await asyncio.sleep(3 * START_DELAY_SECONDS)


def test_progress_told_too_late_does_not_disturb_the_next_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[ActiveRun] = []
    forget = ProgressWriter.forget

    def note(self: ProgressWriter, active: ActiveRun) -> None:
        forget(self, active)
        seen.append(active)
        Late.tell_late = lambda: self.started(seen[0])

    monkeypatch.setattr(ProgressWriter, "forget", note)

    async def check() -> None:
        async with desk(tmp_path, Late) as at:
            assert (await at.finished(await at.start(Late))).state is RunState.COMPLETED

    go(check())


def test_a_run_cancelled_before_its_code_could_start_never_starts(tmp_path: Path) -> None:
    async def check() -> None:
        async with gated(tmp_path, Once) as (at, gate):
            gate.held["update"] = asyncio.Event()
            run_id = await at.start(Once)
            await at.until(run_id, lambda run: run.state is RunState.RUNNING)
            await at.control.cancel(run_id)
            gate.held.pop("update").set()
            assert (await at.finished(run_id)).state is RunState.CANCELLED
            assert Once.began == 0

    go(check())


# Slots, keys, time.


def test_no_more_runs_than_slots_at_a_time(tmp_path: Path) -> None:
    async def check() -> None:
        slots = '<section xsi:type="ExecutorConfigurationSection" loopSlots="2" threadSlots="1" />'
        async with desk(tmp_path, Ticking, Waiting, Sync, sections=slots) as at:
            ids = [await at.start(Waiting) for _ in range(5)]
            await eventually(lambda: Waiting.now == 2)
            assert load(at.dispatcher)["loop"] == (2, 2)
            assert (await at.finished(await at.start(Sync))).state is RunState.COMPLETED
            for run_id in ids:
                await at.control.cancel(run_id)
            for run_id in ids:
                await at.finished(run_id)
            assert Waiting.most == 2

    go(check())


@pytest.fixture
def no_idle_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what only the next idle look would find never be found."""
    monkeypatch.setattr(dispatcher, "IDLE_SECONDS", 3600)


@pytest.mark.usefixtures("no_idle_look")
def test_queued_runs_of_an_exclusive_job_follow_each_other_at_once_and_in_order(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Ticking) as at:
            ids = [await at.start(Ticking) for _ in range(5)]
            runs = [await at.finished(run_id) for run_id in ids]
            assert Ticking.most == 1
            assert sorted(runs, key=lambda run: run.change) == runs

    go(check())


@pytest.mark.usefixtures("no_idle_look")
def test_a_run_submitted_while_a_claim_is_on_its_way_is_claimed_right_after_it(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Counting) as at:
            await eventually(lambda: at.dispatcher._is_waiting)
            at.dispatcher.wake()
            assert (await at.finished(await at.start(Counting))).state is RunState.COMPLETED

    go(check())


@pytest.mark.usefixtures("no_idle_look")
def test_a_retry_runs_at_its_time_without_waiting_for_the_idle_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "retry_delay", lambda *_: timedelta(milliseconds=100))

    async def check() -> None:
        async with running_host(tmp_path, jobs=[Failing], sections=FAST) as host:
            began = time.monotonic()
            run = await host.get(JobManagerService).start_job("Failing")
            assert run is not None
            await eventually(lambda: Failing.began == 2)
            assert time.monotonic() - began >= 0.1
            reader = host.get(JobRunReader)

            async def is_failed() -> bool:
                found = await reader.run(run.id)
                return found is not None and found.state is RunState.FAILED

            await eventually(is_failed)

    go(check())


# Jobs that do not stop.


async def stuck(at: Desk, job: type[Job]):
    run_id = await at.start(job)
    await at.until(run_id, lambda run: run.state is RunState.RUNNING)
    await at.control.cancel(run_id)
    at.clock.move(2)
    return await at.until(run_id, lambda run: run.is_stuck)


def test_a_run_that_ignores_its_cancellation_is_shown_as_stuck_and_gives_its_slot_to_others(tmp_path: Path) -> None:
    slots = '<section xsi:type="ExecutorConfigurationSection" threadSlots="1" />'

    async def check() -> None:
        async with desk(tmp_path, Deaf, Sync, sections=QUICK + slots) as at:
            run = await stuck(at, Deaf)
            assert run.state is RunState.RUNNING
            assert any("ignores its cancellation" in finding.message for finding in at.dispatcher.check())
            assert (await at.finished(await at.start(Sync))).state is RunState.COMPLETED
            Deaf.free.set()
            assert (await at.finished(run.id)).state is RunState.CANCELLED
            assert load(at.dispatcher)["thread"] == (0, 1)
            assert (await at.finished(await at.start(Sync))).state is RunState.COMPLETED

    go(check())


@pytest.mark.parametrize("job", [Deaf, DeafCoroutine])
def test_a_run_that_does_not_stop_does_not_keep_the_host_from_stopping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: type[Job]
) -> None:
    monkeypatch.setattr(HostedDispatcher, "stop_seconds", 0.3)

    async def check() -> None:
        async with desk(tmp_path, job, Plain) as at:
            run_id = await at.start(job)
            await at.until(run_id, lambda run: run.state is RunState.RUNNING)
            async with asyncio.timeout(60):
                await at.host.stop()
        async with desk(tmp_path, Plain, clock=at.clock) as again:
            run = await again.run(run_id)
            assert (run.state, run.reason, run.crashes) == (RunState.QUEUED, RunReason.RECOVERED, 1)
        DeafCoroutine.free = True
        await asyncio.sleep(0.02)

    go(check())


def test_a_dispatcher_that_is_started_twice_claims_once(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Counting) as at:
            before = at.dispatcher.background()
            await at.dispatcher.start()
            assert at.dispatcher.background() == before
            assert (await at.finished(await at.start(Counting))).state is RunState.COMPLETED

    go(check())


def test_a_dispatcher_that_was_stopped_starts_again(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Counting) as at:
            await at.dispatcher.stop()
            await at.dispatcher.start()
            assert (await at.finished(await at.start(Counting))).state is RunState.COMPLETED
            assert name_of(Counting) in at.directory.jobs()

    go(check())
