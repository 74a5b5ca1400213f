"""What every clock promises."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from host.contracts.clock import Clock

Advance = Callable[[float], Awaitable[None]]


class ClockSuite:
    """Supply ``clock``, and ``advance``, which lets at least that many seconds pass."""

    @pytest.fixture
    def clock(self) -> Clock:
        """Give the clock."""
        raise NotImplementedError

    @pytest.fixture
    def advance(self, clock: Clock) -> Advance:
        """Give what lets time pass; waits for real unless overridden."""
        return clock.sleep

    def test_now_is_aware_and_in_utc(self, clock: Clock) -> None:
        assert clock.now().utcoffset() == timedelta(0)

    def test_monotonic_time_never_goes_back(self, clock: Clock) -> None:
        readings = [clock.monotonic() for _ in range(1000)]
        assert readings == sorted(readings)

    def test_both_clocks_follow_time(self, clock: Clock, advance: Advance) -> None:
        async def check() -> None:
            now, monotonic = clock.now(), clock.monotonic()
            await advance(0.02)
            assert clock.now() > now
            # Timers may be early by the resolution of the clock.
            assert clock.monotonic() - monotonic >= 0.019

        asyncio.run(check())

    def test_sleep_lasts_as_long_as_asked(self, clock: Clock, advance: Advance) -> None:
        async def check() -> None:
            slept: list[float] = []
            begin = clock.monotonic()

            async def sleeper() -> None:
                await clock.sleep(0.02)
                slept.append(clock.monotonic() - begin)

            async with asyncio.TaskGroup() as group:
                group.create_task(sleeper())
                await asyncio.sleep(0)
                assert not slept
                await advance(0.03)
            assert slept[0] >= 0.019

        asyncio.run(check())

    def test_sleepers_wake_in_the_order_of_their_times(self, clock: Clock, advance: Advance) -> None:
        async def check() -> None:
            woken: list[float] = []

            async def sleeper(seconds: float) -> None:
                await clock.sleep(seconds)
                woken.append(seconds)

            async with asyncio.TaskGroup() as group:
                for seconds in (0.03, 0.01, 0.02):
                    group.create_task(sleeper(seconds))
                await asyncio.sleep(0)
                await advance(0.04)
            assert woken == [0.01, 0.02, 0.03]

        asyncio.run(check())

    @pytest.mark.parametrize("seconds", [0, -1, -1e9])
    def test_sleep_of_no_time_returns_at_once(self, clock: Clock, seconds: float) -> None:
        async def check() -> None:
            async with asyncio.timeout(1):
                await clock.sleep(seconds)

        asyncio.run(check())

    def test_a_cancelled_sleep_ends(self, clock: Clock, advance: Advance) -> None:
        async def check() -> None:
            sleeper = asyncio.ensure_future(clock.sleep(3600))
            await asyncio.sleep(0)
            sleeper.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sleeper
            await advance(0.001)

        asyncio.run(check())
