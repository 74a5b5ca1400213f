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


def test_a_stop_that_is_cancelled_still_stops_the_rest_and_then_is_cancelled() -> None:
    said: list[str] = []

    async def go() -> None:
        lifecycle = Lifecycle(parts(said, c="stop-hang"))
        await lifecycle.start()
        stopping = asyncio.create_task(lifecycle.stop())
        await asyncio.sleep(0.01)
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(stopping, 60)

    asyncio.run(go())
    assert said[-3:] == ["-c", "-b", "-a"]


def test_a_start_that_is_cancelled_is_undone() -> None:
    said: list[str] = []

    async def go() -> None:
        starting = asyncio.create_task(Lifecycle(parts(said, b="hang")).start())
        await asyncio.sleep(0.01)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting

    asyncio.run(go())
    assert said == ["+a", "+b", "-b", "-a"]


@pytest.mark.parametrize("error", [asyncio.CancelledError(), TimeoutError("no answer")])
def test_what_a_service_raises_by_itself_is_its_failure(error: BaseException) -> None:
    said: list[str] = []

    class Raising(Part):
        async def start(self) -> None:
            raise error

        async def stop(self) -> None:
            await super().stop()
            raise error

    async def go() -> None:
        with pytest.raises(ProviderStartError, match=f"b did not start: {type(error).__name__}"):
            await Lifecycle([("a", Part("a", said)), ("b", Raising("b", said))]).start()

    asyncio.run(go())
    assert said == ["+a", "-b", "-a"]
