"""What every message bus promises to its own process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from host.contracts.bus import MessageBus
from host.model.messages import JobsChanged, RunsChanged, ScheduleChanged
from host.testing.contracts.services import running

NewBus = Callable[[], MessageBus]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Derived(ScheduleChanged):
    """A message whose class extends another message's."""


class MessageBusSuite:
    """Supply ``new_bus``."""

    @pytest.fixture
    def new_bus(self) -> NewBus:
        """Give what builds a bus that nobody else uses."""
        raise NotImplementedError

    def test_every_subscriber_gets_each_message_in_order(self, new_bus: NewBus) -> None:
        async def check(bus: MessageBus) -> None:
            first: list[str | None] = []
            second: list[str | None] = []
            bus.subscribe(ScheduleChanged, lambda message: first.append(message.job_type))
            bus.subscribe(ScheduleChanged, lambda message: second.append(message.job_type))
            names = [f"job {number}" for number in range(100)]
            for name in names:
                bus.publish(ScheduleChanged(job_type=name))
            await _until(lambda: len(first) >= 100 and len(second) >= 100)
            assert first == names
            assert second == names

        _run(new_bus, check)

    def test_only_subscribers_of_the_exact_type_are_called(self, new_bus: NewBus) -> None:
        async def check(bus: MessageBus) -> None:
            got: list[object] = []
            done: list[object] = []
            bus.subscribe(ScheduleChanged, got.append)
            bus.subscribe(RunsChanged, got.append)
            bus.subscribe(JobsChanged, done.append)
            bus.publish(_Derived(job_type="x"))
            bus.publish(JobsChanged())
            await _until(lambda: bool(done))
            assert got == []

        _run(new_bus, check)

    def test_publish_returns_before_any_handler_runs(self, new_bus: NewBus) -> None:
        async def check(bus: MessageBus) -> None:
            got: list[object] = []
            bus.subscribe(RunsChanged, got.append)
            bus.publish(RunsChanged())
            assert got == []
            await _until(lambda: bool(got))

        _run(new_bus, check)

    def test_a_handler_that_publishes_is_not_entered_again_before_it_returns(self, new_bus: NewBus) -> None:
        async def check(bus: MessageBus) -> None:
            depth = 0
            deepest = 0
            calls = 0

            def handler(message: RunsChanged) -> None:
                nonlocal depth, deepest, calls
                depth, calls = depth + 1, calls + 1
                deepest = max(deepest, depth)
                if calls < 50:
                    bus.publish(message)
                depth -= 1

            bus.subscribe(RunsChanged, handler)
            bus.publish(RunsChanged())
            await _until(lambda: calls == 50)
            assert deepest == 1

        _run(new_bus, check)

    @pytest.mark.parametrize("error", [RuntimeError("broken"), asyncio.CancelledError()])
    def test_a_failing_handler_stops_nobody(self, new_bus: NewBus, error: BaseException) -> None:
        async def check(bus: MessageBus) -> None:
            got: list[object] = []

            def fail(_: RunsChanged) -> None:
                raise error

            bus.subscribe(RunsChanged, fail)
            bus.subscribe(RunsChanged, got.append)
            bus.publish(RunsChanged())
            bus.publish(RunsChanged())
            await _until(lambda: len(got) == 2)

        _run(new_bus, check)

    def test_an_ended_subscription_gets_nothing_more(self, new_bus: NewBus) -> None:
        async def check(bus: MessageBus) -> None:
            ended: list[object] = []
            kept: list[object] = []
            end = bus.subscribe(RunsChanged, ended.append)
            bus.subscribe(RunsChanged, kept.append)
            bus.publish(RunsChanged())
            await _until(lambda: len(ended) == 1)
            bus.publish(RunsChanged())
            end()
            end()
            bus.publish(RunsChanged())
            await _until(lambda: len(kept) == 3)
            assert len(ended) == 1

        _run(new_bus, check)

    def test_a_handler_may_end_another_subscription(self, new_bus: NewBus) -> None:
        async def check(bus: MessageBus) -> None:
            calls: list[str] = []
            ends: dict[str, Callable[[], None]] = {}

            def handler(me: str, other: str) -> Callable[[RunsChanged], None]:
                def handle(_: RunsChanged) -> None:
                    calls.append(me)
                    ends[other]()

                return handle

            ends["a"] = bus.subscribe(RunsChanged, handler("a", "b"))
            ends["b"] = bus.subscribe(RunsChanged, handler("b", "a"))
            bus.publish(RunsChanged())
            bus.publish(RunsChanged())
            await _until(lambda: len(calls) >= 2)
            assert len(set(calls)) == 1

        _run(new_bus, check)

    def test_messages_from_other_threads_arrive_on_the_loop(self, new_bus: NewBus) -> None:
        async def check(bus: MessageBus) -> None:
            threads: list[int] = []
            bus.subscribe(RunsChanged, lambda _: threads.append(threading.get_ident()))

            def publish() -> None:
                for _ in range(100):
                    bus.publish(RunsChanged())

            await asyncio.gather(*(asyncio.to_thread(publish) for _ in range(4)))
            await _until(lambda: len(threads) >= 400)
            assert len(threads) == 400
            assert set(threads) == {threading.get_ident()}

        _run(new_bus, check)

    def test_publishing_without_subscribers_does_nothing(self, new_bus: NewBus) -> None:
        async def check(bus: MessageBus) -> None:
            bus.publish(RunsChanged())
            got: list[object] = []
            bus.subscribe(RunsChanged, got.append)
            bus.publish(RunsChanged())
            await _until(lambda: bool(got))

        _run(new_bus, check)

    def test_publishing_after_the_loop_has_ended_raises_nothing(self, new_bus: NewBus) -> None:
        got: list[object] = []
        buses: list[MessageBus] = []

        async def check(bus: MessageBus) -> None:
            bus.subscribe(RunsChanged, got.append)
            buses.append(bus)

        _run(new_bus, check)
        buses[0].publish(RunsChanged())
        assert got == []


def _run(new_bus: NewBus, check: Callable[[MessageBus], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), running(new_bus()) as bus:
            await check(bus)

    asyncio.run(main())


async def _until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until the condition holds; a bus over a network may take its time."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # a bus offers nothing to wait for
            await asyncio.sleep(0.001)
