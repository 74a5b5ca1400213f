"""What became of all runs since this host started, as numbers that only grow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from host.contracts.clock import Clock
from host.contracts.jobs import JobManagerService
from host.contracts.runs import JobRunReader
from host.model.runs import RunState
from host.model.statistics import Histogram, JobStatistics

MOST_JOBS = 200
OTHER = "other"
SETTLED_AFTER = timedelta(minutes=2)
"""Statistics older than this do not change any more: what ended then has been written."""
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Totals by job type, of at most ``MOST_JOBS`` jobs and ``OTHER``."""

    runs: Counter[tuple[str, RunState]] = field(default_factory=Counter)
    """``{(job type, final state): runs}``."""
    busy: Counter[str] = field(default_factory=Counter)
    """``{job type: microseconds its runs took}``."""
    waits: Histogram = field(default_factory=Histogram)
    durations: Histogram = field(default_factory=Histogram)

    def __add__(self, other: Totals) -> Totals:
        """Give both together."""
        runs, busy = self.runs.copy(), self.busy.copy()
        runs.update(other.runs)
        busy.update(other.busy)
        return Totals(runs=runs, busy=busy, waits=self.waits + other.waits, durations=self.durations + other.durations)

    def __neg__(self) -> Totals:
        """Give what takes these off when added."""
        return Totals(
            runs=Counter({key: -count for key, count in self.runs.items()}),
            busy=Counter({key: -time for key, time in self.busy.items()}),
            waits=_negative(self.waits),
            durations=_negative(self.durations),
        )


class RunTotals:
    """Follows the statistics of a run store; what they said of older minutes is kept as a sum."""

    def __init__(self, runs: JobRunReader, jobs: JobManagerService, clock: Clock) -> None:
        self._runs, self._jobs, self._clock = runs, jobs, clock
        self._labels: dict[UUID, str] = {}
        self._settled = Totals()
        self._since: datetime | None = None

    async def start(self) -> None:
        """Begin at nothing: what ended in this minute before now is taken off."""
        since = self._clock.now()
        self._settled = -await self._count(since)
        self._since = since

    async def read(self) -> Totals:
        """Give the totals up to now, begun by now at the latest; one call at a time."""
        if self._since is None:
            await self.start()
        assert self._since is not None
        settled_until = self._clock.now() - SETTLED_AFTER
        if settled_until > self._since:
            self._settled += await self._count(self._since, settled_until)
            self._since = settled_until
        return self._settled + await self._count(self._since)

    async def _count(self, since: datetime, until: datetime | None = None) -> Totals:
        entries = await self._runs.statistics(since=since, until=until)
        await self._label(entries)
        runs: Counter[tuple[str, RunState]] = Counter()
        busy: Counter[str] = Counter()
        for entry in entries:
            label = self._labels.get(entry.job_id, OTHER)
            busy[label] += entry.durations.total // _MICROSECOND
            for state, count in entry.by_state.items():
                runs[label, state] += count
        return Totals(
            runs=runs,
            busy=busy,
            waits=_sum([entry.waits for entry in entries]),
            durations=_sum([entry.durations for entry in entries]),
        )

    async def _label(self, entries: Sequence[JobStatistics]) -> None:
        """Name jobs seen for the first time, while there is room; a name once given stays."""
        room = MOST_JOBS - len(self._labels)
        new = [job for job in dict.fromkeys(entry.job_id for entry in entries) if job not in self._labels][:room]
        if new:
            types = {info.id: info.job_type for info in await self._jobs.jobs()}
            self._labels |= {job: types.get(job, str(job)) for job in new}


def _sum(histograms: Sequence[Histogram]) -> Histogram:
    """Give all together, column by column: there may be many thousands."""
    if not histograms:
        return Histogram()
    counts = tuple(map(sum, zip(*(histogram.counts for histogram in histograms), strict=True)))
    return Histogram(counts=counts, total=sum((histogram.total for histogram in histograms), timedelta(0)))


def _negative(histogram: Histogram) -> Histogram:
    return Histogram(counts=tuple(-count for count in histogram.counts), total=-histogram.total)
