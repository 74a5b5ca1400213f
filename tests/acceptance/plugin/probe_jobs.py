"""Jobs that tell a file outside the host what they do, so that the truth can be checked without the host."""

import asyncio
import os
import sys
import time
from pathlib import Path
from uuid import UUID

from host import Job, JobContext, JobParameter, JobResult, OverlapPolicy, RecoveryPolicy
from host.hookspecs import hookimpl

PATH = os.environ.get("PROBE_LOG", "/dev/null")
GATE = Path(PATH).with_name("gate")
"""What gated jobs wait for."""
_file: int | None = None


def tell(kind: str, context: JobContext) -> None:
    """Append one line, whole or not at all: kind, job, run, attempt, process, monotonic time."""
    global _file
    if _file is None:
        _file = os.open(PATH, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    fire = context.fire_time.timestamp() if context.fire_time else 0
    who = f"{context.job_id} {context.run_id} {context.attempt} {os.getpid()}"
    os.write(_file, f"{kind} {who} {time.monotonic():.6f} {fire:.6f} {time.time():.6f}\n".encode())


class Probe(Job):
    """Tell that it starts, wait, tell that it ends."""

    overlap = OverlapPolicy.ALLOW
    parameters = (JobParameter("seconds", float, default=0.005, minimum=0),)

    async def run(self, context: JobContext) -> JobResult | None:
        tell("start", context)
        await asyncio.sleep(float(context.parameters["seconds"]))
        tell("end", context)
        return None


class Gated(Job):
    """Tell that it starts, wait until the gate is there, tell that it ends."""

    id = UUID("10000000-0000-4000-8000-000000000008")
    overlap = OverlapPolicy.ALLOW

    async def run(self, context: JobContext) -> JobResult | None:
        tell("start", context)
        while not GATE.exists():
            await asyncio.sleep(0.01)
        tell("end", context)
        return None


class Free(Probe):
    """May overlap."""

    id = UUID("10000000-0000-4000-8000-000000000001")


class Exclusive(Probe):
    """One at a time, the others wait."""

    id = UUID("10000000-0000-4000-8000-000000000002")
    overlap = OverlapPolicy.QUEUE


class Skipping(Probe):
    """One at a time, the others are skipped."""

    id = UUID("10000000-0000-4000-8000-000000000003")
    overlap = OverlapPolicy.SKIP


class AtMostOnce(Probe):
    """Never run again after a crash."""

    id = UUID("10000000-0000-4000-8000-000000000004")
    recovery = RecoveryPolicy.FAIL


class Threaded(Job):
    """A plain function in a thread."""

    id = UUID("10000000-0000-4000-8000-000000000005")
    overlap = OverlapPolicy.ALLOW
    parameters = (JobParameter("seconds", float, default=0.005, minimum=0),)

    def run(self, context: JobContext) -> JobResult | None:
        tell("start", context)
        until = time.monotonic() + float(context.parameters["seconds"])
        while time.monotonic() < until and not context.is_cancelled:
            time.sleep(0.005)
        tell("end", context)
        return JobResult(value={"thread": True})


class Progressing(Job):
    """Tells how far it is, and writes lines."""

    id = UUID("10000000-0000-4000-8000-000000000006")
    parameters = (JobParameter("steps", int, default=10), JobParameter("seconds", float, default=0.1))
    overlap = OverlapPolicy.ALLOW

    async def run(self, context: JobContext) -> JobResult | None:
        steps = int(context.parameters["steps"])
        for step in range(steps):
            context.progress(step / steps, f"step {step}")
            context.log.info("stepping", step=step)
            await asyncio.sleep(float(context.parameters["seconds"]))
        return JobResult(value={"steps": steps}, status_text="all steps done")


class Bad(Job):
    """Misbehaves in the way it is told."""

    id = UUID("10000000-0000-4000-8000-000000000007")
    overlap = OverlapPolicy.ALLOW
    parameters = (JobParameter("how", str),)

    async def run(self, context: JobContext) -> JobResult | None:
        how = str(context.parameters["how"])
        return await getattr(self, how)(context)

    async def raises(self, context: JobContext) -> None:
        raise ValueError("the disk caught fire")

    async def exits(self, context: JobContext) -> None:
        sys.exit(7)

    async def returns_rubbish(self, context: JobContext) -> object:
        return 42

    async def returns_unserialisable(self, context: JobContext) -> JobResult:
        return JobResult(value={"x": object()})

    async def blocks(self, context: JobContext) -> None:
        time.sleep(3)

    async def swallows_cancellation(self, context: JobContext) -> None:
        while not GATE.exists():
            try:
                await asyncio.sleep(0.1)
            except asyncio.CancelledError:
                continue

    async def floods_log(self, context: JobContext) -> None:
        for number in range(30_000):
            context.log.info("flood", number=number)
            if number % 100 == 0:
                await asyncio.sleep(0)

    async def floods_progress(self, context: JobContext) -> None:
        for number in range(100_000):
            context.progress(number / 100_000, str(number))
            if number % 1000 == 0:
                await asyncio.sleep(0)

    async def cancels_itself(self, context: JobContext) -> None:
        raise asyncio.CancelledError


class Isolated(Job):
    """In a process of its own, well-behaved or as it is told."""

    id = UUID("10000000-0000-4000-8000-0000000000f1")
    executor = "process"
    overlap = OverlapPolicy.ALLOW
    parameters = (JobParameter("how", str, default="well"),)

    def run(self, context: JobContext) -> JobResult | None:
        tell("start", context)
        how = str(context.parameters["how"])
        if how == "dies":
            os._exit(3)
        while how == "deaf":
            pass
        context.log.info("isolated", pid=os.getpid())
        context.progress(0.5, "half")
        return JobResult(value={"pid": os.getpid()})


@hookimpl
def host_jobs() -> list[type[Job]]:
    return [Free, Gated, Exclusive, Skipping, AtMostOnce, Threaded, Progressing, Bad, Isolated]
