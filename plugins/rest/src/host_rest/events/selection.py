"""Which runs a client wants to hear of."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from host.model.runs import JobRun, RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Each field narrows, empty ones do not. Clients with equal selections are served together."""

    job_id: UUID | None = None
    states: frozenset[RunState] = frozenset()
    tenant: str | None = None

    def fits(self, run: JobRun) -> bool:
        """Say whether a run, as it is now, is to be told of."""
        return (
            (self.job_id is None or run.job_id == self.job_id)
            and (not self.states or run.state in self.states)
            and (self.tenant is None or run.tenant == self.tenant)
        )
