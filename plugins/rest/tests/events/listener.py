"""A client of event streams, as a browser is one: it parses, remembers the last id, and connects again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from host.contracts.jobs import Job, JobContext
from host.model.jobs import JobParameter, OverlapPolicy
from plugins.rest.tests.resthost import RestHost

PATIENCE_SECONDS = 30.0
EVENTS = "/rest/v1/events"


@dataclass
class Event:
    kind: str
    id: str
    data: Any


class Quick(Job):
    """Ends at once."""

    overlap = OverlapPolicy.ALLOW

    async def run(self, context: JobContext) -> None:
        return None


class Other(Quick):
    """Another one."""


class Secretive(Quick):
    """Takes a secret."""

    parameters = (JobParameter("password", str, secret=True), JobParameter("name", str))


class Wordy(Job):
    """Writes lines, some of them after it was told to go on."""

    overlap = OverlapPolicy.ALLOW
    go_on = asyncio.Event()
    lines = 3

    async def run(self, context: JobContext) -> None:
        for number in range(self.lines):
            context.log.info("before", number=number)
        await self.go_on.wait()
        for number in range(self.lines):
            context.log.info("after", number=number)


@dataclass
class Listener:
    """One open stream; ``last_id`` is what a browser would resume from."""

    response: httpx2.Response
    last_id: str = ""
    retry: int | None = None
    comments: int = 0
    _lines: AsyncIterator[str] = field(init=False)

    def __post_init__(self) -> None:
        self._lines = self.response.aiter_lines()

    async def next(self) -> Event | None:
        """Give the next event, None at the end."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            kind, data = "message", list[str]()
            async for line in self._lines:
                name, _, value = line.partition(":")
                value = value.removeprefix(" ")
                match name:
                    case "event":
                        kind = value
                    case "data":
                        data.append(value)
                    case "id":
                        self.last_id = value
                    case "retry":
                        self.retry = int(value)
                    case "" if line:
                        self.comments += 1
                if not line and data:
                    return Event(kind, self.last_id, json.loads("\n".join(data)))
                if not line:
                    kind = "message"
            return None

    async def until(self, kind: str) -> list[Event]:
        """Give all events up to the first of a kind, which is the last one."""
        found: list[Event] = []
        while (event := await self.next()) is not None:
            found.append(event)
            if event.kind == kind:
                return found
        raise AssertionError(f"the stream ended without {kind}: {found}")

    async def rest(self) -> list[Event]:
        """Give all events up to the end."""
        found = []
        while (event := await self.next()) is not None:
            found.append(event)
        return found

    async def runs(self, *states: str) -> list[Event]:
        """Give run events until each state has been seen of some run, the last of them last."""
        found, missing = list[Event](), set(states)
        while missing:
            event = await self.next()
            assert event is not None, found
            if event.kind == "run":
                found.append(event)
                missing.discard(event.data["state"])
        return found

    async def woken(self) -> None:
        """Read until the stream has begun: a browser's ``onopen``."""
        while not self.last_id:
            async with asyncio.timeout(PATIENCE_SECONDS):
                line = await anext(self._lines)
            name, _, value = line.partition(": ")
            if name == "id":
                self.last_id = value
            elif name == "retry":
                self.retry = int(value)


@asynccontextmanager
async def listening(
    web: RestHost, path: str = "", *, last_id: str | None = None, role: str = "reader", woken: bool = True
) -> AsyncIterator[Listener]:
    """Open a stream, over a connection of its own; with ``woken`` it has begun to follow."""
    headers = {"Authorization": f"Bearer {role}", **({"Last-Event-ID": last_id} if last_id is not None else {})}
    async with (
        httpx2.AsyncClient(base_url=web.url, headers=headers, trust_env=False, timeout=PATIENCE_SECONDS) as client,
        client.stream("GET", f"{EVENTS}{path}") as response,
    ):
        assert response.status_code == 200, await response.aread()
        listener = Listener(response)
        if woken:
            await listener.woken()
        yield listener
