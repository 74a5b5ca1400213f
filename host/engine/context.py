"""What a job sees of its run, and what the dispatcher sees of the job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path

import structlog

from host.contracts.clock import Clock
from host.contracts.jobs import JobContext, RunLogger
from host.contracts.logs import RunLog
from host.engine.secrets import Redactor
from host.engine.workspace import make
from host.model.jobs import RetryPolicy
from host.model.json import JsonObject, JsonValue
from host.model.logs import LogLevel, RunLogLine
from host.model.runs import ClaimedRun, RunOutcome, RunReason
from host.model.traces import trace_id_of

CURRENT_RUN: ContextVar[HostedJobContext | None] = ContextVar("jobhost_current_run", default=None)
"""The run whose code is executing, for log processors."""

HOST_LOG_LINES = 200
"""A run's lines go to the host's log up to this many; its own log has a larger bound."""

logger = structlog.get_logger("host.job")


class HostedRunLogger(RunLogger):
    """Writes to the run's log and, up to a bound, to the host's log."""

    def __init__(self, run: ClaimedRun, log: RunLog, clock: Clock, redactor: Redactor | None) -> None:
        self._run = run
        self._redactor = redactor
        self._log = log
        self._clock = clock
        self._written = 0

    def write(self, level: LogLevel, event: str, fields: JsonObject) -> None:
        """Write a line to both logs."""
        if self._redactor is not None:
            event, fields = self._redactor.text(event), self._redactor.fields(fields)
        self._append(level, event, fields)
        self._written += 1
        if self._written <= HOST_LOG_LINES:
            getattr(logger, level.value)(event, **_safe(fields))
        elif self._written == HOST_LOG_LINES + 1:
            logger.warning("further lines only in the run's log", run_id=str(self._run.id))

    def keep(self, level: LogLevel, event: str, fields: JsonObject) -> None:
        """Write a line to the run's log alone."""
        if self._redactor is not None:
            event, fields = self._redactor.text(event), self._redactor.fields(fields)
        self._append(level, event, fields)

    def _append(self, level: LogLevel, event: str, fields: JsonObject) -> None:
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
        "has_workspace",
        "job_id",
        "parameters",
        "progress_value",
        "redactor",
        "run",
        "run_id",
        "status_text",
        "tenant",
        "trace_id",
        "workspaces",
    )

    def __init__(
        self,
        active: ActiveRun,
        parameters: JsonObject,
        *,
        log: RunLog,
        clock: Clock,
        on_progress: Callable[[ActiveRun], None],
        workspaces: Path,
        redactor: Redactor | None = None,
    ) -> None:
        run = active.run
        self.run = run
        self._active: ActiveRun | None = active
        self.run_id = run.id
        self.job_id = run.job_id
        self.attempt = run.attempt
        self.tenant = run.tenant
        self.fire_time = run.fire_time
        self.trace_id = trace_id_of(run.trace_id)
        self.parameters = parameters
        self.progress_value: float | None = None
        self.status_text: str | None = None
        self.cancel_reason: RunReason | None = None
        self.has_workspace = False
        self._log = log
        self._logger: HostedRunLogger | None = None
        self._clock = clock
        self._on_progress = on_progress
        self.redactor = redactor
        """Keeps the run's secrets out of what it says; None for a run without any."""
        self.workspaces = workspaces

    @property
    def workspace(self) -> Path:
        """Give the run's folder."""
        self.has_workspace = True
        return make(self.folder)

    @property
    def folder(self) -> Path:
        """Where the workspace is, if it was asked for."""
        return self.workspaces / str(self.run_id)

    @property
    def log(self) -> HostedRunLogger:  # type: ignore[override]  # made when first used: most runs write nothing
        """Give the run's logger."""
        if self._logger is None:
            self._logger = HostedRunLogger(self.run, self._log, self._clock, self.redactor)
        return self._logger

    def progress(self, fraction: float, status_text: str | None = None) -> None:
        """Report how far the run is."""
        self.progress_value = min(1.0, max(0.0, float(fraction)))
        if status_text is not None:
            self.status_text = self.redacted(status_text)[:1000]
        if self._active is not None:
            self._on_progress(self._active)

    def redacted(self, text: str) -> str:
        """Give a text without the run's secrets."""
        return text if self.redactor is None else self.redactor.text(text)

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


_DEFAULT_RETRY = RetryPolicy()


class ActiveRun:
    """A claimed run while this node performs it."""

    __slots__ = (
        "began",
        "cancelled_at",
        "context",
        "executor",
        "has_slot",
        "is_dirty",
        "is_recorded",
        "is_stuck",
        "retry",
        "run",
        "started_at",
        "task",
        "timer",
        "written_at",
    )

    def __init__(self, run: ClaimedRun) -> None:
        self.run = run
        self.executor = run.executor
        """Name of the executor that performs it."""
        self.context: HostedJobContext | None = None
        self.task: asyncio.Task[RunOutcome | None] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.started_at: datetime | None = None
        self.began = 0.0
        """When the code started, by the monotonic clock."""
        self.is_recorded = False
        """Whether RUNNING is in the store."""
        self.is_dirty = False
        """Whether progress waits to be written."""
        self.written_at = float("-inf")
        self.cancelled_at: float | None = None
        self.retry = _DEFAULT_RETRY
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


_TAKEN = frozenset({"self", "event", "level", "timestamp"})
"""Names of fields that structlog itself uses."""


def _safe(fields: JsonObject) -> dict[str, JsonValue]:
    return {(f"{key}_" if key in _TAKEN else key): value for key, value in fields.items()}
