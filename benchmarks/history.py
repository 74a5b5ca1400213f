"""A million finished rows: how long listings take, and whether claiming is as quick as on an empty store.

python benchmarks/history.py [ROWS]              (default 1 000 000)
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from datetime import UTC, datetime
from uuid import UUID

from common import PLUGIN, Workspace, tell

BATCH = 500
CLAIMS = 20_000
JOBS = [UUID(int=number + 1) for number in range(50)]


async def claim_rate(store: object) -> float:
    """Submit, then time claim and finish in batches of 250."""
    from host.model.runs import RunOutcome, RunRequest, RunState

    requests = [RunRequest(job_id=JOBS[0], job_type="bench:Live") for _ in range(BATCH)]
    for _ in range(CLAIMS // BATCH):
        await store.submit(requests)
    types = frozenset({"bench:Live"})
    done = 0
    began = time.perf_counter()
    while done < CLAIMS:
        claim = await store.claim({"loop": 250}, types)
        now = datetime.now(UTC)
        await store.finish(
            [
                RunOutcome(id=run.id, fencing_token=run.fencing_token, state=RunState.COMPLETED, started_at=now)
                for run in claim.runs
            ]
        )
        done += len(claim.runs)
    return CLAIMS / (time.perf_counter() - began)


async def fill(store: object, rows: int) -> None:
    """Write finished rows the quick way: as skipped runs."""
    from host.model.runs import RunReason, RunRequest

    written = 0
    while written < rows:
        requests = [
            RunRequest(
                job_id=JOBS[(written + i) % 50], job_type=f"bench:Job{(written + i) % 50}", skip=RunReason.MISFIRE
            )
            for i in range(2000)
        ]
        await store.submit(requests)
        written += len(requests)


async def listings(reader: object) -> dict[str, float]:
    """Time the listings a face asks for, in milliseconds, the median of nine."""
    from host.model.runs import RunFilter, RunState

    async def timed(make: object) -> float:
        times = []
        for _ in range(9):
            began = time.perf_counter()
            await make()
            times.append((time.perf_counter() - began) * 1000)
        return round(statistics.median(times), 2)

    first = await reader.runs(limit=50)
    return {
        "newest": await timed(lambda: reader.runs(limit=50)),
        "next_page": await timed(lambda: reader.runs(cursor=first.next_cursor, limit=50)),
        "of_job": await timed(lambda: reader.runs(RunFilter(job_id=JOBS[7]), limit=50)),
        "by_state": await timed(lambda: reader.runs(RunFilter(states=frozenset({RunState.SKIPPED})), limit=50)),
        "rare_state": await timed(lambda: reader.runs(RunFilter(states=frozenset({RunState.FAILED})), limit=50)),
        "latest_of_50_jobs": await timed(lambda: reader.latest(JOBS)),
        "counters": await timed(lambda: reader.counters()),
        "one_run": await timed(lambda: reader.run(first.runs[0].id)),
    }


async def measure(space: Workspace, rows: int) -> dict[str, object]:
    """Time an empty store, fill it, time it again."""
    from host.contracts.runs import JobRunReader, JobRunWriter
    from host.kernel.host import Host

    async with Host.from_file(space.config) as host:
        store = host.get(JobRunWriter)
        empty = await claim_rate(store)
        began = time.perf_counter()
        await fill(store, rows)
        filled = time.perf_counter() - began
        full = await claim_rate(store)
        return {
            "rows": rows,
            "fill_s": round(filled, 1),
            "claim_per_s_empty": round(empty),
            "claim_per_s_full": round(full),
            "ratio": round(full / empty, 3),
            "listings_ms": await listings(host.get(JobRunReader)),
        }


def main() -> None:
    """Run and print the line."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with Workspace() as space:
        os.environ["BENCH_LOG"] = str(space.notes)
        sys.path.insert(0, str(PLUGIN))
        from host.kernel.serve import tune_interpreter

        tune_interpreter()
        tell("history", **asyncio.run(measure(space, rows)))


main()
