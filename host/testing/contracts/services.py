"""What every service promises about starting and stopping; also how suites run a provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest

from host.contracts.contract import Service

P = TypeVar("P")


@asynccontextmanager
async def running(provider: P) -> AsyncIterator[P]:
    """Start the provider if it is a service, give it, and stop it afterwards."""
    if not isinstance(provider, Service):
        yield provider
        return
    await provider.start()
    try:
        yield provider
    finally:
        await provider.stop()


class ServiceSuite:
    """Subclass beside a contract's suite for each provider that is a service; supply ``new_service``."""

    @pytest.fixture
    def new_service(self) -> Callable[[], Service]:
        """Give what builds the service; each call builds another one over the same place."""
        raise NotImplementedError

    def test_stop_without_start_is_safe(self, new_service: Callable[[], Service]) -> None:
        async def check() -> None:
            service = new_service()
            await service.stop()
            await service.stop()
            assert not _failures(service)

        asyncio.run(check())

    def test_a_second_start_and_a_second_stop_do_nothing(self, new_service: Callable[[], Service]) -> None:
        async def check() -> None:
            service = new_service()
            await service.start()
            await service.start()
            assert not _failures(service)
            await service.stop()
            await service.stop()

        asyncio.run(check())

    def test_a_stopped_service_starts_again(self, new_service: Callable[[], Service]) -> None:
        async def check() -> None:
            service = new_service()
            for _ in range(5):
                await service.start()
                assert not _failures(service)
                await service.stop()

        asyncio.run(check())

    def test_after_a_stop_the_place_is_free_for_another(self, new_service: Callable[[], Service]) -> None:
        async def check() -> None:
            for _ in range(3):
                async with running(new_service()) as service:
                    assert not _failures(service)

        asyncio.run(check())


def _failures(service: Service) -> list[str]:
    return [finding.message for finding in service.check() if finding.is_failure]
