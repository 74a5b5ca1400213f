"""SanteDB's states of a job, and how states of runs become them and back; both tables are total."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from host.model.runs import RunState

NOT_RUN = "NotRun"
AMI_STATES = (NOT_RUN, "Stopped", "Starting", "Running", "Cancelled", "Completed", "Aborted")
"""SanteDB: JobStateType."""

TO_AMI: Mapping[RunState, str | None] = MappingProxyType(
    {
        RunState.PENDING: None,
        RunState.SCHEDULED: None,
        RunState.QUEUED: None,
        RunState.STARTING: "Starting",
        RunState.RUNNING: "Running",
        RunState.COMPLETED: "Completed",
        RunState.FAILED: "Aborted",
        RunState.CANCELLED: "Cancelled",
        RunState.SKIPPED: None,
        RunState.QUARANTINED: "Aborted",
    }
)
"""None: the run changes nothing about the job's state there."""

FROM_AMI: Mapping[str, RunState | None] = MappingProxyType(
    {
        NOT_RUN: None,
        "Stopped": RunState.CANCELLED,
        "Starting": RunState.STARTING,
        "Running": RunState.RUNNING,
        "Cancelled": RunState.CANCELLED,
        "Completed": RunState.COMPLETED,
        "Aborted": RunState.FAILED,
    }
)
"""None: there is no run."""

ENDED_STATES = frozenset(state for state, shown in TO_AMI.items() if shown is not None and state.is_final)
"""Of runs in these, the latest is the job's state while none is active."""
