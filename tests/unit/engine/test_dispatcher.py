"""Claims, slots, drains and stores that fail: no run is lost, done twice or left behind."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from host.contracts.jobs import Job, JobContext, JobManagerService
from host.contracts.runs import JobRunClaimer, JobRunReader
from host.engine import runner
from host.engine.dispatcher import HostedDispatcher
from host.local.runs import SqliteJobRunStore
from host.model.jobs import OverlapPolicy, RecoveryPolicy
from host.model.runs import RunReason, RunState
from host.testing.host import running_host
from tests.unit.engine.desk import FAST, Desk, Plain, desk, eventually, go, name_of
from tests.unit.engine.gate import Gate, GatedClaimer

QUICK = '<section xsi:type="DispatcherConfigurationSection" cancelGrace="PT1S" blockedAfter="PT0.05S" />'
SHORT_DRAIN = '<section xsi:type="HostConfigurationSection" drain="PT0.1S" />'


class Counting(Job):
    """Counts how often its code ran and how many ran at a time."""

    overlap = OverlapPolicy.ALLOW
    began = 0
    now = 0
    most = 0

    async def run(self, context: JobContext) -> None:
        cls = type(self)
        cls.began += 1
        cls.now += 1
        cls.most = max(cls.most, cls.now)
        try:
            await self.work(context)
        finally:
            cls.now -= 1

    async def work(self, context: JobContext) -> None:
        return None


class Once(Counting):
    """Must not be started twice."""

    recovery = RecoveryPolicy.FAIL


class LimitedOnce(Once):
    """Must not be started twice, and may take a moment only."""

    timeout = timedelta(milliseconds=50)


class Waiting(Counting):
    """Waits to be cancelled."""

    async def work(self, context: JobContext) -> None:
        await asyncio.Event().wait()


class WaitingOnce(Waiting):
    """Waits to be cancelled, and must not be started twice."""

    recovery = RecoveryPolicy.FAIL


class Ticking(Counting):
    """Takes a moment, one run at a time, in order."""

    overlap = OverlapPolicy.QUEUE

    async def work(self, context: JobContext) -> None:
        await asyncio.sleep(0.005)


class Failing(Counting):
    """Fails, twice."""

    max_attempts = 2

    async def work(self, context: JobContext) -> None:
        raise ValueError


class Deaf(Job):
    """Never looks whether it should stop."""

    overlap = OverlapPolicy.ALLOW
    free = threading.Event()

    def run(self, context: JobContext) -> None:
        self.free.wait(20)


class DeafCoroutine(Job):
    """Swallows every cancellation."""

    free = False

    async def run(self, context: JobContext) -> None:
        while not DeafCoroutine.free:
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue


class Sync(Job):
    """Returns at once, in a thread."""

    overlap = OverlapPolicy.ALLOW

    def run(self, context: JobContext) -> None:
        return None


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    for job in (Counting, Once, LimitedOnce, Waiting, WaitingOnce, Ticking, Failing):
        job.began = job.now = job.most = 0
    Deaf.free = threading.Event()
    DeafCoroutine.free = False
    yield
    Deaf.free.set()
    DeafCoroutine.free = True


@asynccontextmanager
async def gated(folder: Path, *jobs: type[Job], sections: str = "", clock=None):
    providers = [SqliteJobRunStore, GatedClaimer]
    async with desk(folder, *jobs, providers=providers, sections=sections, clock=clock) as at:
        gate = at.host.get(JobRunClaimer)
        assert isinstance(gate, Gate)
        yield at, gate


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


# Draining.


def test_a_run_that_ends_while_draining_keeps_its_outcome_and_none_starts(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Ticking) as at:
            first, second = await at.start(Ticking), await at.start(Ticking)
            await at.until(first, lambda run: run.state is not RunState.QUEUED)
            assert await at.host.finish_drain() == 0
        async with desk(tmp_path, Plain, Ticking, clock=at.clock, paused="to look") as again:
            assert (await again.run(first)).state is RunState.COMPLETED
            assert (await again.run(second)).state is RunState.QUEUED

    go(check())


def test_a_run_that_does_not_end_in_the_drain_time_is_given_back(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Waiting, sections=SHORT_DRAIN) as at:
            run_id = await at.start(Waiting)
            await eventually(lambda: Waiting.now == 1)
            assert await at.host.finish_drain() == 1
        async with desk(tmp_path, Waiting, clock=at.clock, paused="to look") as again:
            run = await again.run(run_id)
            assert (run.state, run.reason, run.attempt, run.crashes) == (RunState.QUEUED, RunReason.DRAINED, 0, 0)

    go(check())


def test_a_run_that_must_not_start_twice_is_failed_by_a_drain_it_outlasts(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, WaitingOnce, sections=SHORT_DRAIN) as at:
            run_id = await at.start(WaitingOnce)
            await eventually(lambda: WaitingOnce.now == 1)
            assert await at.host.finish_drain() == 1
            run = await at.finished(run_id)
            assert (run.state, run.reason) == (RunState.FAILED, RunReason.LOST)

    go(check())


def test_a_run_can_be_cancelled_while_draining(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Waiting) as at:
            run_id = await at.start(Waiting)
            await eventually(lambda: Waiting.now == 1)
            drain = asyncio.ensure_future(at.host.finish_drain())
            await asyncio.sleep(0)
            await at.control.cancel(run_id)
            assert await drain == 0
            assert (await at.finished(run_id)).state is RunState.CANCELLED

    go(check())


@pytest.mark.parametrize("job", [Counting, Once])
def test_a_run_claimed_just_as_the_host_stops_is_given_back_unharmed(tmp_path: Path, job: type[Counting]) -> None:
    async def check() -> None:
        async with gated(tmp_path, job) as (at, gate):
            await eventually(lambda: at.dispatcher._is_waiting)
            gate.held["claim"] = asyncio.Event()
            run_id = await at.start(job)
            await at.until(run_id, lambda run: run.state is RunState.STARTING)
            asyncio.get_running_loop().call_later(0.05, gate.held.pop("claim").set)
        async with desk(tmp_path, job, clock=at.clock) as again:
            run = await again.finished(run_id)
            assert (run.state, run.crashes, job.began) == (RunState.COMPLETED, 0, 1)

    go(check())


def test_a_pause_is_in_force_when_it_returns_also_for_a_claim_on_its_way(tmp_path: Path) -> None:
    async def check() -> None:
        async with gated(tmp_path, Counting) as (at, gate):
            await eventually(lambda: at.dispatcher._is_waiting)
            gate.held["claim"] = asyncio.Event()
            run_id = await at.start(Counting)
            await at.until(run_id, lambda run: run.state is RunState.STARTING)
            await at.control.pause("all", reason="now")
            gate.held.pop("claim").set()
            run = await at.until(run_id, lambda run: run.state is not RunState.STARTING)
            assert (run.state, Counting.began) == (RunState.QUEUED, 0)
            await at.control.resume("all")
            run = await at.finished(run_id)
            assert (run.state, run.attempt, Counting.began) == (RunState.COMPLETED, 1, 1)

    go(check())


# Slots, keys, time.


def test_no_more_runs_than_slots_at_a_time(tmp_path: Path) -> None:
    async def check() -> None:
        slots = '<section xsi:type="ExecutorConfigurationSection" loopSlots="2" threadSlots="1" />'
        async with desk(tmp_path, Ticking, Waiting, Sync, sections=slots) as at:
            ids = [await at.start(Waiting) for _ in range(5)]
            await eventually(lambda: Waiting.now == 2)
            assert at.dispatcher.load()["loop"] == (2, 2)
            assert (await at.finished(await at.start(Sync))).state is RunState.COMPLETED
            for run_id in ids:
                await at.control.cancel(run_id)
            for run_id in ids:
                await at.finished(run_id)
            assert Waiting.most == 2

    go(check())


def test_queued_runs_of_an_exclusive_job_follow_each_other_at_once_and_in_order(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Ticking) as at:
            began = time.monotonic()
            ids = [await at.start(Ticking) for _ in range(5)]
            runs = [await at.finished(run_id) for run_id in ids]
            assert time.monotonic() - began < 2
            assert Ticking.most == 1
            assert sorted(runs, key=lambda run: run.change) == runs

    go(check())


def test_a_run_submitted_while_a_claim_is_on_its_way_is_claimed_right_after_it(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Counting) as at:
            await eventually(lambda: at.dispatcher._is_waiting)
            at.dispatcher.wake()
            began = time.monotonic()
            assert (await at.finished(await at.start(Counting))).state is RunState.COMPLETED
            assert time.monotonic() - began < 2

    go(check())


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
            assert 0.1 <= time.monotonic() - began < 2
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
            assert at.dispatcher.load()["thread"] == (0, 1)
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
            began = time.monotonic()
        assert time.monotonic() - began < 3
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
