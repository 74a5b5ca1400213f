"""What waits for one client: bounded, in order, and ended cleanly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from host_rest.events import outlet as outlets
from host_rest.events.outlet import Outlet


def go(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await work()

    asyncio.run(bounded())


def test_pieces_come_out_in_order_and_the_farewell_last() -> None:
    async def check() -> None:
        outlet = Outlet()
        assert outlet.offer(b"a")
        assert outlet.offer(b"b")
        outlet.close(b"bye")
        outlet.close(b"another")
        assert not outlet.offer(b"c")
        assert await outlet.take() == b"abbye"
        assert await outlet.take() is None

    go(check)


def test_a_closed_outlet_with_nothing_to_say_ends_at_once() -> None:
    async def check() -> None:
        outlet = Outlet()
        taking = asyncio.create_task(outlet.take())
        await asyncio.sleep(0)
        outlet.close()
        assert await taking is None

    go(check)


def test_more_than_the_bound_is_refused_but_a_single_large_piece_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlets, "MAX_WAITING_BYTES", 10)

    async def check() -> None:
        outlet = Outlet()
        assert outlet.offer(b"x" * 100)
        assert not outlet.offer(b"y")
        assert await outlet.take() == b"x" * 100
        assert outlet.offer(b"y" * 10)
        assert not outlet.offer(b"z")
        assert outlet.waiting_bytes == 10

    go(check)


def test_a_part_at_a_time_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlets, "MAX_SENT_BYTES", 5)

    async def check() -> None:
        outlet = Outlet()
        for piece in (b"aaa", b"bb", b"c", b"d" * 9):
            assert outlet.offer(piece)
        outlet.close(b"bye")
        assert [await outlet.take() for _ in range(4)] == [b"aaabb", b"c", b"d" * 9 + b"bye", None]

    go(check)


def test_drained_waits_until_everything_was_taken() -> None:
    async def check() -> None:
        outlet = Outlet()
        assert outlet.offer(b"a")
        waiting = asyncio.create_task(outlet.drained())
        await asyncio.sleep(0)
        assert not waiting.done()
        await outlet.take()
        assert await waiting
        assert outlet.offer(b"b")
        waiting = asyncio.create_task(outlet.drained())
        await asyncio.sleep(0)
        outlet.close()
        assert not await waiting

    go(check)
