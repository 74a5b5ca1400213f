"""The jobs that keep stores small, fast and sound."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from host.contracts.jobs import Job, JobContext
from host.contracts.maintenance import StoreMaintenance
from host.errors import HostError, StoreCorruptError
from host.model.runs import JobResult

HOLD_AT_MOST = timedelta(milliseconds=20)
NAMED = 10
"""Findings that the error names; the run's log has them all."""


class OptimiseStores(Job):
    """Refresh statistics and return free space in every store, never holding writers longer than 20 ms.

    Result: ``{store name: what was done}``.
    """

    id = UUID("4b2bcb3d-0166-484b-ba97-31719ae6e7ce")
    name = "Optimise stores"
    description = "Refresh statistics and return free space in every store"

    def __init__(self, stores: Sequence[StoreMaintenance]) -> None:
        self._stores = stores

    async def run(self, context: JobContext) -> JobResult:
        """Optimise one store after the other, also after one that failed; its error is raised at the end."""
        done: dict[str, str] = {}
        failures: list[HostError] = []
        for number, store in enumerate(self._stores):
            context.raise_if_cancelled()
            context.progress(number / len(self._stores), store.store_name)
            try:
                done[store.store_name] = await store.optimise(hold_at_most=HOLD_AT_MOST)
            except HostError as error:
                context.log.error("store not optimised", store=store.store_name, error=str(error))
                failures.append(error)
        if failures:
            raise failures[0]
        context.progress(1.0)
        return JobResult(value=done, status_text=f"{len(done)} stores optimised")


class CheckStores(Job):
    """Check the integrity of every store; the run fails if one is damaged, and names the findings.

    Result: ``{"checked": [store name, …]}``.
    """

    id = UUID("78f75905-e4e6-469d-9c3c-1abb08a6dc99")
    name = "Check stores"
    description = "Check the integrity of every store; fails if one is damaged"

    def __init__(self, stores: Sequence[StoreMaintenance]) -> None:
        self._stores = stores

    async def run(self, context: JobContext) -> JobResult:
        """Check all stores, also after a damaged one; raises StoreCorruptError with the findings."""
        findings: list[str] = []
        for number, store in enumerate(self._stores):
            context.raise_if_cancelled()
            context.progress(number / len(self._stores), store.store_name)
            for finding in await _verify(store):
                context.log.error("store damaged", store=store.store_name, finding=finding)
                findings.append(f"{store.store_name}: {finding}")
        if findings:
            more = f"; and {len(findings) - NAMED} more, see the run's log" if len(findings) > NAMED else ""
            raise StoreCorruptError("; ".join(findings[:NAMED]) + more, hint="restore a backup")
        context.progress(1.0)
        names = [store.store_name for store in self._stores]
        return JobResult(value={"checked": names}, status_text=f"{len(names)} stores are sound")


async def _verify(store: StoreMaintenance) -> Sequence[str]:
    try:
        return await store.verify()
    except StoreCorruptError as error:
        return [str(error)]
