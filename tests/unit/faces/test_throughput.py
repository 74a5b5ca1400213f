"""Counting outcomes step by step, on a real host whose time stands still."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from host.contracts.jobs import Job, JobContext
from host.contracts.runs import JobRunReader
from host.errors import UnsupportedOperationError
from host.faces.background import Reckoned
from host.faces.throughput import Span, Throughput
from host.model.runs import RunState
from host.testing.clock import FakeClock
from host.testing.host import running_host
from host.testing.kit import HostKit

NOON = datetime(2026, 11, 21, 12, 7, tzinfo=UTC)


class Work(Job):
    """Works, or not."""

    async def run(self, context: JobContext) -> None:
        """Do nothing."""


def check(tmp_path: Path, body: Callable[[HostKit, Throughput], Awaitable[None]]) -> None:
    async def run() -> None:
        async with running_host(tmp_path, jobs=(Work,), clock=FakeClock(NOON)) as kit:
            throughput = Throughput(kit.get(JobRunReader), kit.clock)
            try:
                await body(kit, throughput)
            finally:
                await throughput.stop()

    asyncio.run(run())


async def counts(throughput: Throughput, span: Span) -> dict[datetime, int]:
    """Give how many runs completed, by step that had any; once all are counted."""
    while True:
        steps = await throughput.look(span, patience_seconds=5)
        if all(step.by_state is not None for step in steps):
            return {step.since: step.by_state[RunState.COMPLETED] for step in steps if step.by_state}


def test_runs_are_counted_in_the_step_they_ended_in_and_by_now(tmp_path: Path) -> None:
    async def body(kit: HostKit, throughput: Throughput) -> None:
        await kit.perform("Work")
        assert await counts(throughput, Span.HOUR) == {NOON: 1}
        assert await counts(throughput, Span.DAY) == {NOON.replace(minute=0): 1}
        kit.clock.move(10)
        await kit.perform("Work")
        kit.clock.move(30 * 60)
        await kit.perform("Work")
        later = NOON + timedelta(minutes=30)
        assert await counts(throughput, Span.HOUR) == {NOON: 2, later: 1}
        assert await counts(throughput, Span.DAY) == {NOON.replace(minute=0): 2, NOON.replace(minute=30): 1}
        assert await counts(throughput, Span.WEEK) == {NOON.replace(minute=0): 3}

    check(tmp_path, body)


def test_what_has_settled_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(kit: HostKit, throughput: Throughput) -> None:
        await counts(throughput, Span.DAY)
        reader = kit.get(JobRunReader)
        asked: list[datetime] = []
        read = reader.statistics

        async def statistics(*args: object, **options: object) -> object:
            asked.append(options["since"])  # type: ignore[arg-type]  # an instant
            return await read(*args, **options)  # type: ignore[arg-type]  # as given

        monkeypatch.setattr(reader, "statistics", statistics, raising=False)
        kit.clock.move(10)
        await counts(throughput, Span.DAY)
        assert asked == [NOON.replace(minute=0)]

    check(tmp_path, body)


def test_what_the_store_refuses_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unable(*_: object, **__: object) -> object:
        raise UnsupportedOperationError("no statistics here")

    async def body(kit: HostKit, throughput: Throughput) -> None:
        monkeypatch.setattr(kit.get(JobRunReader), "statistics", unable, raising=False)
        for _ in range(2):
            with pytest.raises(UnsupportedOperationError, match="no statistics here"):
                await throughput.look(Span.DAY, patience_seconds=5)

    check(tmp_path, body)


def test_an_older_value_is_given_while_a_new_one_is_reckoned() -> None:
    async def run() -> None:
        clock, free, made = FakeClock(NOON), asyncio.Event(), 0

        async def reckon() -> int:
            nonlocal made
            await free.wait()
            made += 1
            return made

        value = Reckoned(reckon, clock, seconds=5, name="test")
        assert await value.look(patience_seconds=0) is None
        free.set()
        first = await value.look(patience_seconds=5)
        assert first is not None
        assert (first.value, first.is_fresh) == (1, True)
        free.clear()
        clock.move(6)
        stale = await value.look(patience_seconds=0)
        assert stale is not None
        assert (stale.value, stale.is_fresh) == (1, False)
        free.set()
        second = await value.look(patience_seconds=5)
        assert second is not None
        assert (second.value, second.is_fresh) == (2, True)
        value.forget()
        free.clear()
        await value.look(patience_seconds=0)
        await value.stop()

    asyncio.run(run())
