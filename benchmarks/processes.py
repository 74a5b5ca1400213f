"""No-op jobs in child processes through ``perform``: fresh children a second, and runs a second in a warm pool.

CPU time a run, of the host and of all its processes, says more than the rate where others use the machine, too.

python benchmarks/processes.py [SECONDS]      (default 3, for each of the two)
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from common import ROOT, TICK, quantiles, tell

SLOTS = 4


def cpu_seconds(template: int) -> float:
    """Give what this process, the template, and all children have used."""
    total = time.process_time()
    for process in {template, *map(int, Path(f"/proc/{template}/task/{template}/children").read_text().split())}:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, fields[11:15])) / TICK  # its own, and that of its buried children
    return total


async def measure(folder: Path, seconds: float, *, max_runs: int) -> dict[str, object]:
    """Keep every slot busy for some time."""
    from tests.unit.local.process_desk import desk

    durations: list[float] = []
    async with desk(folder, process_slots=SLOTS, process_max_runs=max_runs) as at:
        template = at.call("nothing")

        async def work(until: float) -> None:
            while (began := time.perf_counter()) < until:
                run = replace(template.run, id=uuid4())
                await at.executor.perform(replace(template, run=run))
                durations.append(time.perf_counter() - began)

        first = time.perf_counter()
        await at.executor.perform(template)
        boot = time.perf_counter() - first
        used = cpu_seconds(at.template)
        began = time.perf_counter()
        await asyncio.gather(*(work(began + seconds) for _ in range(SLOTS)))
        taken = time.perf_counter() - began
        used = cpu_seconds(at.template) - used
    return {
        "per_s": round(len(durations) / taken),
        "cpu_us_per_run": round(used / len(durations) * 1e6),
        "ms": quantiles(durations),
        "first_ms": round(boot * 1000),
    }


async def main(seconds: float) -> None:
    """Run and print the line."""
    figures = {}
    for name, max_runs in (("fresh", 1), ("warm", 1_000_000)):
        with tempfile.TemporaryDirectory(prefix="jobhost-bench-") as folder:
            figures[name] = await measure(Path(folder), seconds, max_runs=max_runs)
    tell("processes", slots=SLOTS, **figures)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT)]
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 3.0))
