"""What a program that embeds a host asks of it again and again, by short names."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TypeAlias, TypeVar
from uuid import UUID

from host.contracts.bus import MessageBus
from host.contracts.contract import Contract
from host.contracts.jobs import Job, JobManagerService, RunControl
from host.contracts.logs import RunLog
from host.contracts.runs import JobRunReader
from host.contracts.schedules import JobScheduleManager
from host.kernel.catalogue import type_name
from host.kernel.ends import RunEnds
from host.model.json import JsonObject, JsonValue
from host.model.runs import JobRun
from host.model.submissions import RunSubmission

C = TypeVar("C", bound=Contract)

JobName: TypeAlias = str | UUID | type[Job]
"""A job's id, type name, alias or unambiguous name, or its class."""


class HostHandle(ABC):
    """The contracts of a started host by short names, and runs submitted and waited for."""

    @abstractmethod
    def get(self, contract: type[C]) -> C:
        """Give the provider of a contract; raises WiringError if there is none."""

    @abstractmethod
    async def wait_failed(self) -> None:
        """Wait until a service fails in the background, and raise why; HostUnavailableError once the host stops."""

    @property
    def jobs(self) -> JobManagerService:
        """The registered jobs and their schedules."""
        return self.get(JobManagerService)

    @property
    def runs(self) -> JobRunReader:
        """Reading runs."""
        return self.get(JobRunReader)

    @property
    def control(self) -> RunControl:
        """Submitting and steering runs, with everything that can be said about them."""
        return self.get(RunControl)

    @property
    def log(self) -> RunLog:
        """What runs wrote."""
        return self.get(RunLog)

    @property
    def schedules(self) -> JobScheduleManager:
        """The stored schedules; ``jobs`` knows which are in force."""
        return self.get(JobScheduleManager)

    async def submit(
        self,
        job: JobName,
        parameters: JsonObject | Sequence[JsonValue] = (),
        *,
        priority: int | None = None,
        not_before: datetime | None = None,
        idempotency_key: str | None = None,
        by: str | None = None,
    ) -> UUID:
        """Accept one run of a registered job; it is durable when this returns. ``control.submit`` takes many.

        Raises JobNotFoundError, InvalidParameterError, StoreUnavailableError.
        """
        submission = RunSubmission(
            job=job_name(job),
            parameters=parameters,
            priority=priority,
            not_before=not_before,
            idempotency_key=idempotency_key,
            owner=by,
        )
        return (await self.control.submit([submission]))[0]

    async def wait(self, run_id: UUID, *, timeout: timedelta | None = None) -> JobRun:  # noqa: ASYNC109  # of the wait
        """Give the run once it has ended, however it ended; ``state`` tells.

        Raises RunNotFoundError, and TimeoutError after ``timeout``; the run itself goes on then, as it does when the
        wait is cancelled. Raises HostUnavailableError or ProviderStartError if the host stops or fails meanwhile.
        """
        async with asyncio.timeout(None if timeout is None else timeout.total_seconds()):
            return await self._ends.wait(run_id)

    async def perform(
        self,
        job: JobName,
        parameters: JsonObject | Sequence[JsonValue] = (),
        *,
        priority: int | None = None,
        timeout: timedelta | None = None,  # noqa: ASYNC109  # of the wait
        by: str | None = None,
    ) -> JobRun:
        """Submit a run and wait until it has ended: ``submit`` and ``wait`` in one."""
        return await self.wait(await self.submit(job, parameters, priority=priority, by=by), timeout=timeout)

    @cached_property
    def _ends(self) -> RunEnds:
        return RunEnds(self.runs, self.get(MessageBus), self.wait_failed)


def job_name(job: JobName) -> str:
    """Give the text that stands for a job in contracts."""
    return type_name(job) if isinstance(job, type) else str(job)
