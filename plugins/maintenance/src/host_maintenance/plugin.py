"""The plugin's door: the jobs it offers."""

from __future__ import annotations

from collections.abc import Iterable

from host.contracts.jobs import Job
from host.hookspecs import hookimpl
from host_maintenance.backup import BackUp
from host_maintenance.optimise import CheckStores, OptimiseStores
from host_maintenance.prune import PruneHistory
from host_maintenance.prune_audit import PruneAudit


@hookimpl
def host_jobs() -> Iterable[type[Job]]:
    """Offer the maintenance jobs."""
    return (PruneHistory, PruneAudit, OptimiseStores, CheckStores, BackUp)
