"""Jobs that note the time of their first line and do nothing else."""

import os
import struct
import time
from uuid import UUID

from host import Job, JobContext, OverlapPolicy
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


@hookimpl
def host_jobs() -> list[type[Job]]:
    return [Noop, Silent]
