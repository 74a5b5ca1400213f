"""Statistics of all jobs together, read from the store at most once in a few seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from host.contracts.clock import Clock
from host.contracts.runs import JobRunReader
from host.model.statistics import JobStatistics

SECONDS_KEPT = 5.0
"""Reading them costs an entry a job: 0.2 s for 10 000 jobs, too much for every look of everybody who watches."""
MOST_KEPT = 8

_Span: TypeAlias = tuple[datetime, datetime | None]


@dataclass(frozen=True, slots=True)
class _Kept:
    at: float
    entries: Sequence[JobStatistics]


class Totals:
    """Remembers totals for a while; who asks while they are read waits for the same reading."""

    def __init__(self, runs: JobRunReader, clock: Clock) -> None:
        self._runs, self._clock = runs, clock
        self._kept: dict[_Span, _Kept] = {}
        self._reading = asyncio.Lock()

    async def of_all(self, since: datetime, until: datetime | None = None) -> Sequence[JobStatistics]:
        """Give an entry a job that ran in the span, the most failures first; at most some seconds old."""
        span = since.replace(second=0, microsecond=0), until
        async with self._reading:
            kept = self._kept.get(span)
            if kept is None or self._clock.monotonic() - kept.at > SECONDS_KEPT:
                kept = await self._read(span)
            return kept.entries

    async def _read(self, span: _Span) -> _Kept:
        since, until = span
        entries = sorted(await self._runs.statistics(since=since, until=until), key=badness)
        self._kept.pop(span, None)
        while len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        kept = self._kept[span] = _Kept(self._clock.monotonic(), entries)
        return kept


def badness(entry: JobStatistics) -> tuple[int, int, bytes]:
    """Give what orders jobs: the most failures first, then the most runs."""
    return -entry.failures, -entry.runs, entry.job_id.bytes
