"""A place with running jobs that is a whole host, and what a test does behind its back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from host.contracts.contract import Contract
from host.contracts.jobs import Job
from host.contracts.registry import JobRegistry, Pause
from host.kernel.catalogue import type_name
from host.model.runs import JobRun
from host.testing.clock import FakeClock
from host.testing.host import JOB_SECTION, running_host
from host.testing.kit import HostKit
from host.testing.place import PATIENCE_SECONDS, Backstage, JobPlace
from host.testing.place_jobs import OFFERED, REGISTERED, HandGate, PlaceGate, Planned

PLANNED_AT = "2026-01-01T03:00:00Z"
"""When the configuration has ``Planned`` run for the first time; then it does every six hours."""


@asynccontextmanager
async def place_host(
    folder: Path,
    clock: FakeClock,
    *,
    offered: Sequence[type[Job]] = (),
    providers: Sequence[type[Contract]] = (),
    sections: str = "",
) -> AsyncIterator[HostKit]:
    """Give a started host with the jobs of ``place_jobs``, some of them registered, and others that it offers."""
    host = running_host(
        folder,
        jobs=(*REGISTERED, *OFFERED, *offered),
        providers=[HandGate, *providers],
        clock=clock,
        sections=f"{sections}\n  {_job_section()}",
    )
    async with host as kit:
        kit.patience = timedelta(seconds=PATIENCE_SECONDS)
        yield kit


@asynccontextmanager
async def hosted_place(folder: Path, clock: FakeClock) -> AsyncIterator[JobPlace]:
    """Give a place that is a host in this process, with the host's own manager and control."""
    async with place_host(folder, clock) as kit:
        yield JobPlace(manager=kit.jobs, control=kit.control, backstage=HostedBackstage(kit))


class HostedBackstage(Backstage):
    """Behind the back of a host that goes by a FakeClock."""

    def __init__(self, kit: HostKit) -> None:
        self._kit = kit

    async def run(self, run_id: UUID) -> JobRun | None:
        """Read the row."""
        return await self._kit.runs.run(run_id)

    async def runs(self) -> Sequence[JobRun]:
        """Read the newest rows."""
        page = await self._kit.runs.runs(limit=1000)
        return page.runs[::-1]

    async def pauses(self) -> Sequence[Pause]:
        """Read the registry."""
        return await self._kit.get(JobRegistry).pauses()

    async def now(self) -> datetime:
        """Read the clock."""
        return self._kit.clock.now()

    async def advance(self, seconds: float) -> None:
        """Move the clock."""
        await self._kit.advance(timedelta(seconds=seconds))

    async def settle(self) -> None:
        """Let all that is due run."""
        await self._kit.run_due()

    async def let_end(self) -> None:
        """Open the gate."""
        self._kit.get(PlaceGate).open()


def _job_section() -> str:
    plain = [job for job in REGISTERED if job is not Planned]
    rows = "".join(f'\n    <add type="{type_name(job)}" startType="never" />' for job in plain)
    return (
        f'<section xsi:type="{JOB_SECTION}"><jobs>{rows}\n'
        f'    <add type="{type_name(Planned)}" startType="schedule">'
        f'<schedule><add type="interval" interval="21600" start="{PLANNED_AT}" /></schedule>'
        "<parameters><string>everybody</string></parameters></add>\n"
        "  </jobs></section>"
    )
