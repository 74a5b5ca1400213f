"""One run as a list of steps: check parameters, build the call, perform it, say how it ended."""

from __future__ import annotations

import asyncio
import random
import traceback
from collections.abc import Callable, Mapping

from host.contracts.clock import Clock
from host.contracts.engine import JobDirectory
from host.contracts.executors import JobCall, JobExecutor
from host.contracts.jobs import JobCatalogue
from host.contracts.logs import RunLog
from host.engine.context import CURRENT_RUN, ActiveRun, HostedJobContext
from host.engine.policies import retry_delay
from host.engine.tracing import enter_trace
from host.errors import HostError, InvalidParameterError
from host.model.jobs import JobInfo, RecoveryPolicy
from host.model.json import JsonObject
from host.model.logs import LogLevel
from host.model.parameters import check_parameters
from host.model.runs import AttemptError, ClaimedRun, JobResult, RunOutcome, RunReason, RunState
from host.wire import to_json

MAX_RESULT_BYTES = 1_000_000
MAX_TRACEBACK = 8000
MAX_STATUS = 1000


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
    ) -> None:
        self._node = node
        self._catalogue = catalogue
        self._directory = directory
        self._executors = executors
        self._log = log
        self._clock = clock
        self._on_progress = on_progress

    def prepare(self, active: ActiveRun) -> RunOutcome | None:
        """Check the run's parameters and make its context; an outcome if it cannot be performed."""
        run = active.run
        info = self._directory.jobs().get(run.job_type) or self._catalogue.available().get(run.job_type)
        if info is None:
            return self._failed(run, RunReason.UNAVAILABLE, f"no plugin offers job type {run.job_type}")
        try:
            parameters = _checked(info, run)
        except InvalidParameterError as error:
            return self._failed(run, RunReason.INVALID_PARAMETERS, str(error))
        active.context = HostedJobContext(
            active, parameters, log=self._log, clock=self._clock, on_progress=self._on_progress
        )
        return None

    async def perform(self, active: ActiveRun) -> RunOutcome:
        """Call the job and say how it ended."""
        run, context = active.run, active.context
        assert context is not None
        CURRENT_RUN.set(context)
        try:
            call = JobCall(run=run, create=self._catalogue.factory(run.job_type), context=context)
            enter_trace(run.trace_id)
            return self._returned(active, await self._executors[run.executor].perform(call))
        except asyncio.CancelledError:
            return self.stopped(active)
        except BaseException as error:  # whatever a job raises, SystemExit included, is an outcome
            return self._raised(active, error)

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
                progress=None if context.progress_value is None else 1.0,
                status_text=context.status_text,
            )
        complaint = _unfit(result)
        if complaint or not isinstance(result, JobResult):
            return self._failed(run, RunReason.INVALID_RESULT, complaint or "", active=active)
        return RunOutcome(
            id=run.id,
            fencing_token=run.fencing_token,
            state=RunState.COMPLETED,
            started_at=active.started_at,
            result=result.value,
            progress=None if context.progress_value is None else 1.0,
            status_text=(result.status_text or context.status_text or "")[:MAX_STATUS] or None,
        )

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
            limit = active.run.timeout
            return self._attempt_failed(active, RunReason.TIMEOUT, f"stopped: it ran longer than {limit}")
        if reason is RunReason.DRAINED:
            if active.run.recovery is RecoveryPolicy.FAIL and active.started_at is not None:
                return self._failed(active.run, RunReason.LOST, "the host stopped while it ran", active=active)
            return self._plain(active, RunState.QUEUED, RunReason.DRAINED)
        if reason is not None:
            return self._plain(active, RunState.CANCELLED, RunReason.REQUESTED)
        return self._attempt_failed(active, RunReason.ERROR, "CancelledError: the job cancelled itself; nobody asked")

    def _raised(self, active: ActiveRun, error: BaseException) -> RunOutcome:
        text = _one_line(error)
        if isinstance(error, SystemExit):
            text = f"SystemExit: the job called sys.exit({error.code!r}); raise an exception or return instead"
        frames = "".join(traceback.format_exception(error))
        if active.context is not None:
            active.context.log.keep(LogLevel.ERROR, "job failed", {"error": text})
        return self._attempt_failed(active, RunReason.ERROR, text, frames[-MAX_TRACEBACK:])

    def _attempt_failed(self, active: ActiveRun, reason: RunReason, text: str, frames: str | None = None) -> RunOutcome:
        run = active.run
        if run.attempt >= run.max_attempts:
            return self._failed(run, reason, text, frames=frames, active=active)
        delay = retry_delay(run.attempt, random.random())  # spreads load, protects nothing
        return RunOutcome(
            id=run.id,
            fencing_token=run.fencing_token,
            state=RunState.SCHEDULED,
            reason=RunReason.RETRY,
            started_at=active.started_at,
            error=self._error(run, text, frames),
            not_before=self._clock.now() + delay,
        )

    def _failed(
        self,
        run: ClaimedRun,
        reason: RunReason,
        text: str,
        *,
        frames: str | None = None,
        active: ActiveRun | None = None,
    ) -> RunOutcome:
        context = active.context if active else None
        return RunOutcome(
            id=run.id,
            fencing_token=run.fencing_token,
            state=RunState.FAILED,
            reason=reason,
            started_at=active.started_at if active else None,
            error=self._error(run, text, frames),
            progress=context.progress_value if context else None,
            status_text=text[:MAX_STATUS],
        )

    def _plain(self, active: ActiveRun, state: RunState, reason: RunReason) -> RunOutcome:
        context = active.context
        return RunOutcome(
            id=active.run.id,
            fencing_token=active.run.fencing_token,
            state=state,
            reason=reason,
            started_at=active.started_at,
            progress=context.progress_value if context else None,
            status_text=context.status_text if context else None,
        )

    def _error(self, run: ClaimedRun, text: str, frames: str | None) -> AttemptError:
        return AttemptError(
            attempt=run.attempt, at=self._clock.now(), node=self._node, error=text[:2000], traceback=frames
        )


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


def _one_line(error: BaseException) -> str:
    try:
        text = " ".join(str(error).split())
    except Exception:  # a job's exception may not even be printable
        text = "(it cannot be printed)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
