"""A schedule manager over one file, as tests use it, and the text of such files."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from host.local.bus import LocalMessageBus
from host.local.directory import DataDirectorySettings, LocalDataDirectory
from host.local.schedules import XmlJobScheduleManager, XmlJobScheduleSettings
from host.model.messages import ScheduleChanged
from host.model.schedules import JobSchedule
from host.testing.clock import FakeClock
from host.testing.contracts.services import running

SANTEDBS = (Path(__file__).parents[2] / "fixtures" / "santedb" / "xcron.xml").read_bytes()
BROKEN = SANTEDBS.replace(b"</schedule>", b"</shedule>", 1)
OPTIMIZE = "SanteDB.Persistence.Data.Jobs.OptimizeDatabaseJob, SanteDB.Persistence.Data"
AUDIT = "SanteDB.Persistence.Auditing.ADO.Jobs.AuditRetentionJob, SanteDB.Persistence.Auditing.ADO"
HOURLY, NIGHTLY = JobSchedule.every(timedelta(hours=1)), JobSchedule.cron("0 3 * * *", timezone="Europe/Prague")


class Desk:
    """A started manager over one file, with what it says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = FakeClock()
        self.bus = LocalMessageBus()
        self.heard: list[str | None] = []
        directory = LocalDataDirectory(DataDirectorySettings(path=path.parent))
        self.manager = XmlJobScheduleManager(directory, self.bus, self.clock, XmlJobScheduleSettings(path=path))

    def findings(self) -> list[str]:
        return [finding.message for finding in self.manager.check()]

    async def schedules(self, job_type: str) -> tuple[JobSchedule, ...] | None:
        entry = await self.manager.get(job_type)
        return entry and entry.schedules

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let the manager look until it has seen something."""
        async with asyncio.timeout(60):
            while not condition():
                await self.looks(1)

    async def looks(self, times: int = 3) -> None:
        """Let the manager look at the file this often, each time to the end."""
        for _ in range(times):
            await self._asleep()
            await self.clock.advance(0.5)
            await self._asleep()

    async def _asleep(self) -> None:
        while not self.clock._sleepers:  # it looks, in a thread
            await asyncio.sleep(0.001)


def at_desk(path: Path, body: Callable[[Desk], Awaitable[None]]) -> None:
    async def run() -> None:
        desk = Desk(path)
        desk.bus.subscribe(ScheduleChanged, lambda message: desk.heard.append(message.job_type))
        async with running(desk.manager):
            await body(desk)

    asyncio.run(run())


def xml(*entries: str) -> bytes:
    return ("<ArrayOfJobItemConfiguration>\n" + "\n".join(entries) + "\n</ArrayOfJobItemConfiguration>").encode()


def entry(job_type: str, rows: str) -> str:
    return f'<JobItemConfiguration type="{job_type}"><schedule xmlns="http://santedb.org/configuration">{rows}</schedule></JobItemConfiguration>'


def fast(seconds: int) -> str:
    return f'<add type="interval" interval="{seconds}"/>'
