"""Charts: how numbers become bars, and what is said of them in words."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from host.faces.throughput import Span, Step
from host.model.runs import JobRun, RunState
from host_panel.charts import nice_above, throughput_chart
from host_panel.strips import RUNS, duration_pair, spark_strip

NOW = datetime(2026, 11, 21, 12, 7, tzinfo=UTC)


def run(number: int, state: RunState, took: timedelta | None = None) -> JobRun:
    return JobRun(
        id=UUID(int=number),
        job_id=UUID(int=1),
        job_type="a:B",
        state=state,
        took=took,
        created_at=NOW,
        updated_at=NOW,
        finished_at=NOW,
    )


@pytest.mark.parametrize(("number", "above"), [(0, 2), (2, 2), (3, 4), (5, 10), (11, 20), (100, 100), (101, 200)])
def test_the_axis_ends_at_a_number_that_is_easy_to_halve(number: int, above: int) -> None:
    assert nice_above(number) == above


def test_one_failure_among_thousands_is_seen() -> None:
    steps = [Step(since=start, by_state={}) for start in Span.DAY.starts(NOW)]
    steps[3] = Step(since=steps[3].since, by_state={RunState.COMPLETED: 10_000, RunState.QUARANTINED: 1})
    steps[5] = Step(since=steps[5].since, by_state=None)
    chart = throughput_chart(steps, Span.DAY, zone="Europe/Prague", url=lambda path: f"/base{path}")
    red = re.search(r'<rect class="red"[^>]* height="([\d.]+)"', chart.svg)
    assert red is not None
    assert float(red[1]) == 2
    assert (chart.totals, chart.counted, chart.is_complete) == ((1, 0, 0, 10_000), 47, False)
    assert [row.counts for row in chart.rows] == [(1, 0, 0, 10_000)]
    local = steps[3].since.astimezone().astimezone(UTC) + timedelta(hours=1)
    assert f'href="/base/runs?since={local:%Y-%m-%dT%H:%M}&amp;until=' in chart.svg


def test_a_strip_shows_the_latest_runs_oldest_left_by_outcome_and_length() -> None:
    runs = [run(1, RunState.FAILED, timedelta(seconds=10)), run(2, RunState.COMPLETED, timedelta(milliseconds=10))]
    strip = spark_strip(runs, url=lambda path: path, zone="UTC")
    bars = re.findall(
        r'href="/runs/([^"]+)".*?<rect class="(green|red)" x="(\d+)" y="\d+" width="5" height="(\d+)"', strip
    )
    assert [(bar[0][-1], bar[1], bar[3]) for bar in bars] == [("2", "green", "5"), ("1", "red", "24")]
    assert int(bars[1][2]) == (RUNS - 1) * 6
    assert "The latest 2 runs: 1 completed, 1 failed" in strip
    many = [run(number, RunState.SKIPPED) for number in range(50)]
    assert spark_strip(many, url=lambda path: path, zone="UTC").count("<a ") == RUNS
    assert spark_strip([], url=lambda path: path, zone="UTC") == ""


def test_a_pair_tells_wait_duration_and_what_is_usual_in_words() -> None:
    second = timedelta(seconds=1)
    pair = duration_pair(second, 3 * second, 2 * second, 9 * second)
    assert "waited 1.0 s, ran 3.0 s; usually 2.0 s (p50), 9.0 s (p95)" in pair
    assert "not started" in duration_pair(None, None)
    widths = [
        float(width)
        for width in re.findall(r' width="([\d.]+)" height="[46]"', duration_pair(second, second, scale=4 * second))
    ]
    assert widths == [40, 40]
