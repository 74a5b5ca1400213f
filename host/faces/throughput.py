"""How many runs ended how, over time and all jobs: counted in steps, and what is past is counted once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum

from host.contracts.clock import Clock
from host.contracts.runs import JobRunReader
from host.faces.background import Background
from host.model.runs import RunState

SETTLED_AFTER = timedelta(minutes=2)
"""A step that ended so long ago counts no further runs."""
FRESH_SECONDS = 4.0
"""How old the count of a step may be that has not settled."""
ENTRIES_AT_ONCE = 10_000
"""Read with one question, about: an entry a job and step."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Span(Enum):
    """How far back to look: the length of a step, and how many there are."""

    HOUR = (timedelta(minutes=1), 60)
    DAY = (timedelta(minutes=30), 48)
    WEEK = (timedelta(hours=3), 56)

    @property
    def step(self) -> timedelta:
        """Give the length of a step."""
        return self.value[0]

    @property
    def words(self) -> str:
        """Say how far back it goes."""
        return {Span.HOUR: "1 hour", Span.DAY: "24 hours", Span.WEEK: "7 days"}[self]

    def starts(self, now: datetime) -> Sequence[datetime]:
        """Give when each step begins, oldest first; the last one holds ``now``."""
        step, number = self.value
        last = _EPOCH + (now - _EPOCH) // step * step
        return [last - step * back for back in reversed(range(number))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The runs that ended in one step of time."""

    since: datetime
    by_state: Mapping[RunState, int] | None
    """Final states that occurred: ``{state: runs}``; None while that is being counted."""


@dataclass(slots=True)
class _Counted:
    read_at: float
    is_settled: bool
    by_state: dict[RunState, int] = field(default_factory=dict)


class _Series:
    """The steps of one span."""

    def __init__(self, span: Span, runs: JobRunReader, clock: Clock) -> None:
        self._span, self._runs, self._clock = span, runs, clock
        self._known: dict[datetime, _Counted] = {}
        self._took = 0.0
        self._background = Background(self._count, f"throughput {span.name.lower()}")

    async def refresh(self, patience_seconds: float) -> None:
        """Begin to count what is wanted; wait a little, unless there is an older count and counting takes longer."""
        if self.wanted():
            self._background.wake()
            is_vain = len(self._known) > 0 and self._took > patience_seconds
            await self._background.wait_done(patience_seconds=0 if is_vain else patience_seconds)

    async def stop(self) -> None:
        await self._background.stop()

    def steps(self) -> Sequence[Step]:
        known = self._known
        starts = self._span.starts(self._clock.now())
        return [Step(since=start, by_state=known[start].by_state if start in known else None) for start in starts]

    def wanted(self) -> Sequence[datetime]:
        """Give the steps that are to be counted, newest first."""
        oldest_read = self._clock.monotonic() - FRESH_SECONDS
        starts = self._span.starts(self._clock.now())
        return [start for start in reversed(starts) if not self._is_good(start, oldest_read)]

    def _is_good(self, start: datetime, oldest_read: float) -> bool:
        known = self._known.get(start)
        return known is not None and (known.is_settled or known.read_at > oldest_read)

    async def _count(self) -> None:
        wanted, at_once, began = self.wanted(), 1, time.monotonic()
        while wanted:
            together = _together(wanted, self._span.step, at_once)
            wanted = wanted[len(together) :]
            entries = await self._read(together)
            at_once = max(1, ENTRIES_AT_ONCE * len(together) // max(1, entries))
        self._took = time.monotonic() - began
        starts = set(self._span.starts(self._clock.now()))
        self._known = {start: counted for start, counted in self._known.items() if start in starts}

    async def _read(self, starts: Sequence[datetime]) -> int:
        """Count steps that follow one another, oldest first; give how many entries that took."""
        step, now, read_at = self._span.step, self._clock.now(), self._clock.monotonic()
        entries = await self._runs.statistics(since=starts[0], until=starts[-1] + step, step=step)
        counted = {start: _Counted(read_at, start + step + SETTLED_AFTER <= now) for start in starts}
        for entry in entries:
            by_state = counted[starts[0] + (entry.since - starts[0]) // step * step].by_state
            for state, number in entry.by_state.items():
                by_state[state] = by_state.get(state, 0) + number
        self._known.update(counted)
        return len(entries)


class Throughput:
    """Counts when somebody looks; a large host's first look takes seconds, and shows what there is so far."""

    def __init__(self, runs: JobRunReader, clock: Clock) -> None:
        self._series = {span: _Series(span, runs, clock) for span in Span}

    async def look(self, span: Span, *, patience_seconds: float) -> Sequence[Step]:
        """Give the steps of a span, oldest first; the last one is not over. Raises what the run store raises."""
        series = self._series[span]
        await series.refresh(patience_seconds)
        return series.steps()

    async def stop(self) -> None:
        """End what is under way."""
        for series in self._series.values():
            await series.stop()


def _together(wanted: Sequence[datetime], step: timedelta, most: int) -> Sequence[datetime]:
    """Give the newest steps that follow one another without a gap, oldest first."""
    number = 1
    while number < min(most, len(wanted)) and wanted[number - 1] - wanted[number] == step:
        number += 1
    return wanted[:number][::-1]
