"""Runs that go on although they were asked to stop: shown, explained by their stack, kept from holding slots."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import structlog

from host.contracts.clock import Clock
from host.contracts.contract import Finding
from host.engine.context import ActiveRun
from host.engine.notice_texts import ignored
from host.engine.notices import NoticeDesk
from host.engine.progress import ProgressWriter
from host.engine.slots import Slots
from host.model.logs import LogLevel
from host.model.runs import ClaimedRun

logger = structlog.get_logger(__name__)


class StuckRuns:
    """Finds runs that were asked to stop longer ago than the grace; each is told of once and gives up its slot."""

    def __init__(
        self,
        grace_seconds: float,
        *,
        slots: Slots,
        clock: Clock,
        progress: ProgressWriter,
        notices: NoticeDesk,
        on_slot: Callable[[], None],
    ) -> None:
        self._grace_seconds = grace_seconds
        self._slots = slots
        self._clock = clock
        self._progress = progress
        self._notices = notices
        self._on_slot = on_slot

    def look(self, runs: Iterable[ActiveRun]) -> None:
        """Look for them among the active runs."""
        limit = self._clock.monotonic() - self._grace_seconds
        for active in runs:
            if active.cancelled_at is None or active.cancelled_at >= limit:
                continue
            if not active.is_stuck:
                self._tell(active, active.run)
            if active.has_slot and self._slots.give_up(active):
                self._on_slot()

    def _tell(self, active: ActiveRun, run: ClaimedRun) -> None:
        active.is_stuck = True
        self._progress.report(active)
        reason = active.context.cancel_reason if active.context else None
        logger.error("run is stuck", run_id=str(run.id), job_type=run.job_type, ignores=ignored(reason))
        if active.context is not None:
            fields = {"stack": self._slots.stack(active)}
            active.context.log.keep(LogLevel.ERROR, f"stuck: it ignores {ignored(reason)}", fields)
        self._notices.stuck(run, reason)


def finding_of(active: ActiveRun) -> Finding:
    """Say that a run is stuck."""
    reason = active.context.cancel_reason if active.context else None
    return Finding(message=f"run {active.run.id} of {active.run.job_type} ignores {ignored(reason)}")
