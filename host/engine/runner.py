"""One run as a list of steps: check parameters, build the call, perform it, say how it ended."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from host.contracts.clock import Clock
from host.contracts.engine import JobDirectory
from host.contracts.executors import InvalidResultError, JobCall, JobExecutor, JobNotBegunError
from host.contracts.jobs import JobCatalogue, Snooze
from host.contracts.logs import RunLog
from host.contracts.secrets import SecretProvider
from host.engine.context import CURRENT_RUN, ActiveRun, HostedJobContext
from host.engine.failures import Failure, failure_of, may_retry
from host.engine.policies import LONGEST_WAIT, retry_delay
from host.engine.secrets import resolve_secrets
from host.engine.tracing import RunSpans, enter_trace
from host.errors import HostError, InvalidParameterError
from host.model.jobs import JobInfo, RecoveryPolicy, exception_names
from host.model.json import JsonObject
from host.model.logs import LogLevel
from host.model.parameters import check_parameters
from host.model.runs import (
    MAX_CRASHES,
    MAX_FORGIVEN,
    AttemptError,
    ClaimedRun,
    JobResult,
    RunOutcome,
    RunReason,
    RunState,
)
from host.wire import to_json

MAX_RESULT_BYTES = 1_000_000
MAX_STATUS = 1000
MAX_ERROR = 2000
MAX_TRACEBACK = 8000
NOT_BEGUN_WAIT = timedelta(seconds=5)
_TIMEOUT_NAMES = exception_names(TimeoutError)


class Runner:
    """Performs claimed runs and turns whatever happens into an outcome; nothing comes out of it but that."""

    def __init__(
        self,
        *,
        node: str,
        catalogue: JobCatalogue,
        directory: JobDirectory,
        executors: Mapping[str, JobExecutor],
        log: RunLog,
        clock: Clock,
        on_progress: Callable[[ActiveRun], None],
        workspaces: Path,
        secrets: SecretProvider | None,
        spans: RunSpans | None = None,
    ) -> None:
        self._node = node
        self._catalogue = catalogue
        self._directory = directory
        self._executors = executors
        self._log = log
        self._clock = clock
        self._on_progress = on_progress
        self._workspaces = workspaces
        self._secrets = secrets
        self._spans = spans

    def info_of(self, run: ClaimedRun) -> JobInfo | None:
        """Give what the run's job declares; None if no plugin offers it."""
        return self._directory.jobs().get(run.job_type) or self._catalogue.available().get(run.job_type)

    def prepare(self, active: ActiveRun) -> RunOutcome | None:
        """Check the run's parameters and make its context; an outcome if it cannot be performed."""
        run, info = active.run, self.info_of(active.run)
        if info is None:
            return self._failed(active, RunReason.UNAVAILABLE, f"no plugin offers job type {run.job_type}")
        try:
            checked = _checked(info, run)
            parameters, redactor = resolve_secrets(info, checked, self._secrets) if checked else (checked, None)
        except InvalidParameterError as error:
            return self._failed(active, RunReason.INVALID_PARAMETERS, str(error))
        active.retry = info.retry
        active.context = HostedJobContext(
            active,
            parameters,
            log=self._log,
            clock=self._clock,
            on_progress=self._on_progress,
            workspaces=self._workspaces,
            redactor=redactor,
        )
        return None

    def perform(self, active: ActiveRun) -> Coroutine[Any, Any, RunOutcome]:
        """Call the job and say how it ended."""
        return self._perform(active, active.run) if self._spans is None else self._perform_in_span(active, self._spans)

    async def _perform_in_span(self, active: ActiveRun, spans: RunSpans) -> RunOutcome:
        span, outcome = spans.begin(active.run), None
        try:
            outcome = await self._perform(active, replace(active.run, trace_id=span.traceparent))
            return outcome
        finally:
            span.end(outcome)

    async def _perform(self, active: ActiveRun, run: ClaimedRun) -> RunOutcome:
        context = active.context
        assert context is not None
        CURRENT_RUN.set(context)
        try:
            create = self._catalogue.factory(run.job_type)
            call = JobCall(run=run, create=create, context=context, workspaces=self._workspaces)
            if self._spans is None:
                enter_trace(run.trace_id)
            return self._returned(active, await self._executors[active.executor].perform(call))
        except asyncio.CancelledError:
            return self.stopped(active)
        except Snooze as snooze:
            text = f"put off: {snooze.reason}" if snooze.reason else "put off by the job"
            return self._put_off(active, snooze.after, text)
        except JobNotBegunError as error:
            return self._put_off(active, NOT_BEGUN_WAIT, f"cannot begin: {error}")
        except InvalidResultError as error:
            return self._returned_unfit(active, str(error))
        except BaseException as error:  # whatever a job raises, SystemExit included, is an outcome
            return self._raised(active, error)

    def not_started(self, active: ActiveRun, error: BaseException) -> RunOutcome | None:
        """Say how a run ended whose code could not start, because RUNNING could not be written."""
        if isinstance(error, HostError):
            return self._plain(active, RunState.QUEUED, RunReason.DRAINED)
        return self._raised(active, error)

    def stopped(self, active: ActiveRun) -> RunOutcome:
        """Say how a run ended whose code was asked to stop, and did."""
        context = active.context
        reason = context.cancel_reason if context else None
        if reason is RunReason.TIMEOUT:
            text = f"stopped: it ran longer than {active.run.timeout}"
            is_again = may_retry(active.retry, _TIMEOUT_NAMES)
            return self._attempt_failed(active, Failure(reason=RunReason.TIMEOUT, text=text, may_retry=is_again))
        if reason is RunReason.DRAINED:
            if active.run.recovery is RecoveryPolicy.FAIL and active.started_at is not None:
                return self._failed(active, RunReason.LOST, "the host stopped while it ran")
            return self._plain(active, RunState.QUEUED, RunReason.DRAINED)
        if reason is not None:
            return self._plain(active, RunState.CANCELLED, RunReason.REQUESTED)
        text = "CancelledError: the job cancelled itself; nobody asked"
        return self._attempt_failed(active, Failure(reason=RunReason.ERROR, text=text))

    def _returned(self, active: ActiveRun, result: object) -> RunOutcome:
        run, context = active.run, active.context
        assert context is not None
        if context.cancel_reason is not None and context.cancel_reason is not RunReason.DRAINED:
            return self.stopped(active)
        if result is None:
            return RunOutcome(
                id=run.id,
                fencing_token=run.fencing_token,
                state=RunState.COMPLETED,
                started_at=active.started_at,
                took=self._took(active),
                progress=None if context.progress_value is None else 1.0,
                status_text=context.status_text,
            )
        complaint = _unfit(result)
        if complaint or not isinstance(result, JobResult):
            return self._failed(active, RunReason.INVALID_RESULT, complaint or "")
        # Cut after the secrets are out: part of one would not be found.
        status_text = context.redacted(result.status_text or "")[:MAX_STATUS]
        return RunOutcome(
            id=run.id,
            fencing_token=run.fencing_token,
            state=RunState.COMPLETED,
            started_at=active.started_at,
            took=self._took(active),
            result=context.redactor.value(result.value) if context.redactor else result.value,
            progress=None if context.progress_value is None else 1.0,
            status_text=status_text or context.status_text,
        )

    def _returned_unfit(self, active: ActiveRun, complaint: str) -> RunOutcome:
        context = active.context
        if context is not None and context.cancel_reason not in {None, RunReason.DRAINED}:
            return self.stopped(active)
        return self._failed(active, RunReason.INVALID_RESULT, complaint)

    def _put_off(self, active: ActiveRun, wait: timedelta, text: str) -> RunOutcome:
        context = active.context
        if context is not None and context.cancel_reason is not None:
            return self.stopped(active)
        return RunOutcome(
            id=active.run.id,
            fencing_token=active.run.fencing_token,
            state=RunState.SCHEDULED,
            reason=RunReason.SNOOZED,
            started_at=active.started_at,
            took=self._took(active),
            not_before=self._in(wait),
            status_text=self._redacted(active, text)[:MAX_STATUS],
        )

    def _raised(self, active: ActiveRun, error: BaseException) -> RunOutcome:
        failure = failure_of(error, active.retry, active.run.attempt)
        if active.context is not None:
            active.context.log.keep(LogLevel.ERROR, "job failed", {"error": failure.text})
        return self._crashed(active, failure) if failure.is_crash else self._attempt_failed(active, failure)

    def _crashed(self, active: ActiveRun, failure: Failure) -> RunOutcome:
        """Say how a run goes on whose process died: as if its host had, but the host lives."""
        run = active.run
        is_forgiven = failure.may_be_forgiven and run.forgiven < MAX_FORGIVEN
        state, reason = RunState.QUEUED, RunReason.RECOVERED
        if run.recovery is RecoveryPolicy.FAIL:
            state, reason = RunState.FAILED, RunReason.LOST
        elif run.crashes + 1 >= MAX_CRASHES and not is_forgiven:
            state, reason = RunState.QUARANTINED, RunReason.CRASHES
        return RunOutcome(
            id=run.id,
            fencing_token=run.fencing_token,
            state=state,
            reason=reason,
            started_at=active.started_at,
            took=self._took(active),
            error=self._error(active, failure.text, None),
            is_crash=not is_forgiven,
            status_text=self._redacted(active, failure.text)[:MAX_STATUS],
        )

    def _attempt_failed(self, active: ActiveRun, failure: Failure) -> RunOutcome:
        run = active.run
        if not failure.may_retry or run.attempt >= run.max_attempts:
            return self._failed(active, failure.reason, failure.text, frames=failure.frames)
        delay = failure.after
        if delay is None:
            delay = retry_delay(active.retry, run.attempt, random.random())  # spreads load, protects nothing
        return RunOutcome(
            id=run.id,
            fencing_token=run.fencing_token,
            state=RunState.SCHEDULED,
            reason=RunReason.RETRY,
            started_at=active.started_at,
            took=self._took(active),
            error=self._error(active, failure.text, failure.frames),
            not_before=self._in(delay),
        )

    def _failed(self, active: ActiveRun, reason: RunReason, text: str, *, frames: str | None = None) -> RunOutcome:
        run, context = active.run, active.context
        return RunOutcome(
            id=run.id,
            fencing_token=run.fencing_token,
            state=RunState.FAILED,
            reason=reason,
            started_at=active.started_at,
            took=self._took(active),
            error=self._error(active, text, frames),
            progress=context.progress_value if context else None,
            status_text=self._redacted(active, text)[:MAX_STATUS],
        )

    def _plain(self, active: ActiveRun, state: RunState, reason: RunReason) -> RunOutcome:
        context = active.context
        return RunOutcome(
            id=active.run.id,
            fencing_token=active.run.fencing_token,
            state=state,
            reason=reason,
            started_at=active.started_at,
            took=self._took(active),
            progress=context.progress_value if context else None,
            status_text=context.status_text if context else None,
        )

    def _error(self, active: ActiveRun, text: str, frames: str | None) -> AttemptError:
        return AttemptError(
            attempt=active.run.attempt,
            at=self._clock.now(),
            node=self._node,
            error=self._redacted(active, text)[:MAX_ERROR],
            traceback=frames and self._redacted(active, frames)[-MAX_TRACEBACK:],
        )

    def _in(self, wait: timedelta) -> datetime:
        return self._clock.now() + min(max(timedelta(0), wait), LONGEST_WAIT)

    def _took(self, active: ActiveRun) -> timedelta | None:
        return None if active.started_at is None else timedelta(seconds=self._clock.monotonic() - active.began)

    def _redacted(self, active: ActiveRun, text: str) -> str:
        return active.context.redacted(text) if active.context else text


def _checked(info: JobInfo, run: ClaimedRun) -> JsonObject:
    if not info.parameters and not run.parameters:
        return run.parameters
    return check_parameters(info, run.parameters)


def _unfit(result: object) -> str | None:
    if not isinstance(result, JobResult):
        return f"the job returned {type(result).__name__}; expected JobResult or None"
    if not isinstance(result.status_text, str | None):
        return f"the status text is of type {type(result.status_text).__name__}; expected str or None"
    try:
        size = len(to_json(result.value))
    except (TypeError, ValueError, RecursionError, HostError) as error:
        return f"the job's result is no JSON value: {error}"
    if size > MAX_RESULT_BYTES:
        return f"the job's result has {size:,} bytes of JSON; at most {MAX_RESULT_BYTES:,} are kept"
    return None
