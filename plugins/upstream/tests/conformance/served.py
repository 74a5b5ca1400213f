"""The upstream's process: a whole host with its HTTP faces, and a back door for tests on a Unix socket.

``python -m plugins.upstream.tests.conformance.served <folder> rest|ami`` prints one line of JSON when it can be
called, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import sys
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from host.contracts.contract import Contract
from host.contracts.jobs import Job, JobContext
from host.contracts.logs import RunLog
from host.contracts.maintenance import StoreMaintenance
from host.contracts.runs import JobRunClaimer, JobRunWriter
from host.model.jobs import JobParameter
from host.model.runs import Claim, RunRequest
from host.model.schedules import ScheduleCursor
from host.model.security import PrincipalKind
from host.testing.clock import FakeClock
from host.testing.contracts.schedules import ALPHA
from host.testing.hosted_place import HostedBackstage, place_host
from host.testing.kit import HostKit
from host.testing.place import Backstage
from host.wire import CallServer
from host_rest.ami.mount import AmiMount
from host_rest.api.mount import RestMount
from host_rest.events.mount import EventsMount
from host_rest.oauth.mount import OAuthMount
from host_rest.security.accounts import Account, new_account
from host_rest.security.client_secrets import hash_secret
from host_rest.security.contracts import Accounts
from host_rest.server.server import HttpServer
from plugins.upstream.tests.conformance.doors import StageDoor, StoreDoor

CLIENT, SECRET = "conformance", "canary-conformance-secret"
"""The account of whoever asks; an administrator's."""
MOUNTS: Mapping[str, tuple[type[Contract], ...]] = {
    "rest": (OAuthMount, RestMount, EventsMount),
    "ami": (OAuthMount, AmiMount),
}


class Alpha(Job):
    """A job that the suite of schedule stores speaks of; what no job declares is hidden from readers."""

    parameters = (
        *(JobParameter(name, object, required=False) for name in ("days", "names", "deep", "x")),
        JobParameter("token", str, required=False, secret=True),
    )

    def run(self, context: JobContext) -> None:
        """Be quick."""


Alpha.__module__ = ALPHA.partition(":")[0]


class Stage(StageDoor):
    """Holds one host after another, all on one port."""

    def __init__(self, folder: Path, mounts: str) -> None:
        self._folder, self._mounts = folder, mounts
        self._number = 0
        self._clock = FakeClock()
        self._sections = ""
        self._port = 0
        self._wanted = asyncio.Event()
        self._ready: asyncio.Future[HostKit] = asyncio.get_running_loop().create_future()

    async def begin(self, sections: str, clean: bool) -> None:
        """Let ``play`` stop the host inside and start another."""
        await self._ready
        self._ready = asyncio.get_running_loop().create_future()
        self._sections = sections
        if clean:
            self._number += 1
            self._clock = FakeClock()
        self._wanted.set()
        await self._ready

    async def play(self) -> None:
        """Run hosts, until cancelled."""
        while True:
            try:
                async with self._host() as kit:
                    self._ready.set_result(kit)
                    await self._wanted.wait()
                    self._wanted.clear()
            except Exception as error:
                if not self._ready.done():
                    self._ready.set_exception(error)
                raise

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the calls of one test."""
        try:
            kit = await self._ready
            services: dict[str, tuple[type, object]] = {
                "StageDoor": (StageDoor, self),
                "StoreDoor": (StoreDoor, Stores(kit)),
                "Backstage": (Backstage, HostedBackstage(kit)),
                "JobRunWriter": (JobRunWriter, kit.get(JobRunWriter)),
                "JobRunClaimer": (JobRunClaimer, kit.get(JobRunClaimer)),
                "RunLog": (RunLog, kit.log),
            }
            await CallServer(services).serve(reader, writer)
        except asyncio.CancelledError:
            return  # the process ends; asyncio would report it as an error of the connection

    async def port(self) -> int:
        """Give the port of all these hosts."""
        await self._ready
        return self._port

    @asynccontextmanager
    async def _host(self) -> AsyncIterator[HostKit]:
        folder = self._folder / str(self._number)
        folder.mkdir(exist_ok=True)
        server = f'<section xsi:type="HttpServerConfigurationSection" port="{self._port}" accessLog="false" />'
        providers = (HttpServer, *MOUNTS[self._mounts])
        async with place_host(
            folder, self._clock, offered=[Alpha], providers=providers, sections=f"{server}\n  {self._sections}"
        ) as kit:
            self._port = int(kit.get(HttpServer).url.rpartition(":")[2].rstrip("/"))
            await kit.get(Accounts).change(
                lambda book: book if book.find(CLIENT, PrincipalKind.CLIENT) else book.adding(_account())
            )
            yield kit


class Stores(StoreDoor):
    """The stores of the host inside."""

    def __init__(self, kit: HostKit) -> None:
        self._kit = kit

    async def submit(self, requests: Sequence[RunRequest]) -> Sequence[UUID]:
        """Submit."""
        return await self._kit.get(JobRunWriter).submit(requests)

    async def fire(self, requests: Sequence[RunRequest], cursors: Sequence[ScheduleCursor]) -> int:
        """Fire."""
        return await self._kit.get(JobRunWriter).fire(requests, cursors)

    async def claim(
        self, free: Mapping[str, int], job_types: Sequence[str], after_tenant: str | None, alone_from: int
    ) -> Claim:
        """Claim."""
        claimer = self._kit.get(JobRunClaimer)
        return await claimer.claim(free, frozenset(job_types), after_tenant=after_tenant, alone_from=alone_from)

    async def optimise(self) -> None:
        """Do the upkeep."""
        store = self._kit.get(JobRunWriter)
        assert isinstance(store, StoreMaintenance)
        await store.optimise()

    async def append(self, run_id: UUID, pickled: bytes) -> None:
        """Append."""
        self._kit.log.append(run_id, pickle.loads(zlib.decompress(pickled)))

    async def move(self, seconds: float) -> None:
        """Move the clock."""
        self._kit.clock.move(seconds)


def _account() -> Account:
    at = datetime.now(UTC)
    return new_account(CLIENT, PrincipalKind.CLIENT, secret_hash=hash_secret(SECRET), roles=("administrator",), at=at)


async def main(folder: Path, mounts: str, told: int) -> None:
    stage = Stage(folder, mounts)
    playing = asyncio.create_task(stage.play())
    door = folder / "door"
    server = await asyncio.start_unix_server(stage.serve, door)
    loop = asyncio.get_running_loop()

    def end() -> None:
        loop.remove_reader(sys.stdin)  # an end of file stays readable
        playing.cancel()

    loop.add_reader(sys.stdin, end)
    port = asyncio.create_task(stage.port())
    await asyncio.wait([port, playing], return_when=asyncio.FIRST_COMPLETED)
    if port.done():
        announcement = json.dumps({"port": port.result(), "door": str(door)})
        os.write(told, f"{announcement}\n".encode())
    try:
        await playing
    except asyncio.CancelledError:
        pass
    finally:
        port.cancel()
        server.close()


if __name__ == "__main__":
    told = os.dup(1)
    os.dup2(2, 1)  # the log goes where errors go
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], told))
