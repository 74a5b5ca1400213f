"""When things run: started in order, stopped in reverse, watched in between."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from host.contracts.contract import Service
from host.errors import HostError, ProviderStartError

logger = structlog.get_logger(__name__)


class Lifecycle:
    """Starts services in order and undoes it in reverse, also after a half-finished start."""

    def __init__(self, services: Sequence[tuple[str, Service]]) -> None:
        self._services = services
        self._started: list[tuple[str, Service]] = []

    async def start(self) -> None:
        """Start every service; on a failure stops those that were started and raises it."""
        for name, service in self._services:
            self._started.append((name, service))
            try:
                await asyncio.wait_for(service.start(), service.start_seconds)
            except BaseException as error:
                await self.stop()
                if isinstance(error, TimeoutError):
                    raise ProviderStartError(f"{name} did not start within {service.start_seconds:g} s") from error
                if isinstance(error, HostError) or not isinstance(error, Exception):
                    raise
                raise ProviderStartError(f"{name} did not start: {type(error).__name__}: {error}") from error

    async def stop(self) -> None:
        """Stop every started service, last first; one that fails or hangs is logged and the rest still stop."""
        while self._started:
            name, service = self._started.pop()
            try:
                await asyncio.wait_for(asyncio.shield(service.stop()), service.stop_seconds)
            except TimeoutError:
                logger.error("service did not stop in time", service=name, seconds=service.stop_seconds)
            except Exception:  # one service's failure must not keep the others running
                logger.exception("service failed to stop", service=name)

    async def wait_failed(self) -> None:
        """Wait until a background task of a service ends, and raise why."""
        tasks = {task: name for name, service in self._started for task in service.background()}
        if not tasks:
            await asyncio.Event().wait()
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        task = done.pop()
        name = tasks[task]
        error = None if task.cancelled() else task.exception()
        if isinstance(error, HostError):
            raise error
        reason = f"{type(error).__name__}: {error}" if error else "it ended"
        raise ProviderStartError(f"{name} failed in the background: {reason}") from error
