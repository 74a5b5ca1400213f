"""Jobs that do not stop, take too much, or talk too much, while their neighbours work."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from host.cli.connect import connect
from host.model.runs import JobRun, RunState
from tests.chaos.desk import Desk
from tests.chaos.evidence import Promises
from tests.chaos.faults.fault import Fault

PATIENCE_SECONDS = 30.0
DEAF_SECONDS = 4.0
DEAF_PROCESS_SECONDS = 60.0
SPARE_MEMORY = 256 << 20
SPARE_FILES = 40


class BadJob(Fault):
    """One run behaves badly and must end as it says here; the others do not notice."""

    how: str
    ends: RunState
    is_repeated = False
    limit: int | None = None
    """The resource that the host is short of meanwhile."""

    def promises(self) -> Promises:
        return replace(super().promises(), sound=self.limit is None)

    async def inject(self, desk: Desk) -> None:
        if self.limit is not None:
            self._limit(desk, self.limit, self.least(desk))
        (run,) = await desk.submit(desk.submission("Free", self.how))
        row = await desk.wait_final(run, PATIENCE_SECONDS)
        desk.expect(row is not None and row.state is self.ends, f"the run ended as {row.state if row else None}")
        desk.expect(row is None or not row.errors or self.said in row.errors[-1].error, f"it says {row and row.errors}")

    said = ""
    """Part of its error."""

    def least(self, desk: Desk) -> int:
        """Give the limit to set."""
        return 0

    async def heal(self, desk: Desk) -> None:
        if self.limit is not None:
            self._limit(desk, self.limit, None)

    def _limit(self, desk: Desk, what: int, size: int | None) -> None:
        _, hard = resource.prlimit(desk.host.pid, what)
        resource.prlimit(desk.host.pid, what, (hard if size is None else size, hard))


class MemoryHog(BadJob):
    """Takes all the memory that the process may have."""

    name = "job-memory"
    about = "a job takes memory until the process (256 MB more than before) gives no more"
    how, ends, said = "hogs_memory", RunState.FAILED, "MemoryError"
    limit = resource.RLIMIT_AS

    def least(self, desk: Desk) -> int:
        pages = int(Path(f"/proc/{desk.host.pid}/statm").read_text().split()[0])
        return pages * os.sysconf("SC_PAGE_SIZE") + SPARE_MEMORY


class FileLeak(BadJob):
    """Takes all the files that the process may open, for half a second."""

    name = "job-files"
    about = "a job opens files until the process (40 more than before) gives no more, and keeps them 0.5 s"
    how, ends, said = "leaks_files", RunState.FAILED, "Too many open files"
    limit = resource.RLIMIT_NOFILE

    def least(self, desk: Desk) -> int:
        return max(int(name) for name in os.listdir(f"/proc/{desk.host.pid}/fd")) + SPARE_FILES


class LogFlood(BadJob):
    """Writes 100 000 lines."""

    name = "job-log-flood"
    about = "a job writes 100 000 lines to its log as fast as it can"
    how, ends = "floods_log", RunState.COMPLETED


class ProgressFlood(BadJob):
    """Reports its progress 100 000 times."""

    name = "job-progress-flood"
    about = "a job reports its progress 100 000 times as fast as it can"
    how, ends = "floods_progress", RunState.COMPLETED


class DeafJob(Fault):
    """Goes on for seconds after it was asked to stop: shown as stuck, or, in a process of its own, killed."""

    name = "job-endless"
    about = (
        "a job ignores its cancellation for 4 s (grace: 1 s): shown as stuck and then as cancelled; "
        "in a process for 60 s: killed"
    )
    is_repeated = False

    async def inject(self, desk: Desk) -> None:
        deaf = DEAF_PROCESS_SECONDS if desk.executor == "process" else DEAF_SECONDS
        (run,) = await desk.submit(desk.submission("Free", "ignores_cancel", seconds=deaf))
        began = time.monotonic()
        async with connect(desk.host.data) as host:
            await asyncio.sleep(0.3)
            desk.journal.note("cancelled", run=run)
            await host.control.cancel(UUID(run))
            seen: list[JobRun] = []
            while time.monotonic() < began + deaf + PATIENCE_SECONDS and not (seen and seen[-1].state.is_final):
                row = await host.runs.run(UUID(run))
                seen += [row] if row else []
                await asyncio.sleep(0.1)
        self._expect(desk, seen, time.monotonic() - began)

    def _expect(self, desk: Desk, seen: list[JobRun], seconds: float) -> None:
        last = seen[-1].state if seen else None
        desk.expect(last is RunState.CANCELLED, f"the cancelled run is {last}")
        if desk.executor == "process":
            desk.expect(seconds < DEAF_PROCESS_SECONDS, f"the process was not killed: the run took {seconds:.1f} s")
        else:
            desk.expect(
                any(row.is_stuck for row in seen), "the run that ignores its cancellation was never shown as stuck"
            )


MISBEHAVIOURS: tuple[type[Fault], ...] = (DeafJob, MemoryHog, FileLeak, LogFlood, ProgressFlood)
