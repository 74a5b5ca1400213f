"""What an upstream can be asked for, whatever it speaks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from host.contracts.contract import Contract
from host.contracts.jobs import JobManagerService, RunControl
from host.contracts.logs import RunLog
from host.contracts.registry import Pause
from host.contracts.runs import JobRunReader
from host.contracts.schedules import JobScheduleManager


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamFaces:
    """The contracts that an upstream fulfils, in the words it speaks."""

    jobs: JobManagerService
    control: RunControl
    schedules: JobScheduleManager
    runs: JobRunReader
    log: RunLog
    timezone: Callable[[], Awaitable[str]]
    """Gives the zone of schedules that name none."""
    pauses: Callable[[], Awaitable[Sequence[Pause]]]
    """Gives what must not start, oldest first."""


class Upstream(Contract):
    """What the upstream can be asked for."""

    @abstractmethod
    async def faces(self) -> UpstreamFaces:
        """Give it, by what the upstream speaks; raises UpstreamUnavailableError while nobody knows."""
