"""The job that forgets what was done long ago."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

from host.contracts.clock import Clock
from host.contracts.jobs import Job, JobContext
from host.contracts.security import AuditTrail
from host.model.jobs import JobParameter, ParameterType
from host.model.runs import JobResult

BATCH = 500
"""Events deleted at a time."""
MINIMUM_DAYS = 30
"""So that nobody who may start jobs can wipe away what they have just done."""


class PruneAudit(Job):
    """Delete events of the audit trail older than the retention period, which is never less than 30 days.

    Works in batches, so that it never holds up what is recorded; a cancelled run stops between two batches and
    keeps what it has deleted. Result: ``{"deleted": events}``.
    """

    id = UUID("d3f2a2f4-5b0e-4f57-9a55-0b6a1b6c7e58")
    name = "Prune audit trail"
    description = "Delete events of the audit trail older than the retention period"
    parameters = (
        JobParameter(
            "days",
            ParameterType.NUMBER,
            default=365,
            minimum=MINIMUM_DAYS,
            maximum=36500,
            description="Keep events this long, in days",
        ),
    )

    def __init__(self, trail: AuditTrail, clock: Clock) -> None:
        self._trail = trail
        self._clock = clock

    async def run(self, context: JobContext) -> JobResult:
        """Delete until no such event is left."""
        days = context.parameters["days"]
        assert isinstance(days, int | float)
        before = self._clock.now() - timedelta(days=days)
        deleted, found = 0, BATCH
        while found == BATCH:
            context.raise_if_cancelled()
            found = await self._trail.prune(before=before, limit=BATCH)
            deleted += found
            context.progress(0.0, f"{deleted} deleted")
            await asyncio.sleep(0)
        context.progress(1.0)
        return JobResult(value={"deleted": deleted}, status_text=f"{deleted} deleted")
