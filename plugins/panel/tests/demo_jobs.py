"""Jobs that end in every way, for the panel's tests."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import ClassVar

from host.contracts.jobs import Job, JobContext
from host.model.jobs import JobParameter, OverlapPolicy, RetryPolicy
from host.model.runs import JobResult

HOSTILE = "<script>window.__xss = 1</script>\"'><img src=x onerror=window.__xss=1>"


class Adds(Job):
    """Adds two numbers, and says so."""

    name = "Add numbers"
    overlap = OverlapPolicy.ALLOW
    parameters = (
        JobParameter("left", int, minimum=0),
        JobParameter("right", int, default=1),
        JobParameter("key", str, secret=True, required=False),
    )

    async def run(self, context: JobContext) -> JobResult:
        values = context.parameters
        context.log.info("adding", left=values["left"], right=values["right"])
        total = int(str(values["left"])) + int(str(values["right"]))
        return JobResult(value={"sum": total}, status_text=f"the sum is {total}")


class Fails(Job):
    """Raises, with a hostile text in the message."""

    name = f"Fail {HOSTILE}"
    overlap = OverlapPolicy.ALLOW
    max_attempts = 2
    retry = RetryPolicy(delay=timedelta(0), jitter=0)

    async def run(self, context: JobContext) -> None:
        context.log.error(HOSTILE, field=f"\x1b[31m{HOSTILE}\x1b[0m")
        raise ValueError(HOSTILE)


class Waits(Job):
    """Goes on until it is told to end."""

    name = "Wait"
    overlap = OverlapPolicy.ALLOW
    ends: ClassVar[asyncio.Event]

    async def run(self, context: JobContext) -> None:
        context.progress(0.25, "waiting")
        context.log.info("begun")
        await type(self).ends.wait()
        context.log.info("ended")
