"""How one job call is performed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from host.contracts.contract import Contract
from host.contracts.jobs import Job, JobContext
from host.model.runs import ClaimedRun, JobResult


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCall:
    """One call to perform: in this process by ``create`` and ``context``, elsewhere by the values of ``run``."""

    run: ClaimedRun
    create: Callable[[], Job]
    context: JobContext


class JobExecutor(Contract):
    """Performs job calls of one kind, at most ``slots`` at a time."""

    many = True

    name: ClassVar[str]
    """What jobs and runs name it by."""
    cancel_effect: ClassVar[str]
    """What cancel and timeout can do here, as a sentence for operators."""

    @property
    @abstractmethod
    def slots(self) -> int:
        """How many calls it performs at a time."""

    @abstractmethod
    async def perform(self, call: JobCall) -> JobResult | None:
        """Build the job, call it and return what it returns; whatever it raises comes out.

        Cancelling this coroutine asks the call to stop, and the coroutine ends when the call has. Called for
        at most ``slots`` calls at once.
        """
