"""Histograms and statistics as values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from host.model.runs import RunState
from host.model.statistics import BOUNDS, Histogram, JobStatistics, total_of

S = RunState
JOB = UUID(int=1)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
values = st.timedeltas(min_value=timedelta(0), max_value=BOUNDS[-1])


def histogram(*measured: timedelta) -> Histogram:
    counts = [0] * (len(BOUNDS) + 1)
    for value in measured:
        counts[next((number for number, bound in enumerate(BOUNDS) if value <= bound), len(BOUNDS))] += 1
    return Histogram(counts=tuple(counts), total=sum(measured, timedelta(0)))


def entry(hour: int, waits: Histogram | None = None, **by_state: int) -> JobStatistics:
    since = BEGIN + timedelta(hours=hour)
    return JobStatistics(
        job_id=JOB,
        since=since,
        until=since + timedelta(hours=1),
        by_state={S(state): count for state, count in by_state.items()},
        waits=waits or Histogram(),
    )


def test_bounds_double() -> None:
    assert BOUNDS[0] == MILLISECOND
    assert all(later == 2 * earlier for earlier, later in pairwise(BOUNDS))


def test_an_empty_histogram_has_no_mean_and_no_quantile() -> None:
    empty = Histogram()
    assert (empty.count, empty.mean, empty.quantile(0.5)) == (0, None, None)


@given(st.lists(values, min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_off_by_a_factor_of_two_at_most(measured: list[timedelta], fraction: float) -> None:
    found = histogram(*measured).quantile(fraction)
    exact = sorted(measured)[max(0, -int(-fraction * len(measured) // 1) - 1)]
    assert found is not None
    assert exact / 2 - MILLISECOND <= found <= max(2 * exact, MILLISECOND)


@given(st.lists(values, min_size=1))
def test_quantiles_grow_with_the_fraction(measured: list[timedelta]) -> None:
    found = histogram(*measured)
    quantiles = [found.quantile(tenths / 10) or timedelta(0) for tenths in range(11)]
    assert quantiles == sorted(quantiles)


def test_past_the_last_bound_a_quantile_is_that_bound() -> None:
    assert histogram(BOUNDS[-1] * 5).quantile(0.5) == BOUNDS[-1]


@given(st.lists(values), st.lists(values))
def test_two_histograms_together_are_that_of_all_values(mine: list[timedelta], theirs: list[timedelta]) -> None:
    assert histogram(*mine) + histogram(*theirs) == histogram(*mine, *theirs)


def test_the_mean_is_exact() -> None:
    assert histogram(MILLISECOND, 2 * MILLISECOND, 6 * MILLISECOND).mean == 3 * MILLISECOND


def test_failed_and_quarantined_runs_are_failures() -> None:
    found = entry(0, completed=5, failed=2, quarantined=1, skipped=4, cancelled=3)
    assert (found.runs, found.failures) == (15, 3)


def test_a_total_covers_all_entries() -> None:
    found = total_of([entry(1, histogram(MILLISECOND), completed=1), entry(0, completed=2, failed=1)])
    assert found is not None
    assert (found.since, found.until) == (BEGIN, BEGIN + timedelta(hours=2))
    assert dict(found.by_state) == {S.COMPLETED: 3, S.FAILED: 1}
    assert found.waits == histogram(MILLISECOND)
    assert total_of([]) is None
