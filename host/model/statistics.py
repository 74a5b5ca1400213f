"""What became of a job's runs, counted: outcomes, and how long runs waited and took, as histograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from host.model.runs import RunState

BOUNDS: tuple[timedelta, ...] = tuple(timedelta(milliseconds=2**power) for power in range(25))
"""Upper bounds of a histogram's buckets, from 1 ms doubling to 4.7 hours; one more bucket holds what took longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How often something took how long; a value lies in the first bucket whose bound is not below it."""

    counts: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)
    """One a bound of ``BOUNDS``, and one for what took longer."""
    total: timedelta = timedelta(0)
    """Sum of all values, exact."""

    @property
    def count(self) -> int:
        """Give how many values there are."""
        return sum(self.counts)

    @property
    def mean(self) -> timedelta | None:
        """Give the exact mean; None without values."""
        count = self.count
        return self.total / count if count else None

    def quantile(self, fraction: float) -> timedelta | None:
        """Give about the value that ``fraction`` of all do not exceed; None without values.

        Never off by more than a factor of 2 (1 ms below the first bound); past the last bound, that bound.
        """
        wanted = fraction * self.count
        if not self.count:
            return None
        seen = 0
        for number, count in enumerate(self.counts):
            if count and seen + count >= wanted:
                if number == len(BOUNDS):
                    break
                low = BOUNDS[number - 1] if number else timedelta(0)
                return low + (BOUNDS[number] - low) * max(0.0, (wanted - seen) / count)
            seen += count
        return BOUNDS[-1]

    def __add__(self, other: Histogram) -> Histogram:
        """Give both together."""
        counts = tuple(mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True))
        return Histogram(counts=counts, total=self.total + other.total)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatistics:
    """The finished runs of one job in one span of time."""

    job_id: UUID
    since: datetime
    until: datetime
    by_state: Mapping[RunState, int] = field(default_factory=dict)
    """Final states that occurred: ``{state: runs}``."""
    waits: Histogram = Histogram()
    """From due to start, of the last attempt, of runs that started."""
    durations: Histogram = Histogram()
    """From start to end, of the last attempt, of runs that started."""

    @property
    def runs(self) -> int:
        """Give how many runs finished."""
        return sum(self.by_state.values())

    @property
    def failures(self) -> int:
        """Give how many of them failed or were quarantined."""
        return self.by_state.get(RunState.FAILED, 0) + self.by_state.get(RunState.QUARANTINED, 0)


def total_of(entries: Sequence[JobStatistics]) -> JobStatistics | None:
    """Give several entries of one job as one; None for none."""
    if not entries:
        return None
    by_state: dict[RunState, int] = {}
    for entry in entries:
        for state, count in entry.by_state.items():
            by_state[state] = by_state.get(state, 0) + count
    return JobStatistics(
        job_id=entries[0].job_id,
        since=min(entry.since for entry in entries),
        until=max(entry.until for entry in entries),
        by_state=by_state,
        waits=sum((entry.waits for entry in entries), Histogram()),
        durations=sum((entry.durations for entry in entries), Histogram()),
    )
