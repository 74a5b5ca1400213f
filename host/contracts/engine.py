"""The parts of an engine that runs jobs here; not proxied, absent in a host that only forwards."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from host.contracts.contract import Contract
from host.contracts.host import ExecutorInfo
from host.model.jobs import JobInfo
from host.model.schedules import JobSchedule, ScheduleEntry


class StartOptions(Contract):
    """What the operator said when starting the host."""

    @abstractmethod
    def catch_up(self) -> bool:
        """Whether fire times missed while the host was down are considered."""

    @abstractmethod
    def paused(self) -> str | None:
        """Why everything starts paused; None if it does not."""

    @abstractmethod
    def has_started(self, job: JobInfo) -> bool:
        """Whether a start type's run of this job has been seen to in this process; a reload is no start for it.

        So it is for as long as the job stays registered with this start type.
        """

    @abstractmethod
    def note_started(self, jobs: Iterable[JobInfo]) -> None:
        """Remember that the runs which the start types of these jobs ask for have been seen to."""


class JobDirectory(Contract):
    """The registered jobs of this host, and the schedules in force."""

    @abstractmethod
    def jobs(self) -> Mapping[str, JobInfo]:
        """Give every registered job: ``{job type: info}``; the same object until something changes."""

    @abstractmethod
    def find(self, job: str) -> JobInfo:
        """Give a registered job by id, type name or alias; raises JobNotFoundError."""

    @abstractmethod
    async def add(self, info: JobInfo, fallback: Sequence[JobSchedule] = ()) -> JobInfo:
        """Register a job for as long as the host runs; one that is registered stays as it is."""

    @abstractmethod
    async def schedules(self, job: JobInfo) -> ScheduleEntry:
        """Give the schedules in force: the stored entry, else the fallback, else none."""

    @abstractmethod
    async def all_schedules(self) -> Sequence[tuple[JobInfo, ScheduleEntry]]:
        """Give the schedules in force of every registered job."""

    @abstractmethod
    def entry_name(self, job: JobInfo) -> str:
        """Give the name the job's entry in the schedule store has, or is to have."""


class Dispatcher(Contract):
    """Claims due runs and performs them."""

    @abstractmethod
    def wake(self) -> None:
        """Say that something may be due; cheap, from the event loop."""

    @abstractmethod
    def cancel(self, run_id: UUID) -> bool:
        """Ask a run performed here to stop; False if it is not performed here."""

    @abstractmethod
    def executors(self) -> Sequence[ExecutorInfo]:
        """Give the executors with their load, in configuration order."""

    @abstractmethod
    def stack(self, run_id: UUID) -> str | None:
        """Give where the code of a run performed here is now; None if that cannot be seen."""

    @abstractmethod
    def hold(self, *, everything: bool, job_types: frozenset[str]) -> None:
        """Claim nothing, or nothing of these job types, until told otherwise."""

    @abstractmethod
    async def drain(self, seconds: float) -> int:
        """Claim nothing more and let active runs end; after ``seconds`` give the rest back. Returns how many."""

    @abstractmethod
    def resume(self) -> None:
        """Claim again after a drain that leads to no stop."""


class Scheduler(Contract):
    """Turns due fire times into runs."""

    @abstractmethod
    def timezone(self) -> str:
        """Give the default zone of schedules, IANA name."""

    @abstractmethod
    async def pauses_changed(self) -> None:
        """Read the pauses again; in force when this returns."""
