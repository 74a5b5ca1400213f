"""What every leadership promises on one node; that two nodes take turns is for the suites of shared stores."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from host.contracts.leadership import Leadership
from host.testing.contracts.services import running

NewLeadership = Callable[[], Leadership]


class LeadershipSuite:
    """Supply ``new_leadership``."""

    @pytest.fixture
    def new_leadership(self) -> NewLeadership:
        """Give what builds the leadership of a node that is alone."""
        raise NotImplementedError

    def test_a_node_that_is_alone_becomes_active(self, new_leadership: NewLeadership) -> None:
        async def check(leadership: Leadership) -> None:
            assert leadership.holder()
            assert leadership.term() >= 1

        _run(new_leadership, check)

    def test_resigning_ends_being_active(self, new_leadership: NewLeadership) -> None:
        async def check(leadership: Leadership) -> None:
            term, holder = leadership.term(), leadership.holder()
            await leadership.resign()
            assert not leadership.is_active()
            assert leadership.holder() != holder
            assert leadership.term() >= term

        _run(new_leadership, check)

    def test_a_second_resignation_does_nothing(self, new_leadership: NewLeadership) -> None:
        async def check(leadership: Leadership) -> None:
            await leadership.resign()
            term = leadership.term()
            await leadership.resign()
            assert not leadership.is_active()
            assert leadership.term() == term

        _run(new_leadership, check)

    def test_all_who_wait_learn_of_a_resignation(self, new_leadership: NewLeadership) -> None:
        async def check(leadership: Leadership) -> None:
            seen: list[bool] = []

            async def watch() -> None:
                while leadership.is_active():
                    await leadership.wait_changed()
                seen.append(leadership.is_active())

            async with asyncio.timeout(10), asyncio.TaskGroup() as group:
                for _ in range(3):
                    group.create_task(watch())
                await asyncio.sleep(0)
                assert seen == []
                await leadership.resign()
            assert seen == [False, False, False]

        _run(new_leadership, check)

    def test_without_a_change_waiting_goes_on(self, new_leadership: NewLeadership) -> None:
        async def check(leadership: Leadership) -> None:
            async def watch() -> None:
                while leadership.is_active():
                    await leadership.wait_changed()

            with pytest.raises(TimeoutError):
                await asyncio.wait_for(watch(), 0.05)

        _run(new_leadership, check)


def _run(new_leadership: NewLeadership, check: Callable[[Leadership], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), running(new_leadership()) as leadership:
            async with asyncio.timeout(10):
                while not leadership.is_active():
                    await leadership.wait_changed()
            await check(leadership)

    asyncio.run(main())
