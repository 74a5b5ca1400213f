"""What runs wrote at the upstream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from host.contracts.logs import RunLog
from host.errors import RunNotFoundError, UnsupportedOperationError
from host.model.logs import RunLogLine
from host_upstream.jobhost.client import JobhostClient
from host_upstream.jobhost.following import LAST_NUMBER, RunFollower

PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lines:
    lines: tuple[RunLogLine, ...]


class RestRunLog(RunLog):
    """Lines of a jobhost's runs; only the host that performs a run writes or deletes them."""

    lacks: ClassVar[frozenset[str]] = frozenset({"append", "prune"})
    knows_runs: ClassVar[bool] = True

    def __init__(self, client: JobhostClient) -> None:
        self._client = client

    def append(self, run_id: UUID, lines: Sequence[RunLogLine]) -> None:
        """Refuse."""
        raise _refusal("written")

    async def read(self, run_id: UUID, *, after: int = 0, limit: int = PAGE) -> Sequence[RunLogLine]:
        """Give lines with a number above ``after``, oldest first; raises RunNotFoundError."""
        found: list[RunLogLine] = []
        while len(found) < limit and after <= LAST_NUMBER:
            asked = min(limit - len(found), PAGE)
            query = (("after", str(max(after, 0))), ("limit", str(asked)))
            page = await self._client.get(f"/runs/{run_id}/log", _Lines, query)
            found += page.lines
            if len(page.lines) < asked:
                break
            after = found[-1].number
        return found

    async def follow(self, run_id: UUID, *, after: int = 0) -> AsyncIterator[RunLogLine]:
        """Give lines above ``after`` and then each new one as it comes, also across restarts of the upstream."""

        async def read(last: int) -> Sequence[RunLogLine]:
            try:
                return await self.read(run_id, after=last)
            except RunNotFoundError:
                return ()

        async with aclosing(RunFollower(self._client, run_id, read, after=after).lines()) as lines:
            async for line in lines:
                yield line

    async def prune(self, run_ids: Collection[UUID]) -> int:
        """Refuse."""
        raise _refusal("deleted")


def _refusal(what: str) -> UnsupportedOperationError:
    return UnsupportedOperationError(
        f"lines of runs are {what} where the runs are performed", hint="this host only shows what its upstream does"
    )
