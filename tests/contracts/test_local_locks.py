"""The in-process locks meet the suite, and serve waiters in order."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from host.local.locks import LocalLockProvider
from host.testing.clock import FakeClock
from host.testing.contracts.locks import Advance, LockProviderSuite, NewLocks

LONG = timedelta(seconds=60)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


class TestLocalLockProvider(LockProviderSuite):
    @pytest.fixture
    def new_locks(self, clock: FakeClock) -> NewLocks:
        return lambda: LocalLockProvider(clock)

    @pytest.fixture
    def advance(self, clock: FakeClock) -> Advance:
        return clock.advance

    def test_waiters_are_served_in_order_and_nobody_passes_them(self, clock: FakeClock) -> None:
        async def check() -> None:
            locks = LocalLockProvider(clock)
            served: list[str] = []
            first = await locks.acquire("name", at_most_for=LONG)
            assert first

            async def work(name: str) -> None:
                lock = await locks.acquire("name", at_most_for=LONG, wait=LONG)
                assert lock
                served.append(name)
                await asyncio.sleep(0)
                await lock.release()

            async with asyncio.TaskGroup() as group:
                for name in "abc":
                    group.create_task(work(name))
                await clock.advance(0)
                await first.release()
                group.create_task(work("late"))
                assert await locks.acquire("name", at_most_for=LONG) is None
            assert served == ["a", "b", "c", "late"]

        asyncio.run(check())

    def test_the_next_waiter_learns_when_the_lock_it_now_waits_for_ends(self, clock: FakeClock) -> None:
        async def check() -> None:
            locks = LocalLockProvider(clock)
            await locks.acquire("name", at_most_for=LONG)
            async with asyncio.TaskGroup() as group:
                short = group.create_task(locks.acquire("name", at_most_for=timedelta(seconds=1), wait=2 * LONG))
                second = group.create_task(locks.acquire("name", at_most_for=LONG, wait=2 * LONG))
                await clock.advance(0)
                await clock.advance(60)
                assert short.done()
                assert not second.done()
                await clock.advance(1)
                assert second.done()

        asyncio.run(check())

    def test_nothing_is_kept_of_a_name_that_is_free(self, clock: FakeClock) -> None:
        async def check() -> None:
            locks = LocalLockProvider(clock)
            lock = await locks.acquire("name", at_most_for=LONG)
            assert lock
            async with asyncio.TaskGroup() as group:
                group.create_task(locks.acquire("name", at_most_for=LONG, wait=timedelta(seconds=1)))
                await clock.advance(0)
                await clock.advance(2)
            await lock.release()
            assert locks._held == {}
            assert locks._waiting == {}

        asyncio.run(check())

    def test_tokens_grow_when_wall_time_steps_back(self, clock: FakeClock) -> None:
        async def check() -> None:
            first = await LocalLockProvider(clock).acquire("name", at_most_for=LONG)
            clock.step(-3600)
            second = await LocalLockProvider(clock).acquire("name", at_most_for=LONG)
            assert first
            assert second
            assert second.fencing_token > first.fencing_token
            assert not first.is_lost

        asyncio.run(check())
