"""A storm of failing runs beside no-op runs: rates, and memory before, at its peak and after.

python benchmarks/storm.py [RUNS]                (default 100 000)
Each run fails twice, its second attempt is due at once. A drain of no-op async runs and one of no-op thread runs are timed in
the same process first; the ratios are printed, by runs and by attempts.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

from common import PLUGIN, Workspace, tell

BATCH = 500
PLAIN_RUNS = 40_000


async def measure(space: Workspace, runs: int) -> dict[str, object]:
    """Run the host in this process and time it."""
    from host import Host
    from host.kernel.serve import tune_interpreter

    tune_interpreter()
    async with Host.from_file(space.config) as host:
        plain = await drained(host, "bench_jobs:Silent", PLAIN_RUNS)
        threads = await drained(host, "bench_jobs:SilentThread", PLAIN_RUNS // 4)
        before = rss_mib()
        peak = asyncio.create_task(watch())
        failing = await drained(host, "bench_jobs:Failing", runs)
        peak.cancel()
        after = rss_mib()
    return {
        "noop_per_s": round(plain),
        "thread_noop_per_s": round(threads),
        "failing_runs_per_s": round(failing),
        "failing_attempts_per_s": round(failing * 2),
        "ratio_runs": round(failing / plain, 2),
        "ratio_attempts": round(failing * 2 / plain, 2),
        "rss_mib": {"before": before, "peak": PEAK[0], "after": after},
    }


PEAK = [0.0]


async def watch() -> None:
    """Note the most memory that was in use."""
    while True:
        PEAK[0] = max(PEAK[0], rss_mib())
        await asyncio.sleep(0.1)


async def drained(host: object, job: str, runs: int) -> float:
    """Fill the store while everything is paused, let go, and give runs a second."""
    from host import RunSubmission

    await host.control.pause("all", reason="filling")
    submissions = [RunSubmission(job=job) for _ in range(BATCH)]
    for _ in range(runs // BATCH):
        await host.control.submit(submissions)
    began = time.perf_counter()
    await host.control.resume("all")
    while sum((await host.runs.counters()).by_state.values()):
        await asyncio.sleep(0.02)
    return runs / (time.perf_counter() - began)


def rss_mib() -> float:
    """Give the memory of this process."""
    with open("/proc/self/statm") as file:
        return round(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def main() -> None:
    """Run and print the line."""
    numbers = [argument for argument in sys.argv[1:] if argument.isdigit()]
    runs = int(numbers[0]) if numbers else 100_000
    with Workspace() as space:
        os.environ["BENCH_LOG"] = str(space.notes)
        sys.path.insert(0, str(PLUGIN))
        sys.stderr = space.log.open("w")
        from host.kernel.log import configure_logging

        configure_logging("console")
        result = asyncio.run(measure(space, runs))
    tell("storm", runs=runs, **result)


main()
