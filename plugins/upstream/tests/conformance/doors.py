"""What a test may do inside the upstream's process, beside what ``Backstage`` offers and the host's own contracts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from uuid import UUID

from host.model.runs import Claim, RunRequest
from host.model.schedules import ScheduleCursor


class StageDoor(ABC):
    """Which host is inside."""

    @abstractmethod
    async def begin(self, sections: str, clean: bool) -> None:
        """Stop the host inside, and start one on the same port: over an empty folder if ``clean``, else the same.

        ``sections`` is XML of its configuration. A clean one begins at the FakeClock's first instant.
        """


class StoreDoor(ABC):
    """What of the host's stores is not asynchronous by its signature, or is no contract's."""

    @abstractmethod
    async def submit(self, requests: Sequence[RunRequest]) -> Sequence[UUID]:
        """Do ``JobRunWriter.submit``."""

    @abstractmethod
    async def fire(self, requests: Sequence[RunRequest], cursors: Sequence[ScheduleCursor]) -> int:
        """Do ``JobRunWriter.fire``."""

    @abstractmethod
    async def claim(
        self, free: Mapping[str, int], job_types: Sequence[str], after_tenant: str | None, alone_from: int
    ) -> Claim:
        """Do ``JobRunClaimer.claim``."""

    @abstractmethod
    async def optimise(self) -> None:
        """Do the upkeep of the run store."""

    @abstractmethod
    async def append(self, run_id: UUID, pickled: bytes) -> None:
        """Do ``RunLog.append`` with pickled and packed lines: their fields need not be JSON, and may be huge."""

    @abstractmethod
    async def move(self, seconds: float) -> None:
        """Move the clock without waiting for anybody."""
