"""Asking a job of a SanteDB server to stop, and what can be told of it."""

from __future__ import annotations

from datetime import UTC, datetime

from host.errors import RunStateError, UpstreamUnavailableError
from host.model.jobs import JobInfo
from host.model.runs import CancelResult, JobRun
from host_upstream.santedb.client import AmiClient
from host_upstream.santedb.runs import run_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def cancel_job(client: AmiClient, info: JobInfo, *, by: str | None) -> CancelResult | None:
    """Ask a job to stop; gives the unfinished run that AMI showed before, with its state after; None without one.

    The request is made also if AMI shows no unfinished run, since one may wait. Raises RunStateError, before anything
    is asked, for a job that says it cannot be cancelled.
    """
    job = await client.job(info.id)
    if not job.can_cancel:
        raise RunStateError(f"job {info.name!r} cannot be cancelled", hint="the job itself says so; wait for its end")
    run = run_of(info, job, seen_at=_EPOCH)
    await client.cancel(info.id, by=by)
    if run is None or run.state.is_final:
        return None
    after = await _after(client, info, run)
    return CancelResult(run_id=run.id, state=after.state)


async def _after(client: AmiClient, info: JobInfo, run: JobRun) -> JobRun:
    """Give the run as it is now; as it was, if the upstream, which has acknowledged, cannot be asked any more."""
    try:
        now = run_of(info, await client.job(info.id), seen_at=_EPOCH)
    except UpstreamUnavailableError:
        return run
    return now if now is not None and now.id == run.id else run
