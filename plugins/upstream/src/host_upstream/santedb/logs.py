"""The log of a run of a SanteDB server: AMI has none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Never
from uuid import UUID

from host.contracts.clock import Clock
from host.contracts.logs import RunLog
from host.model.logs import RunLogLine
from host_upstream.link import UpstreamLink
from host_upstream.santedb.refusals import unsupported
from host_upstream.settings import UpstreamSettings


class AmiRunLog(RunLog):
    """Refuses everything, at once: SanteDB's jobs write to the server's own log, which AMI does not sort by run."""

    lacks = frozenset({"append", "read", "follow", "prune"})

    def __init__(self, link: UpstreamLink, settings: UpstreamSettings, clock: Clock) -> None:
        """Take what the providers of this upstream are built of; nothing is asked."""

    def append(self, run_id: UUID, lines: Sequence[RunLogLine]) -> None:
        """Refuse."""
        _refuse()

    async def read(self, run_id: UUID, *, after: int = 0, limit: int = 1000) -> Sequence[RunLogLine]:
        """Refuse."""
        _refuse()

    def follow(self, run_id: UUID, *, after: int = 0) -> AsyncIterator[RunLogLine]:
        """Refuse, before anything is waited for."""
        _refuse()

    async def prune(self, run_ids: Collection[UUID]) -> int:
        """Refuse."""
        _refuse()


def _refuse() -> Never:
    raise unsupported("tell what a run writes", "its status text is that of the job; all else is in the server's log")
