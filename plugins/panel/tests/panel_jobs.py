"""Jobs that the tests of the panel's job screens run."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

from host.contracts.jobs import Job, JobContext
from host.model.jobs import JobParameter, OverlapPolicy

HOSTILE = '<script>alert(1)</script> ‮"q" \''


class Plain(Job):
    """Does nothing, quickly."""

    id = UUID("20000000-0000-4000-8000-000000000001")
    name = "Plain work"

    async def run(self, context: JobContext) -> None:
        """Do nothing."""


class Failing(Job):
    """Never works."""

    id = UUID("20000000-0000-4000-8000-000000000002")
    name = "Failing work"

    async def run(self, context: JobContext) -> None:
        """Fail."""
        raise RuntimeError("no <b>luck</b>")


class Waiting(Job):
    """Runs until it is cancelled."""

    id = UUID("20000000-0000-4000-8000-000000000003")
    name = "Waiting work"
    overlap = OverlapPolicy.QUEUE

    async def run(self, context: JobContext) -> None:
        """Wait."""
        context.progress(0.25, "a <i>quarter</i>")
        await asyncio.Event().wait()


class Typed(Job):
    """Takes a parameter of every kind."""

    id = UUID("20000000-0000-4000-8000-000000000004")
    name = "Typed work"
    max_attempts = 3
    timeout = timedelta(minutes=20)
    parameters = (
        JobParameter("place", str, description="Where"),
        JobParameter("rows", int, default=10, minimum=1, maximum=100),
        JobParameter("share", float, default=0.5),
        JobParameter("format", str, default="csv", choices=("csv", "json")),
        JobParameter("quick", bool, default=True),
        JobParameter("sure", bool, required=False),
        JobParameter("since", datetime, required=False),
        JobParameter("rules", dict, default={"a": 1}),
        JobParameter("note", str, default="none"),
        JobParameter("key", str, default="s3cret-default", secret=True),
    )

    async def run(self, context: JobContext) -> None:
        """Do nothing."""


class Hostile(Job):
    """Its texts try to be markup."""

    id = UUID("20000000-0000-4000-8000-000000000005")
    name = HOSTILE + "x" * 500
    description = f"</td>{HOSTILE}" + "long " * 500
    parameters = (JobParameter('<b>"name"', str, default="</textarea><script>alert(2)</script>", description=HOSTILE),)

    async def run(self, context: JobContext) -> None:
        """Fail with a hostile text."""
        raise RuntimeError(f"\x1b[31m{HOSTILE}\x1b[0m")


JOBS = (Plain, Failing, Waiting, Typed, Hostile)
