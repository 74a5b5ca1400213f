"""What runs write while they run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Collection, Sequence
from typing import ClassVar
from uuid import UUID

from host.contracts.contract import Contract
from host.model.logs import RunLogLine


class RunLog(Contract):
    """Keeps the lines of each run, in order, bounded per run: past the bound lines are counted, not kept."""

    knows_runs: ClassVar[bool] = False
    """Whether ``read`` raises RunNotFoundError for a run that nobody knows; else such a run has no lines."""

    @abstractmethod
    def append(self, run_id: UUID, lines: Sequence[RunLogLine]) -> None:
        """Take lines, oldest first; from any thread, without waiting. Lines may be lost in a crash.

        When more wait to be written than memory allows, new ones are dropped and their number is noted.
        """

    @abstractmethod
    async def read(self, run_id: UUID, *, after: int = 0, limit: int = 1000) -> Sequence[RunLogLine]:
        """Give lines with a number above ``after``, oldest first; lines appended before the call are included.

        Raises RunNotFoundError as ``knows_runs`` says.
        """

    @abstractmethod
    def follow(self, run_id: UUID, *, after: int = 0) -> AsyncIterator[RunLogLine]:
        """Give lines above ``after`` and then each new one as it comes; ends only when the caller stops.

        A line shows within a second of ``append``.
        """

    @abstractmethod
    async def prune(self, run_ids: Collection[UUID]) -> int:
        """Delete all lines of these runs; returns how many runs had any."""
