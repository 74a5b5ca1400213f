"""Lifecycle: started in order, stopped in reverse, whatever fails."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from host.contracts.contract import Service
from host.errors import ProviderStartError
from host.kernel.lifecycle import Lifecycle


class Part(Service):
    def __init__(self, name: str, said: list[str], fails: str = "") -> None:
        self.name, self.said, self.fails = name, said, fails
        self.tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self.said.append(f"+{self.name}")
        if self.fails == "start":
            raise RuntimeError("no")
        if self.fails == "hang":
            await asyncio.Event().wait()
        if self.fails == "background":
            self.tasks = [asyncio.create_task(self._crash())]

    async def _crash(self) -> None:
        raise RuntimeError("crashed")

    def background(self) -> Sequence[asyncio.Task[None]]:
        return self.tasks

    async def stop(self) -> None:
        self.said.append(f"-{self.name}")
        if self.fails == "stop":
            raise RuntimeError("stuck")
        if self.fails == "stop-hang":
            await asyncio.Event().wait()


def parts(said: list[str], **fails: str) -> list[tuple[str, Part]]:
    return [(name, Part(name, said, fails.get(name, ""))) for name in ("a", "b", "c")]


def test_stop_undoes_start_in_reverse() -> None:
    said: list[str] = []

    async def go() -> None:
        lifecycle = Lifecycle(parts(said))
        await lifecycle.start()
        await lifecycle.stop()
        await lifecycle.stop()

    asyncio.run(go())
    assert said == ["+a", "+b", "+c", "-c", "-b", "-a"]


def test_a_half_finished_start_is_undone_and_the_failure_named() -> None:
    said: list[str] = []
    with pytest.raises(ProviderStartError, match="b did not start: RuntimeError: no"):
        asyncio.run(Lifecycle(parts(said, b="start")).start())
    assert said == ["+a", "+b", "-b", "-a"]


def test_a_start_that_hangs_ends_after_its_time() -> None:
    said: list[str] = []
    services = parts(said, b="hang")
    services[1][1].start_seconds = 0.05  # type: ignore[misc]
    with pytest.raises(ProviderStartError, match="b did not start within"):
        asyncio.run(Lifecycle(services).start())
    assert said[-2:] == ["-b", "-a"]


def test_a_stop_that_fails_or_hangs_lets_the_rest_stop() -> None:
    said: list[str] = []

    async def go() -> None:
        services = parts(said, c="stop", b="stop-hang")
        services[1][1].stop_seconds = 0.05  # type: ignore[misc]
        lifecycle = Lifecycle(services)
        await lifecycle.start()
        await lifecycle.stop()

    asyncio.run(go())
    assert said[-3:] == ["-c", "-b", "-a"]


def test_a_crash_in_the_background_comes_out_with_the_services_name() -> None:
    async def go() -> None:
        lifecycle = Lifecycle(parts([], b="background"))
        await lifecycle.start()
        try:
            await lifecycle.wait_failed()
        finally:
            await lifecycle.stop()

    with pytest.raises(ProviderStartError, match="b failed in the background: RuntimeError: crashed"):
        asyncio.run(go())
