"""10 000 configured jobs: parse and validate; 10 000 schedules: register and persist.

python benchmarks/configure.py
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from pathlib import Path

from common import CONFIGURATION, PLUGIN, Workspace, tell

COUNT = 10_000


def parse(folder: Path) -> float:
    """Time reading, validating and binding a configuration of 10 000 jobs; milliseconds, the median of five."""
    from host.kernel.config import bind_settings, read_configuration
    from host.santedb.jobs import JobConfiguration

    jobs = "\n".join(
        f'<add type="some.module:Job{i}" startType="schedule"><schedule>'
        f'<add type="interval" start="0001-01-01T00:00:00" interval="{60 + i}"/></schedule></add>'
        for i in range(COUNT)
    )
    text = CONFIGURATION.replace('<add type="bench_jobs:Noop" startType="never" />', jobs)
    path = folder / "many.config.xml"
    path.write_text(text)
    times = []
    for _ in range(6):
        began = time.perf_counter()
        config = read_configuration(path, environment={})
        assert len(bind_settings(JobConfiguration, config).jobs) >= COUNT
        times.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(times[1:]), 1)


async def register(space: Workspace) -> dict[str, float]:
    """Time replacing one job's schedules by 10 000 and planning them, until their cursors are durable."""
    from datetime import timedelta

    from host import JobManagerService, JobSchedule
    from host.contracts.runs import JobRunWriter
    from host.kernel.host import Host
    from host.model.schedules import schedule_ids

    async with Host.from_file(space.config) as host:
        manager = host.get(JobManagerService)
        writer = host.get(JobRunWriter)
        adopted = asyncio.Event()
        original = writer.adopt
        counted = 0

        async def adopt(schedules: object) -> object:
            nonlocal counted
            result = await original(schedules)
            counted += len(schedules)
            if counted >= COUNT:
                adopted.set()
            return result

        scheduler = next(value for value in [host.get(_scheduler())])
        scheduler._writer = _Adopting(writer, adopt)
        schedules = [JobSchedule.every(timedelta(seconds=3600 + i)) for i in range(COUNT)]
        began = time.perf_counter()
        await manager.set_job_schedule("bench_jobs:Noop", schedules)
        stored = time.perf_counter() - began
        await asyncio.wait_for(adopted.wait(), 60)
        total = time.perf_counter() - began
        assert len(schedule_ids("bench_jobs:Noop", schedules)) == COUNT
        return {"stored_s": round(stored, 3), "registered_and_persisted_s": round(total, 3)}


def _scheduler() -> type:
    from host.contracts.engine import Scheduler

    return Scheduler


class _Adopting:
    """The run store, with a bell on ``adopt``."""

    def __init__(self, inner: object, adopt: object) -> None:
        self._inner = inner
        self.adopt = adopt

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


def main() -> None:
    """Run and print the line."""
    with Workspace() as space:
        os.environ["BENCH_LOG"] = str(space.notes)
        sys.path.insert(0, str(PLUGIN))
        from host.kernel.log import configure_logging
        from host.kernel.serve import tune_interpreter

        configure_logging("console")
        tune_interpreter()
        parsed = parse(space.folder)
        registered = asyncio.run(register(space))
        tell("configure", jobs=COUNT, parse_validate_bind_ms=parsed, schedules=COUNT, **registered)


main()
