"""No-op async runs with every field and event: submit and drain rates, and latency from submit to first line.

python benchmarks/throughput.py [RUNS]           (default 50 000)
--bare: a bare SQLite insert/claim/finish loop in batches of 500 runs first, and the ratio is printed
--peer 'COMMAND': another system's benchmark, printing a JSON line with drain_per_s; the ratio is printed
--profile: where the time of the drain goes, by pyinstrument, on standard error
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import sys
import time
from pathlib import Path

from common import PLUGIN, Workspace, peer, quantiles, tell

BATCH = 500
SINGLES = 2000
PROBES = 300


async def measure(space: Workspace, runs: int) -> dict[str, object]:
    """Run the host in this process and time it."""
    from host import RunControl, RunSubmission
    from host.kernel.host import Host
    from host.kernel.serve import tune_interpreter

    tune_interpreter()
    result: dict[str, object] = {}
    async with Host.from_file(space.config) as host:
        control = host.get(RunControl)
        await control.pause("all", reason="filling")
        submissions = [RunSubmission(job="bench_jobs:Silent") for _ in range(BATCH)]
        began = time.perf_counter()
        for _ in range(runs // BATCH):
            await control.submit(submissions)
        result["batched_submit_per_s"] = round(runs / (time.perf_counter() - began))
        result["single_submit_per_s"] = await singles(control)
        runs += SINGLES
        used = time.process_time()
        result["drain_per_s"] = round(runs / await drained(host, control))
        result["drain_cpu_us_per_run"] = round((time.process_time() - used) / runs * 1e6, 1)
        result["single_submit_while_running_per_s"] = await singles(control)
        result["submit_to_first_line_ms"] = await latency(space, control)
    return result


async def singles(control: object) -> int:
    """Submit runs one at a time, each acknowledged before the next."""
    from host import RunSubmission

    began = time.perf_counter()
    for _ in range(SINGLES):
        await control.submit([RunSubmission(job="bench_jobs:Silent")])
    return round(SINGLES / (time.perf_counter() - began))


async def drained(host: object, control: object) -> float:
    """Let go and wait until the store says that nothing is unfinished."""
    from host.contracts.runs import JobRunReader

    reader = host.get(JobRunReader)
    profiler = None
    if "--profile" in sys.argv:
        from pyinstrument import Profiler

        profiler = Profiler(async_mode="disabled", interval=0.0005)
        profiler.start()
    began = time.perf_counter()
    await control.resume("all")
    while sum((await reader.counters()).by_state.values()):
        await asyncio.sleep(0.02)
    seconds = time.perf_counter() - began
    if profiler is not None:
        profiler.stop()
        print(profiler.output_text(color=False, show_all=True), file=sys.stderr)
    return seconds


async def latency(space: Workspace, control: object) -> dict[str, float]:
    """Submit one run at a time to an idle host."""
    from host import RunSubmission

    starts: dict[bytes, float] = {}
    for _ in range(PROBES):
        await asyncio.sleep(random.uniform(0.01, 0.03))
        began = time.time()
        ids = await control.submit([RunSubmission(job="bench_jobs:Noop")])
        starts[ids[0].bytes] = began
    await asyncio.sleep(0.5)
    return quantiles([first - starts[run] for _, first, run in space.rows() if run in starts])


def bare(folder: Path, runs: int) -> dict[str, int]:
    """The least that SQLite must do: insert, claim and finish rows in batches, each batch durable."""
    database = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")
    database.execute(
        "CREATE TABLE run(id INTEGER PRIMARY KEY, state INT NOT NULL, payload TEXT, started REAL, ended REAL)"
    )
    database.execute("CREATE INDEX due ON run(id) WHERE state = 0")
    began = time.perf_counter()
    for _ in range(runs // BATCH):
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO run(state, payload) VALUES (0, ?)", [("{}",)] * BATCH)
        database.execute("COMMIT")
    submit = runs / (time.perf_counter() - began)
    began = time.perf_counter()
    claim = "UPDATE run SET state = 1, started = ? WHERE id IN (SELECT id FROM run WHERE state = 0 ORDER BY id LIMIT ?) RETURNING id"
    while rows := database.execute(claim, (time.time(), BATCH)).fetchall():
        database.execute("BEGIN IMMEDIATE")
        database.executemany(
            "UPDATE run SET state = 2, ended = ? WHERE id = ?", [(time.time(), row[0]) for row in rows]
        )
        database.execute("COMMIT")
    return {"submit_per_s": round(submit), "drain_per_s": round(runs / (time.perf_counter() - began))}


def main() -> None:
    """Run and print the line."""
    numbers = [argument for argument in sys.argv[1:] if argument.isdigit()]
    runs = int(numbers[0]) if numbers else 50_000
    with Workspace() as space:
        os.environ["BENCH_LOG"] = str(space.notes)
        sys.path.insert(0, str(PLUGIN))
        sys.stderr = space.log.open("w") if "--profile" not in sys.argv else sys.stderr
        from host.kernel.log import configure_logging

        configure_logging("console")
        theirs = bare(space.folder, runs) if "--bare" in sys.argv else None
        result = asyncio.run(measure(space, runs))
    if theirs:
        result["bare_sqlite"] = theirs
        result["ratio_drain"] = round(result["drain_per_s"] / theirs["drain_per_s"], 3)
    command = sys.argv[sys.argv.index("--peer") + 1] if "--peer" in sys.argv else None
    result.update(peer(command, result["drain_per_s"], key="drain_per_s"))
    tell("throughput", runs=runs, **result)


main()
