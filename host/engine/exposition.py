"""Measurements in Prometheus' text format; the one home of prometheus_client, imported when first asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from host.engine.measurements import Measurements
from host.engine.run_totals import Totals
from host.model.runs import FINAL_STATES
from host.model.statistics import BOUNDS, Histogram


def render(measured: Measurements) -> bytes:
    """Give ``text/plain; version=0.0.4``, names by Prometheus' conventions, units seconds and bytes."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(measured))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Families(Collector):
    """One moment's measurements as metric families."""

    def __init__(self, measured: Measurements) -> None:
        self._measured = measured

    def collect(self) -> Iterator[Metric]:
        measured = self._measured
        yield InfoMetricFamily("jobhost_build", "The host's version", {"version": measured.version})
        yield from _of_runs(measured.totals)
        yield _gauge(
            "jobhost_runs_unfinished",
            "Runs that have not finished, each state counted up to the store's limit",
            "state",
            {state.value: count for state, count in measured.counters.by_state.items()},
        )
        yield GaugeMetricFamily(
            "jobhost_queue_age_seconds",
            "How long the first accepted of the due runs has waited",
            measured.queue_age.total_seconds(),
        )
        yield from _of_executors(measured)
        yield _gauge("jobhost_store_bytes", "Size of a store's files", "store", measured.stores)
        yield GaugeMetricFamily(
            "jobhost_loop_lag_seconds", "Delay of the event loop when asked", measured.loop_lag_seconds
        )
        yield GaugeMetricFamily(
            "jobhost_store_seconds", "How long the run store took to answer when asked", measured.store_seconds
        )


def _of_runs(totals: Totals) -> Iterator[Metric]:
    help_of_runs = "Runs that finished since the host started"
    runs = CounterMetricFamily("jobhost_runs", help_of_runs, labels=("job_type", "outcome"))
    help_of_busy = "How long the runs of a job took together"
    busy = CounterMetricFamily("jobhost_run_busy_seconds", help_of_busy, labels=("job_type",))
    for job in sorted({job for job, _ in totals.runs}):
        for state in sorted(FINAL_STATES):
            runs.add_metric((job, state.value), totals.runs[job, state])
        busy.add_metric((job,), totals.busy[job] / 1e6)
    yield runs
    yield busy
    yield _histogram("jobhost_run_wait_seconds", "From due to start, of the last attempt", totals.waits)
    yield _histogram("jobhost_run_duration_seconds", "From start to end, of the last attempt", totals.durations)


def _of_executors(measured: Measurements) -> Iterator[Metric]:
    executors = measured.executors
    yield _gauge(
        "jobhost_slots", "Runs an executor may perform at once", "executor", {e.name: e.slots for e in executors}
    )
    yield _gauge("jobhost_slots_busy", "Slots in use", "executor", {e.name: e.busy for e in executors})
    yield _gauge(
        "jobhost_calls_stuck",
        "Calls that ignore their cancellation and hold no slot",
        "executor",
        {e.name: e.stuck for e in executors},
    )


def _gauge(name: str, documentation: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=(label,))
    for value, number in values.items():
        family.add_metric((value,), number)
    return family


def _histogram(name: str, documentation: str, histogram: Histogram) -> Metric:
    names = [*(str(bound.total_seconds()) for bound in BOUNDS), "+Inf"]
    buckets = list(zip(names, accumulate(histogram.counts), strict=True))
    return HistogramMetricFamily(name, documentation, buckets=buckets, sum_value=histogram.total.total_seconds())
