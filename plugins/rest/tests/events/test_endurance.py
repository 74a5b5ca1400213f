"""Clients that are cut off anywhere and come back, while much changes: each knows in the end what the store knows."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import httpx2
import pytest

from host.contracts.jobs import JobManagerService, RunControl
from host.contracts.runs import JobRunReader
from host.model.runs import RunFilter
from host.model.submissions import RunSubmission
from host_rest.events import audience
from host_rest.events.mount import EventsMount
from plugins.rest.tests.events.listener import EVENTS, Other, Quick
from plugins.rest.tests.resthost import RestHost, rest_host

pytestmark = pytest.mark.slow
RUNS = 600
SECONDS = 90


@dataclass
class Fickle:
    """A client that leaves at any byte, half an event or not, and resumes after the last whole event it got."""

    path: str
    dice: random.Random
    last_id: str = "0"
    changes: dict[str, int] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)
    connections: int = 0

    async def listen(self, url: str, wanted: asyncio.Event, final: Mapping[str, int]) -> None:
        """Listen until everything final is known."""
        headers = {"Authorization": "Bearer reader"}
        async with httpx2.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=SECONDS) as client:
            while not (wanted.is_set() and self.knows(final)):
                self.connections += 1
                place = {"Last-Event-ID": self.last_id}
                async with client.stream("GET", f"{EVENTS}{self.path}", headers=place) as response:
                    assert response.status_code == 200, await response.aread()
                    await self._take(response, self.dice.randrange(200, 60_000), wanted, final)

    def knows(self, final: Mapping[str, int]) -> bool:
        return final.items() <= self.changes.items()

    async def _take(
        self, response: httpx2.Response, at_most: int, wanted: asyncio.Event, final: Mapping[str, int]
    ) -> None:
        waiting, taken = b"", 0
        async for piece in response.aiter_raw():
            piece = piece[: at_most - taken]
            taken += len(piece)
            *events, waiting = (waiting + piece).split(b"\n\n")
            for event in events:
                self._note(event.decode())
            if self.dice.random() < 0.05:
                await asyncio.sleep(self.dice.random() / 20)
            if taken >= at_most or (wanted.is_set() and self.knows(final)):
                return

    def _note(self, event: str) -> None:
        lines = dict(line.split(": ", 1) for line in event.splitlines() if ": " in line)
        self.last_id = lines.get("id", self.last_id)
        if lines.get("event") == "run":
            run = json.loads(lines["data"])
            self.numbers.append(int(self.last_id))
            self.changes[run["id"]] = run["change"]


async def known(web: RestHost, where: RunFilter) -> dict[str, int]:
    found: dict[str, int] = {}
    cursor: str | None = None
    while True:
        page = await web.kit.get(JobRunReader).runs(where, cursor=cursor, limit=1000)
        found |= {str(run.id): run.change for run in page.runs}
        if (cursor := page.next_cursor) is None:
            return found


async def unrest(web: RestHost, dice: random.Random) -> None:
    """Submit runs of two jobs for two tenants, some held and cancelled or released later, in bursts."""
    control, held = web.kit.get(RunControl), list[UUID]()
    done = 0
    while done < RUNS:
        burst = [
            RunSubmission(
                job=f"{kind.__module__}:{kind.__qualname__}",
                tenant=dice.choice(("north", "south")),
                hold=dice.random() < 0.2,
            )
            for kind in dice.choices((Quick, Other), k=dice.randrange(1, 60))
        ]
        ids = await control.submit(burst)
        held += [run for run, each in zip(ids, burst, strict=True) if each.hold]
        dice.shuffle(held)
        while len(held) > 10:
            await (control.cancel if dice.random() < 0.5 else control.release)(held.pop())
        done += len(ids)
        await asyncio.sleep(dice.random() / 50)
    await web.kit.run_due()


@pytest.fixture(autouse=True)
def _beats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let idle streams say every second how far they are, which is when a client looks whether it knows everything."""
    monkeypatch.setattr(audience, "BEAT_TICKS", 1)


@asynccontextmanager
async def restless(tmp_path: Path) -> AsyncIterator[RestHost]:
    async with rest_host(tmp_path, EventsMount, jobs=[Quick, Other], server='accessLog="false"') as web:
        yield web


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whoever_is_cut_off_anywhere_misses_nothing_and_hears_nothing_twice(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)

    async def go() -> None:
        async with restless(tmp_path) as web, asyncio.timeout(SECONDS):
            job = f"{Quick.__module__}:{Quick.__qualname__}"
            filters = {
                "": RunFilter(),
                "?tenant=north": RunFilter(tenant="north"),
                f"?job={job}": RunFilter(job_id=(await web.kit.get(JobManagerService).get_job(job)).id),
            }
            clients = [Fickle(path, random.Random(dice.random())) for path in filters for _ in range(4)]
            finals: dict[str, dict[str, int]] = {path: {} for path in filters}
            wanted = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                for client in clients:
                    group.create_task(client.listen(web.url, wanted, finals[client.path]))
                await unrest(web, dice)
                for path, where in filters.items():
                    finals[path].update(await known(web, where))
                wanted.set()
            for client in clients:
                assert client.changes == finals[client.path]
                assert client.numbers == sorted(set(client.numbers))
            assert max(client.connections for client in clients) > 3

    asyncio.run(go())


def test_a_drain_in_the_middle_of_much_change_is_resumed_by_the_next_host(tmp_path: Path) -> None:
    dice = random.Random(7)

    async def go() -> None:
        clients = [Fickle("", random.Random(number)) for number in range(5)]
        never: Mapping[str, int] = {"no run": 0}
        async with restless(tmp_path) as web, asyncio.timeout(SECONDS):
            listening = [asyncio.create_task(client.listen(web.url, asyncio.Event(), never)) for client in clients]
            changing = asyncio.create_task(unrest(web, dice))
            async with asyncio.timeout(SECONDS):
                while len(clients[0].numbers) < 50:
                    await asyncio.sleep(0.005)
            await web.kit.finish_drain()
            changing.cancel()
            ended = await asyncio.gather(*listening, return_exceptions=True)
            # 503, or a connection closed: the host lets nobody in any more.
            assert all(isinstance(each, AssertionError | httpx2.HTTPError) for each in ended), ended
            await asyncio.gather(changing, return_exceptions=True)
        async with restless(tmp_path) as web, asyncio.timeout(SECONDS):
            await web.kit.run_due()
            final, wanted = await known(web, RunFilter()), asyncio.Event()
            wanted.set()
            async with asyncio.TaskGroup() as group:
                for client in clients:
                    group.create_task(client.listen(web.url, wanted, final))
            for client in clients:
                assert client.changes == final
                assert client.numbers == sorted(set(client.numbers))

    asyncio.run(go())
