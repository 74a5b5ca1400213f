"""What every screen works with: the contracts behind the panel, and what several screens reckon from them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from host.contracts.clock import Clock
from host.contracts.host import HostControl, HostStatus
from host.contracts.jobs import JobManagerService, RunControl
from host.contracts.logs import RunLog
from host.contracts.registry import Pause
from host.contracts.runs import JobRunReader
from host.contracts.schedules import JobScheduleManager
from host.contracts.security import AuditTrail, Authenticator, TokenService
from host.errors import JobNotFoundError
from host.faces.forecast import Forecasts
from host.model.jobs import JobInfo
from host.model.masking import without_secrets
from host.model.runs import JobRun
from host_panel.finding import JobFinder
from host_panel.last_known import LastKnown
from host_panel.reckonings import Reckonings
from host_panel.rendering import Renderer

T = TypeVar("T")
UNKNOWN_ZONE = "UTC"
STATUS_SECONDS = 1.0
"""How old the host's status may be that a page shows."""


@dataclass(slots=True, kw_only=True)
class Desk:
    """The contracts and the renderer."""

    jobs: JobManagerService
    control: RunControl
    schedules: JobScheduleManager
    runs: JobRunReader
    log: RunLog
    host: HostControl
    clock: Clock
    audit: AuditTrail | None
    authenticator: Authenticator
    tokens: TokenService
    renderer: Renderer
    forecasts: Forecasts = field(init=False)
    reckonings: Reckonings = field(init=False)
    known: LastKnown = field(init=False)
    finder: JobFinder = field(default_factory=JobFinder, init=False)
    _status: HostStatus | None = field(default=None, init=False)
    _status_at: float = field(default=0.0, init=False)
    _reckoning: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    def __post_init__(self) -> None:
        """Begin with nothing known."""
        self.forecasts = Forecasts(self.runs)
        self.reckonings = Reckonings(self.jobs, self.schedules, self.runs, self.host, self.clock)
        self.known = LastKnown(self.clock)

    def now(self) -> datetime:
        """Give the present instant by the host's clock."""
        return self.clock.now()

    async def status(self) -> HostStatus:
        """Give the host's status, at most a second old."""
        now = self.clock.monotonic()
        if self._status is None or now - self._status_at >= STATUS_SECONDS:
            self._status, self._status_at = await self.host.status(), now
        return self._status

    def forget_status(self) -> None:
        """Have it read anew the next time, for something was changed."""
        self._status = None
        self.reckonings.day.forget()

    async def timezone(self) -> str:
        """Give the default zone of schedules, by which pages tell times: UTC while nobody knows it yet."""
        return (await self.status()).timezone or UNKNOWN_ZONE

    async def pauses(self) -> Mapping[str, Pause]:
        """Give what is paused: ``{scope: pause}``."""
        return {pause.scope: pause for pause in (await self.status()).pauses}

    async def job_of(self, job_id: UUID) -> JobInfo | None:
        """Give a job, registered or not; None if nobody knows it any more."""
        return (await self._jobs_of([job_id])).get(job_id)

    async def names_of(self, runs: Sequence[JobRun]) -> Mapping[UUID, str]:
        """Give a name for the job of each run: ``{job id: name}``."""
        types = {run.job_id: run.job_type for run in runs}
        found = await self._jobs_of(types)
        return {job_id: found[job_id].name if job_id in found else types[job_id] for job_id in types}

    async def shown(self, runs: Sequence[JobRun]) -> Sequence[JobRun]:
        """Give runs with secret parameters hidden; of a job that nobody knows, all parameters."""
        ids = {run.job_id for run in runs if run.parameters}
        return without_secrets(runs, list((await self._jobs_of(ids)).values()))

    async def _jobs_of(self, ids: Collection[UUID]) -> Mapping[UUID, JobInfo]:
        """Give jobs, registered or not; those that nobody knows are left out."""
        found = {}
        for job_id in ids:
            with suppress(JobNotFoundError):
                found[job_id] = await self.jobs.get_job(str(job_id))
        if len(found) < len(ids):
            offered = await self.jobs.get_available_jobs()
            found = {job.id: job for job in offered if job.id in ids} | found
        return found

    async def reckon(self, work: Callable[[], T]) -> T:
        """Do what takes the processor for a while in another thread, one after another."""
        async with self._reckoning:
            return await asyncio.to_thread(work)
