"""The in-process bus meets the suite, and says which handler failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from host.contracts.contract import Service
from host.local.bus import LocalMessageBus
from host.model.messages import RunsChanged
from host.testing.contracts.bus import MessageBusSuite, NewBus
from host.testing.contracts.services import ServiceSuite


class TestLocalMessageBus(MessageBusSuite, ServiceSuite):
    @pytest.fixture
    def new_bus(self) -> NewBus:
        return LocalMessageBus

    @pytest.fixture
    def new_service(self) -> Callable[[], Service]:
        return LocalMessageBus

    def test_a_failing_handler_is_logged_by_name(self) -> None:
        def broken(_: RunsChanged) -> None:
            raise RuntimeError("no")

        async def check() -> None:
            bus = LocalMessageBus()
            bus.subscribe(RunsChanged, broken)
            bus.publish(RunsChanged())
            await asyncio.sleep(0)

        with capture_logs() as logs:
            asyncio.run(check())
        assert [(entry["event"], entry["kind"]) for entry in logs] == [("message handler failed", "RunsChanged")]
        assert "broken" in logs[0]["handler"]

    def test_a_subscriber_from_before_the_start_gets_messages_of_the_loop(self) -> None:
        bus = LocalMessageBus()
        got: list[object] = []
        bus.subscribe(RunsChanged, got.append)
        bus.publish(RunsChanged())

        async def check() -> None:
            await bus.start()
            await asyncio.to_thread(bus.publish, RunsChanged())
            await asyncio.sleep(0)

        asyncio.run(check())
        assert len(got) == 1

    def test_ended_subscriptions_are_forgotten(self) -> None:
        bus = LocalMessageBus()
        for end in [bus.subscribe(RunsChanged, print) for _ in range(10)]:
            end()
        assert bus._subscriptions == {}
