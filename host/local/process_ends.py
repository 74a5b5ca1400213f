"""How calls in child processes end: exceptions as values and back, and words for a process that died."""

from __future__ import annotations

import asyncio
import signal
import traceback
from datetime import timedelta

from host.contracts.executors import InvalidResultError, RemoteJobError
from host.contracts.jobs import Discard, Retry, Snooze
from host.local.process_frames import CallEnd, Ending
from host.model.jobs import exception_names
from host.model.runs import JobResult

MAX_TEXT = 4000
MAX_TRACEBACK = 16_000
"""Characters; of a longer one the end is kept, which tells most."""
MAX_NAMES = 50

_HINTS = {
    signal.SIGKILL: "nobody here asked for that; has the machine run out of memory?",
    signal.SIGXCPU: "it used more CPU time than processCpu allows",
}


def end_of(error: BaseException) -> CallEnd:
    """Describe what a job raised; after what may have left the process in disorder it is not fit any more."""
    is_fit = isinstance(error, Exception) and not isinstance(error, MemoryError)
    match error:
        case Retry() | Snooze():
            ending = Ending.RETRY if isinstance(error, Retry) else Ending.SNOOZE
            after = None if error.after is None else error.after.total_seconds()
            return CallEnd(ending=ending, reason=_text(str(error.reason)), after_seconds=after)
        case Discard():
            return CallEnd(ending=Ending.DISCARD, reason=_text(str(error.reason)))
        case InvalidResultError():
            return CallEnd(ending=Ending.UNFIT, reason=_text(str(error)))
        case asyncio.CancelledError():
            return CallEnd(ending=Ending.CANCELLED, is_fit=False)
        case SystemExit():
            code = error.code if isinstance(error.code, int | None) else _text(str(error.code))
            return CallEnd(ending=Ending.EXIT, code=code, is_fit=False)
        case _:
            return CallEnd(
                ending=Ending.RAISED,
                reason=_one_line(error),
                traceback=_text("".join(traceback.format_exception(error))[-MAX_TRACEBACK:], MAX_TRACEBACK),
                names=exception_names(type(error))[:MAX_NAMES],
                is_fit=is_fit,
            )


def end_with(result: object) -> CallEnd:
    """Describe what a job returned; raises InvalidResultError for what is no result."""
    if result is None:
        return CallEnd(ending=Ending.RETURNED)
    if not isinstance(result, JobResult):
        raise InvalidResultError(f"the job returned {type(result).__name__}; expected JobResult or None")
    if not isinstance(result.status_text, str | None):
        kind = type(result.status_text).__name__
        raise InvalidResultError(f"the status text is of type {kind}; expected str or None")
    return CallEnd(ending=Ending.RETURNED, has_result=True, value=result.value, status_text=result.status_text)


def outcome_of(end: CallEnd) -> JobResult | None:
    """Give what the job returned, or raise what it raised as far as it can be told."""
    after = None if end.after_seconds is None else timedelta(seconds=end.after_seconds)
    match end.ending:
        case Ending.RETURNED:
            return JobResult(value=end.value, status_text=end.status_text) if end.has_result else None
        case Ending.RETRY:
            raise Retry(end.reason, after=after)
        case Ending.SNOOZE:
            raise Snooze(end.reason, after=after or timedelta(0))
        case Ending.DISCARD:
            raise Discard(end.reason)
        case Ending.CANCELLED:
            raise asyncio.CancelledError
        case Ending.EXIT:
            raise SystemExit(end.code)
        case Ending.UNFIT:
            raise InvalidResultError(end.reason)
        case Ending.RAISED:
            raise RemoteJobError(end.reason, traceback=end.traceback, names=end.names)


def crash_text(code: int | None, why: str) -> str:
    """Say how a process died that did not say how its call ended."""
    if code is None:
        return f"its process died: {why}"
    if code >= 0:
        return f"its process ended with status {code} before the job said how it ended"
    try:
        number = signal.Signals(-code)
    except ValueError:
        return f"its process was killed by signal {-code}"
    hint = f" ({_HINTS[number]})" if number in _HINTS else ""
    return f"its process was killed by {number.name}{hint}"


def _one_line(error: BaseException) -> str:
    try:
        text = " ".join(str(error).split())
    except BaseException:  # a job's exception may not even be printable
        text = "(it cannot be printed)"
    return _text(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def _text(text: str, limit: int = MAX_TEXT) -> str:
    return text[:limit].encode(errors="replace").decode()
