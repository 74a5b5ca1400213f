"""Where schedules are stored."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from host.contracts.contract import Contract
from host.model.schedules import JobSchedule, ScheduleEntry


class JobScheduleManager(Contract):
    """Keeps the schedules of each job type (SanteDB: IJobScheduleManager).

    No entry and an empty entry differ: without one, a fallback from configuration or code is in force; an
    empty one says that an operator cleared the job. Every accepted change is durable when the call returns
    and is told on the bus as ``ScheduleChanged``; so are changes made behind its back, within a second.
    """

    @abstractmethod
    async def all(self) -> Sequence[ScheduleEntry]:
        """Give every entry, in stored order."""

    @abstractmethod
    async def get(self, job_type: str) -> ScheduleEntry | None:
        """Give the entry of a job type, or None if it has none."""

    @abstractmethod
    async def replace(
        self, job_type: str, schedules: Sequence[JobSchedule], *, expected_version: str | None = None
    ) -> ScheduleEntry:
        """Store these schedules as the job's entry, all or nothing; an equal list changes nothing.

        With ``expected_version`` (empty string: no entry) raises ScheduleVersionError if the entry is
        another. Raises InvalidScheduleError for a schedule that can never work, StoreUnavailableError if it
        cannot be written; then nothing changed.
        """

    @abstractmethod
    async def clear(self, job_type: str, *, expected_version: str | None = None) -> ScheduleEntry:
        """Store an empty entry: no schedule, and no fallback either."""

    @abstractmethod
    async def remove(self, job_type: str, *, expected_version: str | None = None) -> bool:
        """Forget the entry, so that a fallback is in force again; False if there was none."""
