"""Waiting for look or for a time, and knowing that somebody waits."""

from __future__ import annotations

import asyncio

from host.engine.alarm import Alarm


class Looker:
    """Looks whenever the alarm rings, and notes each look."""

    def __init__(self) -> None:
        self.alarm = Alarm()
        self.looks = 0
        self.free = asyncio.Event()
        self.free.set()

    async def run(self) -> None:
        while True:
            await self.free.wait()
            self.looks += 1
            await self.alarm.wait(60)


def test_quiet_is_told_after_a_look_that_began_after_the_question() -> None:
    async def check() -> None:
        looker = Looker()
        task = asyncio.create_task(looker.run())
        await looker.alarm.wait_quiet()
        before = looker.looks
        await looker.alarm.wait_quiet()
        assert looker.looks == before + 1
        looker.free.clear()
        asking = asyncio.create_task(looker.alarm.wait_quiet())
        await asyncio.sleep(0.01)
        assert not asking.done()
        looker.free.set()
        await asking
        task.cancel()

    asyncio.run(check())


def test_a_ring_during_the_look_means_another_look_before_quiet_is_told() -> None:
    async def check() -> None:
        alarm, looks = Alarm(), 0

        async def look() -> None:
            nonlocal looks
            while True:
                looks += 1
                await asyncio.sleep(0)
                if looks in (2, 3):
                    alarm.ring()
                await alarm.wait(60)

        task = asyncio.create_task(look())
        while looks == 0:
            await asyncio.sleep(0)
        await alarm.wait_quiet()
        assert looks == 4
        task.cancel()

    asyncio.run(check())


def test_who_has_stopped_asking_does_not_disturb_the_others() -> None:
    async def check() -> None:
        looker = Looker()
        first, second = (asyncio.create_task(looker.alarm.wait_quiet()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        task = asyncio.create_task(looker.run())
        await asyncio.wait_for(second, 60)
        assert first.cancelled()
        task.cancel()

    asyncio.run(check())


def test_a_wait_of_no_time_is_not_quiet() -> None:
    async def check() -> None:
        alarm = Alarm()
        asking = asyncio.create_task(alarm.wait_quiet())
        await asyncio.sleep(0)
        await alarm.wait(0)  # takes the ring
        await alarm.wait(0)
        await asyncio.sleep(0)
        assert not asking.done()
        asking.cancel()

    asyncio.run(check())
