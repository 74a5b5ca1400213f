"""How one job call is performed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from uuid import UUID

from host.contracts.contract import Contract
from host.contracts.jobs import Job, JobContext
from host.model.runs import ClaimedRun, JobResult


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCall:
    """One call to perform: in this process by ``create`` and ``context``, elsewhere by the values of ``run``."""

    run: ClaimedRun
    create: Callable[[], Job]
    context: JobContext
    workspaces: Path
    """The folder of all workspaces."""

    @property
    def workspace(self) -> Path:
        """Where ``context.workspace`` is made; it need not exist. Whoever called removes it."""
        return self.workspaces / str(self.run.id)


class JobCrashError(Exception):
    """What performed the call died before the job said how it ended; the message tells how, e.g. by which signal."""


class JobLostError(Exception):
    """What performed the call died with what it depends on, hardly by the job's own doing; it may have begun."""


class JobNotBegunError(Exception):
    """The call could not begin: no thread, no process; nothing of the job has run. It is tried again in a while."""


class InvalidResultError(Exception):
    """What a job performed elsewhere returned is no result or cannot be carried; the message tells why."""


class RemoteJobError(Exception):
    """An exception of a job performed elsewhere, by what can be told of it."""

    def __init__(self, summary: str, *, traceback: str, names: tuple[str, ...]) -> None:
        super().__init__(summary)
        self.summary = summary
        """One line: type and message."""
        self.traceback = traceback
        """Formatted, as it was raised there."""
        self.names = names
        """As ``exception_names`` gives them."""


class JobExecutor(Contract):
    """Performs job calls of one kind, at most ``slots`` at a time."""

    many = True

    name: ClassVar[str]
    """What jobs and runs name it by."""
    cancel_effect: ClassVar[str]
    """What cancel and timeout can do here, as a sentence for operators."""
    isolates: ClassVar[bool] = False
    """Whether a call that kills the process it runs in leaves the host alive."""

    @property
    @abstractmethod
    def slots(self) -> int:
        """How many calls it performs at a time."""

    @abstractmethod
    async def perform(self, call: JobCall) -> JobResult | None:
        """Build the job, call it and return what it returns; whatever it raises comes out.

        Cancelling this coroutine asks the call to stop, and the coroutine ends when the call has. Called for
        at most ``slots`` calls at once. Elsewhere than in this process the job's ``Retry``, ``Snooze`` and ``Discard``
        come out as they are, other exceptions as RemoteJobError, and the death of the process as JobCrashError,
        or JobLostError where others died with it; a result that cannot be had from there as InvalidResultError.
        A call that cannot begin raises JobNotBegunError.
        """

    def stack(self, run_id: UUID) -> str | None:
        """Give where the call of a run is now, formatted like a traceback; None where that cannot be seen."""
        return None
