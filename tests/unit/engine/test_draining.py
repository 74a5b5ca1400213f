"""Drains, stops and pauses: what runs is finished or given back unharmed, and nothing more starts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from host.model.runs import RunReason, RunState
from tests.unit.engine.counting import (
    Counting,
    Held,
    Once,
    Waiting,
    WaitingOnce,
    gated,
)
from tests.unit.engine.desk import Plain, desk, eventually, go

SHORT_DRAIN = '<section xsi:type="HostConfigurationSection" drain="PT0.1S" />'


def test_a_run_that_ends_while_draining_keeps_its_outcome_and_none_starts(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Held) as at:
            first, second = await at.start(Held), await at.start(Held)
            await eventually(lambda: Held.now == 1)
            drain = asyncio.ensure_future(at.host.finish_drain())
            await eventually(lambda: at.dispatcher._draining)
            Held.free.set()
            assert await drain == 0
        async with desk(tmp_path, Plain, Held, clock=at.clock, paused="to look") as again:
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
