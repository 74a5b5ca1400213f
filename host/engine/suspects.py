"""Runs that may have killed their host: each has the next one to itself for a while, so only the culprit dies again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

import structlog

from host.engine.context import ActiveRun
from host.model.runs import ClaimedRun

logger = structlog.get_logger(__name__)


class SuspectRoom:
    """Admits one suspect at a time, and nothing else is claimed while it is taken.

    A suspect enters when nothing else is active, or when it has waited ``seconds`` for that, and stays until it ends,
    at most ``seconds``; then the others go on beside it. Most crashes are no run's fault: all first-time suspects
    together have ``seconds``, after which they count as innocent. One that was active at a second crash always enters.
    """

    def __init__(
        self,
        seconds: float,
        *,
        begin: Callable[[ClaimedRun], ActiveRun | None],
        on_open: Callable[[], None],
    ) -> None:
        self._seconds = seconds
        self._left = seconds
        self._begin = begin
        self._on_open = on_open
        self._loop = asyncio.get_running_loop()
        self._waiting: ClaimedRun | None = None
        self._inside: ActiveRun | None = None
        self._entered_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_taken(self) -> bool:
        """Whether a suspect is inside or waits to enter."""
        return self._waiting is not None or self._inside is not None

    @property
    def alone_from(self) -> int:
        """How many crashes make a run a suspect at present."""
        return 1 if self._left > 0 else 2

    def admit(self, run: ClaimedRun, *, is_idle: bool) -> None:
        """Let a claimed suspect in, at once if nothing is active."""
        self._waiting = run
        if is_idle:
            self.enter()
        else:
            self._timer = self._loop.call_later(self._seconds, self.enter)

    def enter(self) -> None:
        """Let the waiting suspect in; nothing if there is none."""
        run, self._waiting = self._waiting, None
        if run is None:
            return
        self._stop_timer()
        allowed = min(self._left, self._seconds) if run.crashes == 1 else self._seconds
        logger.info("suspect runs alone", run_id=str(run.id), job_type=run.job_type, crashes=run.crashes)
        self._entered_at = self._loop.time()
        self._inside = self._begin(run)
        if self._inside is None:
            self._open()
        else:
            self._timer = self._loop.call_later(allowed, self._open)

    def left(self, active: ActiveRun) -> None:
        """Note that a run has ended."""
        if active is self._inside:
            self._open()

    def awaits(self, run_id: UUID) -> bool:
        """Whether this is the suspect that waits to enter."""
        return self._waiting is not None and self._waiting.id == run_id

    def withdraw(self) -> ClaimedRun | None:
        """Give back the suspect that waits; it does not enter any more."""
        run, self._waiting = self._waiting, None
        if run is not None:
            self._stop_timer()
        return run

    def _open(self) -> None:
        self._stop_timer()
        if self._inside is not None and self._inside.run.crashes == 1:
            self._left -= self._loop.time() - self._entered_at
        self._inside = None
        self._on_open()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
