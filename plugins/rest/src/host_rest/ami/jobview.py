"""A job with its schedules and its latest run as SanteDB's JobInfo."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b

import msgspec

from host.model.jobs import JobInfo
from host.model.runs import JobRun, RunState
from host.model.schedules import JobSchedule
from host.santedb.ami.json_form import write_json
from host.santedb.ami.parameters import show_parameters
from host.santedb.ami.schedules import show_schedules
from host.santedb.ami.states import NOT_RUN, TO_AMI
from host.santedb.ami.values import AmiJob

_NAMES_ITS_ERROR = frozenset({RunState.FAILED, RunState.QUARANTINED})


def type_shown(job: JobInfo) -> str:
    """Give the name of a job's class: SanteDB's, if it has one, else ``package.module:Class``."""
    return next((alias for alias in job.aliases if ", " in alias), job.job_type)


def show_job(job: JobInfo, run: JobRun | None, schedules: Sequence[JobSchedule], *, known_since: datetime) -> AmiJob:
    """Give the JobInfo of a job; ``run`` is the one active, else the latest that ended, else None.

    ``tag`` is a digest of all that is shown. Instants have the offset ``+00:00``, which .NET takes for an instant;
    a ``Z`` it would keep as the hour of UTC.
    """
    modified = known_since if run is None else max(run.updated_at, known_since)
    shown = AmiJob(
        id=str(job.id),
        schedule=show_schedules(schedules).schedules,
        progress=_progress(run),
        status=_status(run),
        modified=modified.isoformat(),
        name=job.name,
        can_cancel=job.can_cancel,
        state=_state(run),
        parameters=show_parameters(job.parameters),
        last_start=None if run is None or run.started_at is None else run.started_at.isoformat(),
        last_finish=None if run is None or run.finished_at is None else run.finished_at.isoformat(),
        job_type=type_shown(job),
        description=job.description or None,
    )
    return msgspec.structs.replace(shown, tag=blake2b(write_json(shown), digest_size=10).hexdigest())


def _state(run: JobRun | None) -> str:
    if run is None:
        return NOT_RUN
    return "Running" if run.state.is_active else TO_AMI[run.state] or NOT_RUN


def _progress(run: JobRun | None) -> float:
    if run is None:
        return 0.0
    return 1.0 if run.state is RunState.COMPLETED else round(run.progress or 0.0, 4)


def _status(run: JobRun | None) -> str | None:
    if run is None:
        return None
    if run.state in _NAMES_ITS_ERROR and run.errors:
        return run.errors[-1].error
    return run.status_text
