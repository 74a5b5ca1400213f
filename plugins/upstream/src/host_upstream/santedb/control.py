"""Steering runs of a SanteDB server: all that AMI has is to cancel."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from host.contracts.clock import Clock
from host.contracts.jobs import RunControl
from host.errors import RunNotFoundError, RunStateError
from host.model.runs import BulkAction, BulkReport, CancelResult, JobRun, RunFilter
from host.model.submissions import RunSubmission
from host_upstream.link import UpstreamLink
from host_upstream.santedb.cancelling import cancel_job
from host_upstream.santedb.client import AmiClient
from host_upstream.santedb.refusals import unsupported
from host_upstream.santedb.runs import run_of
from host_upstream.settings import UpstreamSettings


class AmiRunControl(RunControl):
    """Cancels the run that a job shows. Jobs are started by ``JobManagerService.start_job``, which promises no id."""

    lacks = frozenset({"submit", "retry", "amend", "release", "bulk", "pause", "resume"})

    def __init__(
        self, link: UpstreamLink, settings: UpstreamSettings, clock: Clock, *, client: AmiClient | None = None
    ) -> None:
        """Take what reaches the upstream; providers that share a ``client`` see each other's changes at once."""
        self._client = client or AmiClient(link, settings, clock)
        self._clock = clock

    async def submit(self, submissions: Sequence[RunSubmission]) -> Sequence[UUID]:
        """Refuse: AMI tells no run's id, and one that is guessed could be another run's."""
        raise unsupported("tell which run a submission became", "start the job: that asks for no run's id")

    async def cancel(self, run_id: UUID, *, by: str | None = None) -> CancelResult:
        """Ask the job whose latest run this is to stop; AMI cancels jobs, not runs.

        Raises RunNotFoundError if it is not the latest run of a job, RunStateError if it has finished or the job says
        that it cannot be cancelled. A run that begins between the reading and the request is asked to stop instead.
        """
        listing = await self._client.present()
        for identity, job in listing.jobs.items():
            info = listing.infos[identity]
            run = run_of(info, job, seen_at=self._clock.now())
            if run is None or run.id != run_id:
                continue
            if run.state.is_final:
                raise RunStateError(f"run {run_id} is {run.state} already", hint="a finished run never changes")
            result = await cancel_job(self._client, info, by=by)
            return (
                result
                if result is not None and result.run_id == run_id
                else CancelResult(run_id=run_id, state=run.state)
            )
        hint = "SanteDB shows the latest run of each job alone: jobhost runs list"
        raise RunNotFoundError(f"the upstream shows no run with the id {run_id}", hint=hint)

    async def retry(self, run_id: UUID, *, by: str | None = None) -> UUID:
        """Refuse: with which parameters the run was started is not told."""
        raise unsupported("repeat a run", "start the job")

    async def amend(
        self,
        run_id: UUID,
        *,
        priority: int | None = None,
        not_before: datetime | None = None,
        is_locked: bool | None = None,
    ) -> JobRun:
        """Refuse: runs have neither priority nor time there, and are not kept."""
        raise unsupported("change a run", "cancel it, and start the job as it should be")

    async def release(self, run_id: UUID, *, by: str | None = None) -> JobRun:
        """Refuse: no run is held there."""
        raise unsupported("hold or release runs", "start the job when it may go")

    async def bulk(
        self,
        action: BulkAction,
        where: RunFilter,
        *,
        at_most: int = 100_000,
        dry_run: bool = False,
        by: str | None = None,
    ) -> BulkReport:
        """Refuse: there are no many runs."""
        raise unsupported("act on many runs", "cancel the jobs one by one")

    async def pause(self, scope: str, *, reason: str, by: str | None = None) -> bool:
        """Refuse: a job of SanteDB is never paused."""
        raise unsupported("pause", "clear the job's schedules, and set them again later")

    async def resume(self, scope: str, *, by: str | None = None) -> bool:
        """Refuse, as ``pause``."""
        raise unsupported("pause, and so not resume either", "set the job's schedules again")
