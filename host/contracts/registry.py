"""What operators decided about jobs, kept across restarts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from host.contracts.contract import Contract
from host.model.jobs import JobStartType


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A job that was registered while the host ran, beside those of the configuration."""

    job_type: str
    start_type: JobStartType
    registered_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Something that must not start."""

    scope: str
    """``all``, ``job:<job type>`` or ``schedule:<schedule id>``."""
    reason: str
    by: str | None
    at: datetime


class JobRegistry(Contract):
    """Registrations and pauses; every change is durable when the call returns."""

    @abstractmethod
    async def registrations(self) -> Sequence[Registration]:
        """Give all registrations, oldest first."""

    @abstractmethod
    async def register(self, registration: Registration) -> bool:
        """Keep a registration; False if the job type has one already, which then stays as it is."""

    @abstractmethod
    async def unregister(self, job_type: str) -> bool:
        """Forget a registration; False if there was none."""

    @abstractmethod
    async def pauses(self) -> Sequence[Pause]:
        """Give all pauses, oldest first."""

    @abstractmethod
    async def pause(self, pause: Pause) -> bool:
        """Keep a pause; False if the scope is paused already, whose reason then stays."""

    @abstractmethod
    async def resume(self, scope: str) -> bool:
        """End a pause; False if there was none."""
