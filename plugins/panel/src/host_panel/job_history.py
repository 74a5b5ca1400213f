"""What became of a job's runs in the last month, by day, by outcome, and by hour of the week."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from host.contracts.runs import JobRunReader
from host.model.runs import RunState
from host.model.statistics import JobStatistics, total_of

DAYS, WEEK = 30, 7
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOURS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What became of the runs of some days."""

    days: int
    since: datetime
    by_state: Mapping[RunState, int]
    p50: timedelta | None
    p95: timedelta | None

    @property
    def runs(self) -> int:
        """Give how many there were."""
        return sum(self.by_state.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFigures:
    """How long the runs of one day took."""

    day: date
    runs: int
    failures: int
    p50: timedelta | None
    p95: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A month of a job."""

    spans: Sequence[Outcomes]
    """A week, a month."""
    days: Sequence[DayFigures]
    """Oldest first, also those without runs."""
    hours: Sequence[Sequence[tuple[int, int]]]
    """``(runs, failures)`` of each hour of each weekday, Monday first, in the host's zone."""


async def history_of(runs: JobRunReader, job_id: UUID, *, now: datetime, timezone: str) -> History:
    """Give it; raises UnsupportedOperationError where nobody counts runs."""
    zone = ZoneInfo(timezone)
    today = now.astimezone(zone).date()
    since = datetime.combine(today - timedelta(days=DAYS - 1), datetime.min.time(), zone)
    entries = await runs.statistics([job_id], since=since, step=HOUR)
    local = [(entry.since.astimezone(zone), entry) for entry in entries]
    by_day: dict[date, list[JobStatistics]] = {since.date() + timedelta(days=number): [] for number in range(DAYS)}
    for at, entry in local:
        by_day.setdefault(at.date(), []).append(entry)
    begins = [(days, datetime.combine(today - timedelta(days=days - 1), datetime.min.time(), zone)) for days in (7, 30)]
    return History(
        spans=[_outcomes(days, begin, [entry for at, entry in local if at >= begin]) for days, begin in begins],
        days=[_day(day, by_day[day]) for day in sorted(by_day)],
        hours=_week(local),
    )


def _outcomes(days: int, since: datetime, entries: Sequence[JobStatistics]) -> Outcomes:
    total = total_of(entries)
    if total is None:
        return Outcomes(days=days, since=since, by_state={}, p50=None, p95=None)
    quantile = total.durations.quantile
    return Outcomes(days=days, since=since, by_state=total.by_state, p50=quantile(0.5), p95=quantile(0.95))


def _day(day: date, entries: Sequence[JobStatistics]) -> DayFigures:
    total = total_of(entries)
    if total is None:
        return DayFigures(day=day, runs=0, failures=0, p50=None, p95=None)
    quantile = total.durations.quantile
    return DayFigures(day=day, runs=total.runs, failures=total.failures, p50=quantile(0.5), p95=quantile(0.95))


def _week(entries: Sequence[tuple[datetime, JobStatistics]]) -> Sequence[Sequence[tuple[int, int]]]:
    cells = [[(0, 0) for _ in range(HOURS)] for _ in range(WEEK)]
    for at, entry in entries:
        runs, failures = cells[at.weekday()][at.hour]
        cells[at.weekday()][at.hour] = runs + entry.runs, failures + entry.failures
    return cells
