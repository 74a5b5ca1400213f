"""What a job author writes, what a job sees while it runs, and how jobs are managed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar
from uuid import UUID

from host.contracts.contract import Contract
from host.model.jobs import JobInfo, JobParameter, JobStartType, OverlapPolicy, RecoveryPolicy, RetryPolicy
from host.model.json import JsonObject, JsonValue
from host.model.logs import LogLevel
from host.model.runs import BulkAction, BulkReport, CancelResult, JobResult, JobRun, RunFilter
from host.model.schedules import JobSchedule, ScheduleEntry
from host.model.submissions import RunSubmission


class Retry(Exception):  # noqa: N818  # what a job asks for, not what went wrong
    """Raised by a job: this attempt failed, try again, whatever the policy says of exceptions.

    ``after`` is how long to wait, None as the policy says. Without attempts left the run is FAILED.
    """

    def __init__(self, reason: str = "", *, after: timedelta | None = None) -> None:
        super().__init__(reason)
        if after is not None:
            _check_after(after)
        self.reason = reason
        self.after = after


class Snooze(Exception):  # noqa: N818  # as Retry
    """Raised by a job: nothing to do yet, call again ``after`` this long. The attempt does not count."""

    def __init__(self, reason: str = "", *, after: timedelta) -> None:
        super().__init__(reason)
        _check_after(after)
        self.reason = reason
        self.after = after


class Discard(Exception):  # noqa: N818  # as Retry
    """Raised by a job: the run has FAILED (``discarded``) for good, whatever attempts are left."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


def _check_after(after: object) -> None:
    if not isinstance(after, timedelta):
        raise TypeError(f"after is {after!r}; expected a timedelta")


class RunLogger(ABC):
    """Writes lines of one run, to the run's log and to the host's."""

    def debug(self, event: str, /, **fields: JsonValue) -> None:
        """Write a line for developers."""
        self.write(LogLevel.DEBUG, event, fields)

    def info(self, event: str, /, **fields: JsonValue) -> None:
        """Write a line for operators."""
        self.write(LogLevel.INFO, event, fields)

    def warning(self, event: str, /, **fields: JsonValue) -> None:
        """Write that it went on, but look."""
        self.write(LogLevel.WARNING, event, fields)

    def error(self, event: str, /, **fields: JsonValue) -> None:
        """Write that someone must act."""
        self.write(LogLevel.ERROR, event, fields)

    @abstractmethod
    def write(self, level: LogLevel, event: str, fields: JsonObject) -> None:
        """Write a line of a level."""


class JobContext(ABC):
    """What a job sees of its run. All of it may be used from the job's own thread."""

    run_id: UUID
    job_id: UUID
    attempt: int
    """From 1."""
    tenant: str
    fire_time: datetime | None
    """The nominal instant of the schedule that caused the run; None if a person or a program did."""
    trace_id: str
    """W3C, 32 hexadecimal digits."""
    parameters: JsonObject
    """Checked against the declaration, defaults filled in, secrets in clear."""
    log: RunLogger

    @property
    @abstractmethod
    def workspace(self) -> Path:
        """An empty folder of this attempt's own, made when first asked for and removed when the attempt ends."""

    @abstractmethod
    def progress(self, fraction: float, status_text: str | None = None) -> None:
        """Report how far the run is, 0 to 1; cheap, the latest value is kept and written once a second."""

    @property
    @abstractmethod
    def is_cancelled(self) -> bool:
        """Whether the run should stop: cancelled by a person, timed out, or its claim lost."""

    @abstractmethod
    def raise_if_cancelled(self) -> None:
        """Raise asyncio.CancelledError if the run should stop; for code that cannot await."""


class Job(ABC):
    """One kind of work. Write a class, set the attributes, implement ``run``; that is all.

    ``async def run`` is performed on the event loop, a plain ``def run`` in a bounded thread pool. The
    constructor is wired like any provider's; each run has an instance of its own.
    """

    id: ClassVar[UUID]
    """Identity for good; without it one follows from the type name."""
    name: ClassVar[str]
    """For people; without it the class name is used."""
    description: ClassVar[str]
    """For people; without it the docstring's first line is used."""
    aliases: ClassVar[Sequence[str]] = ()
    parameters: ClassVar[Sequence[JobParameter]] = ()
    can_cancel: ClassVar[bool] = True
    overlap: ClassVar[OverlapPolicy] = OverlapPolicy.SKIP
    recovery: ClassVar[RecoveryPolicy] = RecoveryPolicy.RETRY
    timeout: ClassVar[timedelta | None] = None
    priority: ClassVar[int] = 0
    max_attempts: ClassVar[int] = 1
    retry: ClassVar[RetryPolicy] = RetryPolicy()
    executor: ClassVar[str | None] = None
    """Name of an executor; None chooses ``loop`` for ``async def run``, ``thread`` for ``def run``.

    ``process`` performs either in a child process, which can be killed.
    """
    process_safe: ClassVar[bool] = False
    """Whether a run suspected of having killed its host may be performed in a child process instead."""

    @abstractmethod
    def run(self, context: JobContext) -> Awaitable[JobResult | None] | JobResult | None:
        """Do the work.

        Returning means COMPLETED; CancelledError after a request, CANCELLED; ``Retry``, ``Snooze`` and ``Discard``
        what they say; any other exception a failed attempt, which is tried again as ``max_attempts`` and ``retry``
        allow.
        """


class JobCatalogue(Contract):
    """The jobs that installed plugins offer; fixed while the host runs."""

    @abstractmethod
    def available(self) -> Mapping[str, JobInfo]:
        """Give every offered job: ``{job type: info}``, without registration facts."""

    @abstractmethod
    def resolve(self, name: str) -> str | None:
        """Give the job type that a type name, alias or id (as text) stands for, or None."""

    @abstractmethod
    def factory(self, job_type: str) -> Callable[[], Job]:
        """Give what builds a fresh, wired instance. Raises JobNotFoundError."""


class JobManagerService(Contract):
    """Registered jobs and their schedules (SanteDB: IJobManagerService, all of it).

    ``job`` is a job id, a type name, an alias or an unambiguous name everywhere; another raises JobNotFoundError.
    Suite: ``host.testing.contracts.jobs``.
    """

    @abstractmethod
    async def jobs(self) -> Sequence[JobInfo]:
        """Give the registered jobs, by name."""

    @abstractmethod
    async def get_available_jobs(self) -> Sequence[JobInfo]:
        """Give the jobs that are offered but not registered, by name."""

    @abstractmethod
    async def get_job(self, job: str) -> JobInfo:
        """Give one registered job."""

    @abstractmethod
    async def is_job_registered(self, job: str) -> bool:
        """Say whether the job is registered; False also for an unknown one."""

    @abstractmethod
    async def add_job(
        self, job_type: str, *, start_type: JobStartType = JobStartType.SCHEDULE, interval: timedelta | None = None
    ) -> JobInfo:
        """Register a job for as long as this host runs, with a fallback interval schedule if one is given.

        A job that is registered already is returned as it is.
        """

    @abstractmethod
    async def register_job(self, job_type: str) -> JobInfo:
        """Register an offered job for good, with start type ``never``; raises JobRegisteredError if it is."""

    @abstractmethod
    async def start_job(
        self, job: str, parameters: JsonObject | Sequence[JsonValue] = (), *, by: str | None = None
    ) -> JobRun | None:
        """Submit a run at once, parameters by name or by position; None where an upstream tells no run.

        Raises InvalidParameterError before anything is submitted.
        """

    @abstractmethod
    async def cancel_job(self, job: str, *, by: str | None = None) -> Sequence[CancelResult]:
        """Ask every unfinished run of the job to stop."""

    @abstractmethod
    async def get_job_schedules(self, job: str) -> ScheduleEntry:
        """Give the schedules in force, and where they come from; empty without any."""

    @abstractmethod
    async def set_job_schedule(
        self, job: str, schedules: Sequence[JobSchedule], *, expected_version: str | None = None
    ) -> ScheduleEntry:
        """Replace the job's schedules for good; errors as in ``JobScheduleManager.replace``."""

    @abstractmethod
    async def clear_job_schedule(self, job: str, *, expected_version: str | None = None) -> ScheduleEntry:
        """Leave the job without any schedule, for good."""


class RunControl(Contract):
    """Submits runs and steers them, on behalf of people and programs. Suite: ``host.testing.contracts.control``."""

    @abstractmethod
    async def submit(self, submissions: Sequence[RunSubmission]) -> Sequence[UUID]:
        """Accept runs of registered jobs, all or none; returns their ids in order.

        Raises JobNotFoundError, InvalidParameterError, StoreUnavailableError.
        """

    @abstractmethod
    async def cancel(self, run_id: UUID, *, by: str | None = None) -> CancelResult:
        """Cancel a run, or ask it to stop; raises RunNotFoundError, RunStateError if it has finished."""

    @abstractmethod
    async def retry(self, run_id: UUID, *, by: str | None = None) -> UUID:
        """Submit a finished run anew; the new run's ``origin_run_id`` names it. Raises RunStateError if unfinished."""

    @abstractmethod
    async def amend(
        self,
        run_id: UUID,
        *,
        priority: int | None = None,
        not_before: datetime | None = None,
        is_locked: bool | None = None,
    ) -> JobRun:
        """Change a waiting run, or lock a run against retention; raises as ``JobRunWriter.amend``."""

    @abstractmethod
    async def release(self, run_id: UUID, *, by: str | None = None) -> JobRun:
        """Let a PENDING run go, or give a QUARANTINED one another chance; returns the run that goes.

        Another chance is a new run (``origin_run_id``), and the pause of the job that the quarantine caused ends.
        Raises RunNotFoundError, RunStateError for another state.
        """

    @abstractmethod
    async def bulk(
        self,
        action: BulkAction,
        where: RunFilter,
        *,
        at_most: int = 100_000,
        dry_run: bool = False,
        by: str | None = None,
    ) -> BulkReport:
        """Do something to every run that a filter finds when the call begins, newest first, in batches.

        Runs in a state the action is not for are left out. ``dry_run`` only counts. Not all or none: what a failure
        interrupts has been done as far as it came, and doing it again finishes it.
        """

    @abstractmethod
    async def pause(self, scope: str, *, reason: str, by: str | None = None) -> bool:
        """Start nothing more of ``all``, a job (``job:<job>``) or a schedule (``schedule:<id>``); False if paused."""

    @abstractmethod
    async def resume(self, scope: str, *, by: str | None = None) -> bool:
        """End a pause; fire times inside it are not made up for. False if there was none."""
