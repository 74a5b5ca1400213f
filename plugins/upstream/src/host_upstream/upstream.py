"""The one upstream of this host, shared by all that ask it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from host.contracts.bus import MessageBus
from host.contracts.clock import Clock
from host.contracts.contract import Service
from host.contracts.registry import Pause
from host_upstream.faces import Upstream, UpstreamFaces
from host_upstream.jobhost.client import JobhostClient
from host_upstream.jobhost.memory import Memory
from host_upstream.link import UpstreamApi, UpstreamLink
from host_upstream.settings import UpstreamSettings
from host_upstream.watch import Watch


class OneUpstream(Upstream, Service):
    """The upstream of the settings. While this host runs it follows what changes there, and says so on the bus."""

    is_default = True
    stop_seconds = 5

    def __init__(self, link: UpstreamLink, settings: UpstreamSettings, clock: Clock, bus: MessageBus | None) -> None:
        self._link, self._settings, self._clock, self._bus = link, settings, clock, bus
        self._client = JobhostClient(link)
        self._memory = Memory(settings.cache.total_seconds(), clock)
        self._known: dict[UpstreamApi, UpstreamFaces] = {}
        self._watching: list[asyncio.Task[None]] = []

    async def faces(self) -> UpstreamFaces:
        """Give them; built when first asked for, since the upstream may be down when this host starts."""
        api = await self._link.api()
        if api not in self._known:
            self._known[api] = self._santedb() if api is UpstreamApi.SANTEDB else self._jobhost()
        return self._known[api]

    async def start(self) -> None:
        """Begin to follow changes."""
        if self._bus is not None and not self._watching:
            watch = Watch(self._link, self, self._client, self._bus, forget=self._memory.forget)
            self._watching = [asyncio.create_task(watch.run(), name="upstream watch")]

    async def stop(self) -> None:
        """Follow no more."""
        watching, self._watching = self._watching, []
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)

    def background(self) -> Sequence[asyncio.Task[None]]:
        """Give what follows changes."""
        return self._watching

    def _jobhost(self) -> UpstreamFaces:
        from host_upstream.jobhost.control import RestRunControl
        from host_upstream.jobhost.jobs import RestJobManager
        from host_upstream.jobhost.logs import RestRunLog
        from host_upstream.jobhost.runs import RestRunReader
        from host_upstream.jobhost.schedules import RestScheduleManager
        from host_upstream.jobhost.standing import Standing

        standing = Standing(self._client, self._memory)
        return UpstreamFaces(
            jobs=RestJobManager(self._client, self._memory),
            control=RestRunControl(self._client, self._memory),
            schedules=RestScheduleManager(self._client, self._memory),
            runs=RestRunReader(self._client),
            log=RestRunLog(self._client),
            timezone=standing.timezone,
            pauses=standing.pauses,
        )

    def _santedb(self) -> UpstreamFaces:
        from host_upstream.santedb.client import AmiClient
        from host_upstream.santedb.control import AmiRunControl
        from host_upstream.santedb.jobs import AmiJobManager
        from host_upstream.santedb.logs import AmiRunLog
        from host_upstream.santedb.reader import AmiRunReader
        from host_upstream.santedb.schedules import AmiScheduleManager

        taken = self._link, self._settings, self._clock
        client = AmiClient(*taken)
        return UpstreamFaces(
            jobs=AmiJobManager(*taken, client=client),
            control=AmiRunControl(*taken, client=client),
            schedules=AmiScheduleManager(*taken, client=client),
            runs=AmiRunReader(*taken, client=client),
            log=AmiRunLog(*taken),
            timezone=self._santedb_timezone,
            pauses=_none,
        )

    async def _santedb_timezone(self) -> str:
        """Give the zone of a SanteDB server, which AMI does not tell."""
        return self._settings.timezone or "UTC"


async def _none() -> Sequence[Pause]:
    """Give the pauses of a SanteDB server, which knows none."""
    return ()
