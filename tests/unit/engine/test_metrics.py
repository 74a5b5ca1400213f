"""The metrics of a host with real stores: they parse, they grow, and they are few."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID

import pytest
from prometheus_client.parser import text_string_to_metric_families

from host.contracts.engine import Dispatcher
from host.contracts.jobs import Job, JobContext, JobManagerService
from host.contracts.metrics import HostMetrics
from host.contracts.runs import JobRunReader, JobRunWriter
from host.engine.metrics import HostedMetrics
from host.engine.run_totals import MOST_JOBS, OTHER
from host.kernel.host import Host
from host.local.runs import SqliteJobRunStore
from host.model.jobs import OverlapPolicy
from host.model.runs import JobResult, RunReason, RunRequest, RunState
from host.testing.clock import FakeClock
from tests.unit.engine.desk import Plain, desk, go, name_of

S = RunState
Samples = dict[tuple[str, tuple[str, ...]], float]


class Broken(Job):
    """Fails."""

    overlap = OverlapPolicy.ALLOW

    async def run(self, context: JobContext) -> JobResult | None:
        raise ValueError("no")


def samples(text: bytes) -> Samples:
    """Parse an exposition as Prometheus does: ``{(name, label values): value}``."""
    found: Samples = {}
    for family in text_string_to_metric_families(text.decode()):
        assert family.documentation
        for sample in family.samples:
            key = (sample.name, tuple(sample.labels.values()))
            assert key not in found
            found[key] = sample.value
    return found


async def metrics_of(host: Host, clock: FakeClock) -> HostedMetrics:
    """Give started metrics over the host's own providers."""
    store = host.get(JobRunReader)
    assert isinstance(store, SqliteJobRunStore)
    metrics = HostedMetrics(store, host.get(JobManagerService), [store], clock, host.get(Dispatcher))
    await metrics.start()
    return metrics


async def seconds_of(metrics: HostMetrics) -> float:
    """Give what an exposition costs this process, in seconds of a core."""
    began = time.process_time()
    await metrics.exposition()
    return time.process_time() - began


def skipped(number: int, count: int = 1) -> list[RunRequest]:
    """Give requests that end at once, of a made-up job."""
    return [RunRequest(job_id=UUID(int=number + 1), job_type=f"x:J{number:05}", skip=RunReason.MISFIRE)] * count


def test_what_a_host_did_and_how_it_is(tmp_path: Path) -> None:
    async def body() -> None:
        async with desk(tmp_path, Plain, Broken) as here:
            metrics = await metrics_of(here.host, here.clock)
            for job in (Plain, Plain, Broken):
                await here.finished(await here.start(job))
            found = samples(await metrics.exposition())
            assert found["jobhost_runs_total", (name_of(Plain), "completed")] == 2
            assert found["jobhost_runs_total", (name_of(Broken), "failed")] == 1
            assert found["jobhost_runs_total", (name_of(Broken), "completed")] == 0
            assert found["jobhost_run_duration_seconds_count", ()] == 3
            assert found["jobhost_run_wait_seconds_bucket", ("+Inf",)] == 3
            assert found["jobhost_run_busy_seconds_total", (name_of(Plain),)] == 0
            assert found["jobhost_runs_unfinished", ("queued",)] == 0
            assert found["jobhost_queue_age_seconds", ()] == 0
            assert found["jobhost_slots", ("loop",)] > found["jobhost_slots_busy", ("loop",)] == 0
            assert found["jobhost_calls_stuck", ("thread",)] == 0
            assert found["jobhost_store_bytes", ("runs",)] > 1000
            assert found["jobhost_build_info", ("0.1.0",)] == 1
            assert 0 <= found["jobhost_loop_lag_seconds", ()] < 5
            assert 0 < found["jobhost_store_seconds", ()] < 5
            assert found["process_resident_memory_bytes", ()] > 1_000_000

    go(body())


def test_the_age_of_the_queue_is_that_of_the_first_due_run(tmp_path: Path) -> None:
    async def body() -> None:
        async with desk(tmp_path, Plain, paused="test") as here:
            metrics = await metrics_of(here.host, here.clock)
            await here.start(Plain)
            here.clock.move(90)
            await here.start(Plain)
            found = samples(await metrics.exposition())
            assert found["jobhost_queue_age_seconds", ()] == 90
            assert found["jobhost_runs_unfinished", ("queued",)] == 2

    go(body())


def test_counters_grow_only_and_begin_at_nothing(tmp_path: Path) -> None:
    async def body() -> None:
        async with desk(tmp_path, Plain) as here:
            writer = here.host.get(JobRunWriter)
            await writer.submit(skipped(1, 5))
            metrics = await metrics_of(here.host, here.clock)
            key = ("jobhost_runs_total", ("00000000-0000-0000-0000-000000000002", "skipped"))
            assert samples(await metrics.exposition()).get(key, 0) == 0
            expected = 0
            for seconds in (1, 30, 59, 60, 61, 119, 121, 180, 3600, 0, 7):
                here.clock.move(seconds)
                await writer.submit(skipped(1, 3))
                expected += 3
                assert samples(await metrics.exposition())[key] == expected
                assert samples(await metrics.exposition())[key] == expected

    go(body())


def test_at_most_two_hundred_jobs_have_names(tmp_path: Path) -> None:
    async def body() -> None:
        async with desk(tmp_path, Plain) as here:
            writer = here.host.get(JobRunWriter)
            metrics = await metrics_of(here.host, here.clock)
            await writer.submit([request for number in range(MOST_JOBS) for request in skipped(number)])
            first = samples(await metrics.exposition())
            await writer.submit([request for number in range(MOST_JOBS + 50) for request in skipped(number)])
            second = samples(await metrics.exposition())
            assert len(second) - len(first) == 5 + 1
            assert second["jobhost_runs_total", (OTHER, "skipped")] == 50
            assert sum(v for (n, labels), v in second.items() if n == "jobhost_runs_total") == 2 * MOST_JOBS + 50
            assert all(second[key] >= first[key] for key in first if key[0].endswith("_total") and "cpu" not in key[0])

    go(body())


def test_a_host_offers_metrics_to_whoever_asks(tmp_path: Path) -> None:
    class Asking(Job):
        """Asks for metrics."""

        def __init__(self, metrics: HostMetrics) -> None:
            self._metrics = metrics

        async def run(self, context: JobContext) -> JobResult | None:
            return JobResult(value=(await self._metrics.exposition()).decode())

    async def body() -> None:
        async with desk(tmp_path, Asking) as here:
            run = await here.finished(await here.start(Asking))
            assert run.state is S.COMPLETED, run.errors
            found = samples(str(run.result).encode())
            assert found["jobhost_slots_busy", ("loop",)] == 1

    go(body())


def test_starting_a_host_imports_no_metrics_library() -> None:
    code = "import sys, host.engine.plugin, host.cli.main; print('prometheus_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.slow
def test_ten_thousand_jobs_cost_little(tmp_path: Path) -> None:
    async def body() -> None:
        async with desk(tmp_path, Plain) as here:
            writer = here.host.get(JobRunWriter)
            metrics = await metrics_of(here.host, here.clock)
            for begin in range(0, 10_000, 1000):
                await writer.submit([r for number in range(begin, begin + 1000) for r in skipped(number)])
            assert await seconds_of(metrics) < 5
            here.clock.move(180)
            await metrics.exposition()
            await writer.submit([request for number in range(500) for request in skipped(number)])
            assert min([await seconds_of(metrics) for _ in range(5)]) < 0.25
            assert len(await metrics.exposition()) < 200_000

    go(body())


def test_the_page_names_every_metric_with_its_labels(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs/howto/watch-a-host.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(jobhost_\w+?)(?:\{([\w, ]+)\})?` \| (\w+) \|", page, re.MULTILINE)

    async def body() -> None:
        async with desk(tmp_path, Plain) as here:
            metrics = await metrics_of(here.host, here.clock)
            await here.finished(await here.start(Plain))
            given = set()
            for family in text_string_to_metric_families((await metrics.exposition()).decode()):
                if family.name.startswith("jobhost_"):
                    name = family.name + ("_total" if family.type == "counter" else "")
                    labels = ", ".join(label for label in family.samples[0].labels if label != "le")
                    given.add((name, labels, family.type))
            assert set(rows) == given

    go(body())
