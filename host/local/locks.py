"""Named locks inside one process."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import timedelta
from typing import ClassVar

from host.contracts.clock import Clock
from host.contracts.locks import Lock, LockProvider
from host.model.ids import to_microseconds


class LocalLockProvider(LockProvider):
    """Judges expiry by the monotonic clock and serves waiters first come, first served; for one event loop.

    Fencing tokens grow for as long as the process lives, and over its restarts while the system's clock is
    not set back.
    """

    is_default = True

    # Invariant: process-wide, so that a provider built anew by a reload gives no token twice.
    _last_token: ClassVar[int] = 0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[str, LocalLock] = {}
        self._waiting: dict[str, deque[_Waiter]] = {}

    async def acquire(self, name: str, *, at_most_for: timedelta, wait: timedelta = timedelta(0)) -> LocalLock | None:
        """Take the lock; the time it may be held counts from when it is had."""
        self._hand_on(name)
        if name not in self._held:
            return self._grant(name, at_most_for)
        if wait <= timedelta(0):
            return None
        waiter = _Waiter(at_most_for)
        self._waiting.setdefault(name, deque()).append(waiter)
        try:
            return await self._wait_turn(name, waiter, self._clock.monotonic() + wait.total_seconds())
        except BaseException:
            if waiter.lock is not None:
                await waiter.lock.release()
            raise
        finally:
            self._leave(name, waiter)

    async def _wait_turn(self, name: str, waiter: _Waiter, deadline: float) -> LocalLock | None:
        while True:
            self._hand_on(name)
            if waiter.lock is not None:
                return waiter.lock
            now = self._clock.monotonic()
            if now >= deadline:
                return None
            await waiter.look_again(self._clock, min(deadline, self._held[name].expires_at) - now)

    def _hand_on(self, name: str) -> None:
        """Give the lock to the first in the queue if its holder is gone."""
        holder = self._held.get(name)
        if holder is not None and not holder.is_lost:
            return
        self._held.pop(name, None)
        if queue := self._waiting.get(name):
            first = queue.popleft()
            first.lock = self._grant(name, first.at_most_for)
            first.wake()
            self._wake_first(name)

    def _grant(self, name: str, at_most_for: timedelta) -> LocalLock:
        cls = LocalLockProvider
        cls._last_token = max(cls._last_token + 1, to_microseconds(self._clock.now()))
        lock = self._held[name] = LocalLock(self, self._clock, name, cls._last_token, at_most_for)
        return lock

    def _leave(self, name: str, waiter: _Waiter) -> None:
        queue = self._waiting.get(name)
        if queue is None:
            return
        if waiter in queue:
            queue.remove(waiter)
            self._wake_first(name)
        if not queue:
            del self._waiting[name]

    def _wake_first(self, name: str) -> None:
        # Invariant: the first in a queue knows when the lock it waits for ends; the others need not.
        if queue := self._waiting.get(name):
            queue[0].wake()

    def changed(self, name: str) -> None:
        """Take note that the end of a lock has moved."""
        self._hand_on(name)
        self._wake_first(name)


class LocalLock(Lock):
    """A lock held in this process."""

    def __init__(
        self, provider: LocalLockProvider, clock: Clock, name: str, fencing_token: int, at_most_for: timedelta
    ) -> None:
        self._provider = provider
        self._clock = clock
        self._name = name
        self._fencing_token = fencing_token
        self._is_released = False
        self.expires_at = clock.monotonic() + at_most_for.total_seconds()
        """When it is free again, by the monotonic clock."""

    @property
    def name(self) -> str:
        """The name it was acquired by."""
        return self._name

    @property
    def fencing_token(self) -> int:
        """Greater than that of any lock given before."""
        return self._fencing_token

    @property
    def is_lost(self) -> bool:
        """Whether the time it may be held has passed or it was released."""
        return self._is_released or self._clock.monotonic() >= self.expires_at

    async def renew(self, at_most_for: timedelta) -> bool:
        """Hold it for ``at_most_for`` from now, which may also be less than was left."""
        if self.is_lost:
            return False
        self.expires_at = self._clock.monotonic() + at_most_for.total_seconds()
        self._provider.changed(self._name)
        return True

    async def release(self) -> None:
        """Give it to the first who waits for it."""
        if not self._is_released:
            self._is_released = True
            self._provider.changed(self._name)


class _Waiter:
    """One caller in the queue of a name."""

    def __init__(self, at_most_for: timedelta) -> None:
        self.at_most_for = at_most_for
        self.lock: LocalLock | None = None
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Let it look again."""
        self._woken.set()

    async def look_again(self, clock: Clock, seconds: float) -> None:
        """Return when woken, or after this many seconds."""
        waits = [asyncio.ensure_future(self._woken.wait()), asyncio.ensure_future(clock.sleep(seconds))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._woken.clear()
            for wait in waits:
                wait.cancel()
