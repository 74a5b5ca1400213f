"""What a job sees of its run, and what the dispatcher sees of the job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime

import structlog

from host.contracts.clock import Clock
from host.contracts.jobs import JobContext, RunLogger
from host.contracts.logs import RunLog
from host.model.json import JsonObject, JsonValue
from host.model.logs import LogLevel, RunLogLine
from host.model.runs import ClaimedRun, RunOutcome, RunReason

CURRENT_RUN: ContextVar[HostedJobContext | None] = ContextVar("jobhost_current_run", default=None)
"""The run whose code is executing, for log processors."""

HOST_LOG_LINES = 200
"""A run's lines go to the host's log up to this many; its own log has a larger bound."""

logger = structlog.get_logger("host.job")


class HostedRunLogger(RunLogger):
    """Writes to the run's log and, up to a bound, to the host's log."""

    def __init__(self, run: ClaimedRun, log: RunLog, clock: Clock) -> None:
        self._run = run
        self._log = log
        self._clock = clock
        self._written = 0

    def debug(self, event: str, /, **fields: JsonValue) -> None:
        """Write a line for developers."""
        self.write(LogLevel.DEBUG, event, fields)

    def info(self, event: str, /, **fields: JsonValue) -> None:
        """Write a line for operators."""
        self.write(LogLevel.INFO, event, fields)

    def warning(self, event: str, /, **fields: JsonValue) -> None:
        """Write that it went on, but look."""
        self.write(LogLevel.WARNING, event, fields)

    def error(self, event: str, /, **fields: JsonValue) -> None:
        """Write that someone must act."""
        self.write(LogLevel.ERROR, event, fields)

    def write(self, level: LogLevel, event: str, fields: JsonObject) -> None:
        """Write a line to both logs."""
        self.keep(level, event, fields)
        self._written += 1
        if self._written <= HOST_LOG_LINES:
            getattr(logger, level.value)(event, **_safe(fields))
        elif self._written == HOST_LOG_LINES + 1:
            logger.warning("further lines only in the run's log", run_id=str(self._run.id))

    def keep(self, level: LogLevel, event: str, fields: JsonObject) -> None:
        """Write a line to the run's log alone."""
        line = RunLogLine(at=self._clock.now(), level=level, event=event, fields=fields, attempt=self._run.attempt)
        self._log.append(self._run.id, [line])


class HostedJobContext(JobContext):
    """One run as its job sees it."""

    __slots__ = (
        "_active",
        "_clock",
        "_log",
        "_logger",
        "_on_progress",
        "attempt",
        "cancel_reason",
        "fire_time",
        "job_id",
        "parameters",
        "progress_value",
        "run",
        "run_id",
        "status_text",
        "tenant",
        "trace_id",
    )

    def __init__(
        self,
        active: ActiveRun,
        parameters: JsonObject,
        *,
        log: RunLog,
        clock: Clock,
        on_progress: Callable[[ActiveRun], None],
    ) -> None:
        run = active.run
        self.run = run
        self._active: ActiveRun | None = active
        self.run_id = run.id
        self.job_id = run.job_id
        self.attempt = run.attempt
        self.tenant = run.tenant
        self.fire_time = run.fire_time
        self.trace_id = run.trace_id
        self.parameters = parameters
        self.progress_value: float | None = None
        self.status_text: str | None = None
        self.cancel_reason: RunReason | None = None
        self._log = log
        self._logger: HostedRunLogger | None = None
        self._clock = clock
        self._on_progress = on_progress

    @property
    def log(self) -> HostedRunLogger:  # type: ignore[override]  # made when first used: most runs write nothing
        """Give the run's logger."""
        if self._logger is None:
            self._logger = HostedRunLogger(self.run, self._log, self._clock)
        return self._logger

    def progress(self, fraction: float, status_text: str | None = None) -> None:
        """Report how far the run is."""
        self.progress_value = min(1.0, max(0.0, float(fraction)))
        if status_text is not None:
            self.status_text = status_text[:1000]
        if self._active is not None:
            self._on_progress(self._active)

    def close(self) -> None:
        """Let go of the run that has ended: a cycle of objects would have to wait for the garbage collector."""
        self._active = None

    @property
    def is_cancelled(self) -> bool:
        """Whether the run should stop."""
        return self.cancel_reason is not None

    def raise_if_cancelled(self) -> None:
        """Raise CancelledError if the run should stop."""
        if self.cancel_reason is not None:
            raise asyncio.CancelledError


class ActiveRun:
    """A claimed run while this node performs it."""

    __slots__ = (
        "cancelled_at",
        "context",
        "has_slot",
        "is_dirty",
        "is_recorded",
        "is_stuck",
        "run",
        "started_at",
        "task",
        "timer",
        "written_at",
    )

    def __init__(self, run: ClaimedRun) -> None:
        self.run = run
        self.context: HostedJobContext | None = None
        self.task: asyncio.Task[RunOutcome | None] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.started_at: datetime | None = None
        self.is_recorded = False
        """Whether RUNNING is in the store."""
        self.is_dirty = False
        """Whether progress waits to be written."""
        self.written_at = float("-inf")
        self.cancelled_at: float | None = None
        self.has_slot = True
        self.is_stuck = False

    def close(self) -> None:
        """Let go of what the run needed, so that no cycle of objects is left."""
        self.task = self.timer = None
        if self.context is not None:
            self.context.close()

    def stop(self, reason: RunReason, now: float) -> None:
        """Ask the run's code to stop, for a reason; the first reason counts."""
        if self.context is None or self.context.cancel_reason is not None:
            return
        self.context.cancel_reason = reason
        self.cancelled_at = now
        if self.task is not None:
            self.task.cancel()


def _safe(fields: JsonObject) -> dict[str, JsonValue]:
    return {(f"{key}_" if key in ("event", "level", "timestamp") else key): value for key, value in fields.items()}
