"""The one run of each job that SanteDB tells of: its latest, put together from the job's state."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid5

from host.errors import UpstreamUnavailableError
from host.model.jobs import JobInfo
from host.model.runs import JobRun, RunState
from host.model.schedules import NO_START_YEAR
from host.santedb.ami.states import FROM_AMI
from host.santedb.ami.values import AmiJob
from host_upstream.santedb.listing import EXECUTOR


def run_of(info: JobInfo, job: AmiJob, *, seen_at: datetime) -> JobRun | None:
    """Give the latest run of a job; None for a job that has not run, or whose state means nothing here.

    Its id follows from the job's id and the run's start, so that it is the same whoever asks. SanteDB sets no finish
    for what failed or was cancelled: then there is none here. ``seen_at`` stands for instants that it does not tell.
    """
    state = FROM_AMI.get(job.state or "")
    if state is None:
        return None
    started, finished = instant_of(job.last_start), instant_of(job.last_finish)
    if not state.is_final or (started is not None and finished is not None and finished < started):
        finished = None  # of the run before
    key = started or finished
    return JobRun(
        id=uuid5(info.id, f"run:{key.isoformat() if key else 'unknown'}"),
        job_id=info.id,
        job_type=info.job_type,
        state=state,
        attempt=1,
        progress=_progress(job, state),
        status_text=job.status or None,
        executor=EXECUTOR,
        created_at=key or seen_at,
        started_at=started,
        finished_at=finished,
        updated_at=finished or started or seen_at,
    )


def instant_of(text: str | None) -> datetime | None:
    """Read an instant of a run; .NET's default value is none, and one without offset is in UTC.

    SanteDB's server writes offsets; its database, which keeps UTC, may lose them. Raises UpstreamUnavailableError.
    """
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(text.strip())
        if instant.year == NO_START_YEAR:
            return None
        return instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UpstreamUnavailableError(f"the upstream tells the instant {text[:40]!r}, which is none") from error


def _progress(job: AmiJob, state: RunState) -> float | None:
    if job.progress is None:
        return None
    return 1.0 if state is RunState.COMPLETED else min(1.0, max(0.0, job.progress))
