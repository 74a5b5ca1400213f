"""When things run: started in order, stopped in reverse, watched in between."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from host.contracts.contract import Service
from host.errors import HostError, HostUnavailableError, ProviderStartError

logger = structlog.get_logger(__name__)


class Lifecycle:
    """Starts services in order and undoes it in reverse, also after a half-finished start."""

    def __init__(self, services: Sequence[tuple[str, Service]]) -> None:
        self._services = services
        self._started: list[tuple[str, Service]] = []
        self._hanging: list[asyncio.Future[None]] = []

    async def start(self) -> None:
        """Start every service; on a failure stops those that were started and raises it."""
        for name, service in self._services:
            self._started.append((name, service))
            limit = asyncio.timeout(service.start_seconds)
            try:
                async with limit:
                    await service.start()
            except BaseException as error:
                is_asked = _is_asked_to_stop()
                await self.stop()
                if limit.expired():
                    raise ProviderStartError(f"{name} did not start within {service.start_seconds:g} s") from error
                if isinstance(error, HostError | KeyboardInterrupt | SystemExit) or is_asked:
                    raise
                raise ProviderStartError(f"{name} did not start: {type(error).__name__}: {error}") from error

    async def stop(self) -> None:
        """Stop every started service, last first; one that fails or hangs is logged and the rest still stop.

        Cancelled meanwhile, it waits no longer for the service it has come to, stops the rest and is cancelled then.
        """
        cancelled: asyncio.CancelledError | None = None
        while self._started:
            name, service = self._started.pop()
            stopping = asyncio.ensure_future(service.stop())
            try:
                await asyncio.wait((stopping,), timeout=service.stop_seconds)
            except asyncio.CancelledError as error:
                cancelled = error
            if not stopping.done():
                self._hanging.append(stopping)  # else it would be garbage, half done
                logger.error("service did not stop in time", service=name, seconds=service.stop_seconds)
            elif stopping.cancelled() or stopping.exception() is not None:
                failure = None if stopping.cancelled() else stopping.exception()
                logger.error("service failed to stop", service=name, error=repr(failure), exc_info=failure)
        if cancelled is not None:
            raise cancelled

    async def wait_failed(self) -> None:
        """Wait until a background task of a service ends, and raise why; HostUnavailableError if it was stopped."""
        tasks = {task: name for name, service in self._started for task in service.background()}
        if not tasks:
            await asyncio.Event().wait()
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        task = done.pop()
        name = tasks[task]
        if name not in dict(self._started):
            raise HostUnavailableError("the host has stopped")
        error = None if task.cancelled() else task.exception()
        if isinstance(error, HostError):
            raise error
        reason = f"{type(error).__name__}: {error}" if error else "it ended"
        raise ProviderStartError(f"{name} failed in the background: {reason}") from error


def _is_asked_to_stop() -> bool:
    """Say whether somebody cancelled the present task; a service may raise CancelledError by itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
