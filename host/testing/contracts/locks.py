"""What every lock provider promises."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from random import Random

import pytest

from host.contracts.locks import Lock, LockProvider
from host.testing.contracts.services import running

Advance = Callable[[float], Awaitable[None]]
NewLocks = Callable[[], LockProvider]

SECOND = timedelta(seconds=1)
LONG = timedelta(seconds=60)


class LockProviderSuite:
    """Supply ``new_locks``, and ``advance``, which lets that many seconds pass for the provider."""

    @pytest.fixture
    def new_locks(self) -> NewLocks:
        """Give what builds a provider whose names nobody holds."""
        raise NotImplementedError

    @pytest.fixture
    def advance(self) -> Advance:
        """Give what lets time pass."""
        raise NotImplementedError

    def test_a_free_lock_is_had_at_once(self, new_locks: NewLocks) -> None:
        async def check(locks: LockProvider) -> None:
            lock = await _take(locks)
            assert lock.name == "name"
            assert not lock.is_lost

        _run(new_locks, check)

    def test_second_acquire_is_refused(self, new_locks: NewLocks) -> None:
        async def check(locks: LockProvider) -> None:
            lock = await _take(locks)
            assert await locks.acquire("name", at_most_for=LONG) is None
            assert not lock.is_lost

        _run(new_locks, check)

    def test_another_name_is_another_lock(self, new_locks: NewLocks) -> None:
        async def check(locks: LockProvider) -> None:
            await _take(locks)
            for name in ("Name", "name ", "", "größe/☃", "n" * 500):
                assert await locks.acquire(name, at_most_for=LONG), name

        _run(new_locks, check)

    def test_a_released_lock_is_free(self, new_locks: NewLocks) -> None:
        async def check(locks: LockProvider) -> None:
            lock = await _take(locks)
            await lock.release()
            assert lock.is_lost
            await _take(locks)

        _run(new_locks, check)

    def test_a_second_release_does_not_free_the_next_holder(self, new_locks: NewLocks) -> None:
        async def check(locks: LockProvider) -> None:
            lock = await _take(locks)
            await lock.release()
            following = await _take(locks)
            await lock.release()
            assert not following.is_lost
            assert await locks.acquire("name", at_most_for=LONG) is None

        _run(new_locks, check)

    def test_a_lock_is_lost_and_free_when_its_time_has_passed(self, new_locks: NewLocks, advance: Advance) -> None:
        async def check(locks: LockProvider) -> None:
            lock = await _take(locks, SECOND)
            await advance(1.1)
            assert lock.is_lost
            following = await _take(locks)
            assert lock.is_lost
            assert not following.is_lost

        _run(new_locks, check)

    def test_releasing_a_lost_lock_does_not_free_the_next_holder(self, new_locks: NewLocks, advance: Advance) -> None:
        async def check(locks: LockProvider) -> None:
            lock = await _take(locks, SECOND)
            await advance(1.1)
            following = await _take(locks)
            await lock.release()
            assert not following.is_lost
            assert await locks.acquire("name", at_most_for=LONG) is None

        _run(new_locks, check)

    def test_a_renewed_lock_is_held_from_the_renewal_on(self, new_locks: NewLocks, advance: Advance) -> None:
        async def check(locks: LockProvider) -> None:
            lock = await _take(locks, SECOND)
            await advance(0.5)
            assert await lock.renew(SECOND)
            await advance(0.7)
            assert not lock.is_lost
            assert await locks.acquire("name", at_most_for=LONG) is None
            await advance(0.5)
            assert lock.is_lost

        _run(new_locks, check)

    def test_a_lost_lock_cannot_be_renewed(self, new_locks: NewLocks, advance: Advance) -> None:
        async def check(locks: LockProvider) -> None:
            lock = await _take(locks, SECOND)
            await advance(1.1)
            assert not await lock.renew(LONG)
            assert lock.is_lost
            assert not (await _take(locks)).is_lost

        _run(new_locks, check)

    def test_a_released_lock_cannot_be_renewed(self, new_locks: NewLocks) -> None:
        async def check(locks: LockProvider) -> None:
            lock = await _take(locks)
            await lock.release()
            assert not await lock.renew(LONG)
            await _take(locks)

        _run(new_locks, check)

    def test_fencing_tokens_grow(self, new_locks: NewLocks, advance: Advance) -> None:
        async def check(locks: LockProvider) -> None:
            tokens = []
            for _ in range(20):
                lock = await _take(locks)
                tokens.append(lock.fencing_token)
                await lock.renew(LONG)
                assert lock.fencing_token == tokens[-1]
                await lock.release()
            await _take(locks, SECOND)
            await advance(1.1)
            tokens.append((await _take(locks)).fencing_token)
            assert tokens == sorted(set(tokens))

        _run(new_locks, check)

    def test_fencing_tokens_grow_over_providers(self, new_locks: NewLocks) -> None:
        async def check(locks: LockProvider) -> None:
            lock = await _take(locks)
            await lock.release()
            async with running(new_locks()) as others:
                assert (await _take(others)).fencing_token > lock.fencing_token

        _run(new_locks, check)

    def test_a_waiter_gets_the_lock_when_it_is_released(self, new_locks: NewLocks) -> None:
        async def check(locks: LockProvider) -> None:
            lock = await _take(locks)
            async with asyncio.TaskGroup() as group:
                waiter = group.create_task(locks.acquire("name", at_most_for=LONG, wait=LONG))
                await _settle()
                assert not waiter.done()
                await lock.release()
            got = waiter.result()
            assert got is not None
            assert not got.is_lost
            assert got.fencing_token > lock.fencing_token

        _run(new_locks, check)

    def test_a_waiter_gets_none_when_its_wait_is_over(self, new_locks: NewLocks, advance: Advance) -> None:
        async def check(locks: LockProvider) -> None:
            lock = await _take(locks)
            async with asyncio.TaskGroup() as group:
                waiter = group.create_task(locks.acquire("name", at_most_for=LONG, wait=SECOND))
                await _settle()
                await advance(0.5)
                assert not waiter.done()
                await advance(0.7)
            assert waiter.result() is None
            assert not lock.is_lost

        _run(new_locks, check)

    def test_a_waiter_gets_the_lock_when_the_holders_time_has_passed(
        self, new_locks: NewLocks, advance: Advance
    ) -> None:
        async def check(locks: LockProvider) -> None:
            await _take(locks, SECOND)
            async with asyncio.TaskGroup() as group:
                waiter = group.create_task(locks.acquire("name", at_most_for=LONG, wait=LONG))
                await _settle()
                await advance(0.5)
                assert not waiter.done()
                await advance(0.7)
            assert waiter.result() is not None

        _run(new_locks, check)

    def test_a_waiter_respects_a_renewal(self, new_locks: NewLocks, advance: Advance) -> None:
        async def check(locks: LockProvider) -> None:
            lock = await _take(locks, SECOND)
            async with asyncio.TaskGroup() as group:
                waiter = group.create_task(locks.acquire("name", at_most_for=LONG, wait=LONG))
                await _settle()
                await advance(0.5)
                assert await lock.renew(SECOND)
                await advance(0.7)
                assert not waiter.done()
                await advance(0.5)
            assert waiter.result() is not None

        _run(new_locks, check)

    def test_a_renewal_may_shorten_the_time(self, new_locks: NewLocks, advance: Advance) -> None:
        async def check(locks: LockProvider) -> None:
            lock = await _take(locks)
            async with asyncio.TaskGroup() as group:
                waiter = group.create_task(locks.acquire("name", at_most_for=LONG, wait=LONG))
                await _settle()
                await advance(0.1)
                assert await lock.renew(SECOND)
                await advance(1.1)
            assert waiter.result() is not None
            assert lock.is_lost

        _run(new_locks, check)

    def test_every_waiter_is_served_when_nobody_releases(self, new_locks: NewLocks, advance: Advance) -> None:
        async def check(locks: LockProvider) -> None:
            await _take(locks, SECOND / 5)
            async with asyncio.TaskGroup() as group:
                waiters = [
                    group.create_task(locks.acquire("name", at_most_for=SECOND / 5, wait=LONG)) for _ in range(4)
                ]
                await _settle()
                for _ in range(8):
                    await advance(0.25)
            tokens = [lock.fencing_token for waiter in waiters if (lock := waiter.result())]
            assert len(set(tokens)) == 4

        _run(new_locks, check)

    def test_a_cancelled_waiter_leaves_nothing_held(self, new_locks: NewLocks) -> None:
        async def check(locks: LockProvider) -> None:
            lock = await _take(locks)
            waiter = asyncio.ensure_future(locks.acquire("name", at_most_for=LONG, wait=LONG))
            await _settle()
            await lock.release()
            # Cancelled while the lock may already be on its way to it.
            waiter.cancel()
            await asyncio.wait([waiter])
            if not waiter.cancelled() and (got := waiter.result()):
                await got.release()
            assert await locks.acquire("name", at_most_for=LONG, wait=SECOND)

        _run(new_locks, check)

    def test_work_under_the_lock_is_never_interleaved(self, new_locks: NewLocks) -> None:
        async def check(locks: LockProvider) -> None:
            counter = 0
            tokens = []

            async def work(random: Random) -> None:
                nonlocal counter
                for _ in range(10):
                    lock = await locks.acquire("name", at_most_for=LONG, wait=LONG)
                    assert lock is not None
                    seen = counter
                    for _ in range(random.randrange(4)):
                        await asyncio.sleep(0)
                    counter = seen + 1
                    tokens.append(lock.fencing_token)
                    await lock.release()
                    await asyncio.sleep(0)

            async with asyncio.TaskGroup() as group:
                for seed in range(20):
                    group.create_task(work(Random(seed)))
            assert counter == 200
            assert tokens == sorted(set(tokens))

        _run(new_locks, check)

    def test_waiters_that_give_up_at_random_leave_the_lock_usable(self, new_locks: NewLocks) -> None:
        async def check(locks: LockProvider) -> None:
            holders = 0

            async def work(random: Random) -> None:
                nonlocal holders
                lock = await locks.acquire("name", at_most_for=LONG, wait=LONG)
                assert lock is not None
                holders += 1
                try:
                    assert holders == 1
                    await asyncio.sleep(0)
                finally:
                    holders -= 1
                    await lock.release()

            random = Random(7)
            tasks = [asyncio.ensure_future(work(random)) for _ in range(100)]
            while not all(task.done() for task in tasks):
                random.choice(tasks).cancel()
                for _ in range(random.randrange(3)):
                    await asyncio.sleep(0)
            assert not [task for task in tasks if not task.cancelled() and task.exception()]
            assert await locks.acquire("name", at_most_for=LONG, wait=SECOND)

        _run(new_locks, check)


async def _take(locks: LockProvider, at_most_for: timedelta = LONG) -> Lock:
    lock = await locks.acquire("name", at_most_for=at_most_for)
    assert lock is not None
    return lock


async def _settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def _run(new_locks: NewLocks, check: Callable[[LockProvider], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), running(new_locks()) as locks:
            await check(locks)

    asyncio.run(main())
