"""A run that kills its host or process again and again takes its job out of service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from host.contracts.bus import MessageBus
from host.contracts.clock import Clock
from host.contracts.registry import JobRegistry, Pause
from host.engine.quarantine_notes import QuarantineNotes
from host.errors import HostError
from host.model.messages import PausesChanged
from host.model.runs import MAX_CRASHES, ClaimedRun, JobRun, RunState

logger = structlog.get_logger(__name__)

QUARANTINE = "quarantine"
"""Who set the pause, where no person did."""
RETRY_SECONDS = 1.0
"""After a first failure; twice as long after each further one, up to LONGEST_RETRY_SECONDS."""
LONGEST_RETRY_SECONDS = 30.0


class Quarantine:
    """Pauses the jobs of quarantined runs, and tells."""

    def __init__(
        self,
        registry: JobRegistry,
        clock: Clock,
        bus: MessageBus,
        notes: QuarantineNotes,
        *,
        on_admitted: Callable[[JobRun | ClaimedRun], None],
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._bus = bus
        self._notes = notes
        self._on_admitted = on_admitted

    async def rescued(self, rescue: Callable[[], Awaitable[Sequence[JobRun]]]) -> Sequence[JobRun]:
        """Rescue, and give the runs whose jobs are to be paused for it, also those of a start that died on the way."""
        await self._notes.take()
        runs = await rescue()
        for run in runs:
            logger.warning(
                "run rescued", run_id=str(run.id), job_type=run.job_type, state=run.state, crashes=run.crashes
            )
        found = {run.id: run for run in runs if run.state is RunState.QUARANTINED}
        found.update((run.id, run) for run in await self._notes.owed())
        return list(found.values())

    async def admit(self, run: JobRun | ClaimedRun) -> None:
        """Pause the run's job; tries until the registry can be written, whatever is wrong with it."""
        reason = (
            f"run {run.id} killed its host or process {MAX_CRASHES} times; when mended: jobhost runs release {run.id}"
        )
        pause = Pause(scope=f"job:{run.job_type}", reason=reason, by=QUARANTINE, at=self._clock.now())
        wait = RETRY_SECONDS
        while True:
            try:
                await self._registry.pause(pause)
                break
            except HostError as error:
                logger.error("job not paused yet", job_type=run.job_type, error=str(error))
                await asyncio.sleep(wait)
                wait = min(2 * wait, LONGEST_RETRY_SECONDS)
        await self._notes.paid(run.id)
        logger.error("job quarantined", job_type=run.job_type, run_id=str(run.id))
        self._on_admitted(run)
        self._bus.publish(PausesChanged())
