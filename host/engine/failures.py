"""What an exception of a job means for its run: again, later, never, or a crash."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import cast

from host.contracts.executors import JobCrashError, JobLostError, RemoteJobError
from host.contracts.jobs import Discard, Retry
from host.engine.tracebacks import format_error
from host.model.jobs import RetryPolicy, exception_names
from host.model.runs import RunReason

MAX_TRACEBACKS = 20
"""Attempts after this many keep one line of their error, no traceback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A failed attempt."""

    reason: RunReason
    """Why the run is FAILED, if this was its last attempt."""
    text: str
    """One line."""
    frames: str | None = None
    may_retry: bool = True
    after: timedelta | None = None
    """How long to wait, if the job said so."""
    is_crash: bool = False
    may_be_forgiven: bool = False
    """Of a crash: whether it is hardly the job's own doing."""


def failure_of(error: BaseException, policy: RetryPolicy, attempt: int) -> Failure:
    """Say what an exception means; ``Snooze`` and a cancellation are no failures and not asked about."""
    frames = _frames(error) if attempt <= MAX_TRACEBACKS else None
    if isinstance(error, JobCrashError):
        return Failure(reason=RunReason.CRASHES, text=str(error), is_crash=True)
    if isinstance(error, JobLostError):
        return Failure(reason=RunReason.CRASHES, text=str(error), is_crash=True, may_be_forgiven=True)
    if isinstance(error, Retry):
        text = f"Retry: {error.reason}" if error.reason else "Retry: the job asked to be tried again"
        return Failure(reason=RunReason.ERROR, text=text, after=error.after, frames=_cause(error))
    if isinstance(error, Discard):
        text = f"Discard: {error.reason}" if error.reason else "Discard: the job gave up"
        return Failure(reason=RunReason.DISCARDED, text=text, may_retry=False, frames=_cause(error))
    if isinstance(error, RemoteJobError):
        return _judged(policy, error.names, error.summary, frames)
    return _judged(policy, _names_of(cast(Hashable, type(error))), _one_line(error), frames)


def may_retry(policy: RetryPolicy, names: tuple[str, ...]) -> bool:
    """Say whether the policy tries again after an exception that has these names."""
    if any(name in policy.never_on for name in names):
        return False
    return not policy.only_on or any(name in policy.only_on for name in names)


@lru_cache(maxsize=256)
def _names_of(kind: Hashable) -> tuple[str, ...]:
    assert isinstance(kind, type)
    return exception_names(kind)


def _judged(policy: RetryPolicy, names: tuple[str, ...], text: str, frames: str | None) -> Failure:
    is_again = may_retry(policy, names)
    return Failure(
        reason=RunReason.ERROR if is_again else RunReason.DISCARDED, text=text, frames=frames, may_retry=is_again
    )


def _frames(error: BaseException) -> str:
    if isinstance(error, RemoteJobError):
        return error.traceback
    return format_error(error)


def _cause(error: BaseException) -> str | None:
    """Give the traceback of what made the job ask, if anything did."""
    cause = error.__cause__ or error.__context__
    return None if cause is None else _frames(cause)


def _one_line(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"SystemExit: the job called sys.exit({error.code!r}); raise an exception or return instead"
    try:
        text = " ".join(str(error).split())
    except BaseException:  # a job's exception may not even be printable
        text = "(it cannot be printed)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
