"""Jobs that note the time of their first line and do nothing else."""

import os
import struct
import time
from datetime import timedelta
from uuid import UUID

from host import Job, JobContext, OverlapPolicy, RetryPolicy
from host.hookspecs import hookimpl

_row = struct.Struct("<dd16s")
_file = os.open(os.environ.get("BENCH_LOG", "/dev/null"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


class Noop(Job):
    """Note fire time and first line."""

    id = UUID("20000000-0000-4000-8000-000000000001")
    overlap = OverlapPolicy.ALLOW

    async def run(self, context: JobContext) -> None:
        now = time.time()
        fire = context.fire_time.timestamp() if context.fire_time else 0.0
        os.write(_file, _row.pack(fire, now, context.run_id.bytes))


class Silent(Job):
    """Do nothing at all."""

    id = UUID("20000000-0000-4000-8000-000000000002")
    overlap = OverlapPolicy.ALLOW

    async def run(self, context: JobContext) -> None:
        return None


class SilentThread(Job):
    """Do nothing at all, in a thread."""

    id = UUID("20000000-0000-4000-8000-000000000003")
    overlap = OverlapPolicy.ALLOW

    def run(self, context: JobContext) -> None:
        return None


class Failing(Job):
    """Fail twice, at once."""

    id = UUID("20000000-0000-4000-8000-000000000004")
    overlap = OverlapPolicy.ALLOW
    max_attempts = 2
    retry = RetryPolicy(delay=timedelta(0))

    async def run(self, context: JobContext) -> None:
        raise ConnectionError("the other side is down")


class Wordy(Job):
    """Write ten lines into the log."""

    id = UUID("20000000-0000-4000-8000-000000000005")
    overlap = OverlapPolicy.ALLOW

    async def run(self, context: JobContext) -> None:
        for number in range(10):
            context.log.info("a line as jobs write them", number=number, of=10)


@hookimpl
def host_jobs() -> list[type[Job]]:
    return [Noop, Silent, SilentThread, Failing, Wordy, *_many(int(os.environ.get("BENCH_JOBS", "0")))]


def _many(count: int) -> list[type[Job]]:
    jobs = [
        type(f"Job{number}", (Noop,), {"__module__": __name__, "id": UUID(int=number + 1), "name": f"Job {number}"})
        for number in range(count)
    ]
    globals().update({job.__name__: job for job in jobs})
    return jobs
