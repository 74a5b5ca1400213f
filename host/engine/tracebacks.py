"""Formatted tracebacks at the rate of a storm: each place in the code is formatted once."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FrameType, TracebackType

MAX_FRAMES = 60
"""Of a deeper stack the outermost and the innermost half."""
MAX_CAUSES = 10

_WITH_MORE_TO_SAY = (SyntaxError, NameError, AttributeError, ImportError)
_HEAD = "Traceback (most recent call last):\n"
_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"


def format_error(error: BaseException) -> str:
    """Give what ``traceback.format_exception`` gives, deep stacks shortened; a group is formatted by that itself."""
    parts: list[str] = []
    current: BaseException | None = error
    for _ in range(MAX_CAUSES):
        if current is None:
            break
        if isinstance(current, BaseExceptionGroup):
            parts.append("".join(traceback.format_exception(current)))
            break
        parts.append(_format_one(current))
        earlier, word = _earlier(current)
        if earlier is not None:
            parts.append(word)
        current = earlier
    return "".join(reversed(parts))


def format_awaiting(task: asyncio.Task[object]) -> str:
    """Give where a task waits: the frames of its coroutine and of what that awaits, innermost last."""
    frames = [(frame, frame.f_lineno) for frame in _suspended(task.get_coro())]
    return "".join(traceback.StackSummary.extract(iter(frames[-MAX_FRAMES:])).format())


def _suspended(work: object) -> Iterator[FrameType]:
    while work is not None:
        frame = getattr(work, "cr_frame", None) or getattr(work, "gi_frame", None)
        if frame is not None:
            yield frame
        work = getattr(work, "cr_await", None) or getattr(work, "gi_yieldfrom", None)


def _earlier(error: BaseException) -> tuple[BaseException | None, str]:
    if error.__cause__ is not None:
        return error.__cause__, _CAUSE
    return (None, "") if error.__suppress_context__ else (error.__context__, _CONTEXT)


def _format_one(error: BaseException) -> str:
    frames = list(_frames(error.__traceback__))
    if len(frames) > MAX_FRAMES:
        left_out = f"  [{len(frames) - MAX_FRAMES} frames left out]\n"
        frames = [*frames[: MAX_FRAMES // 2], left_out, *frames[-MAX_FRAMES // 2 :]]
    last = _last_lines(error)
    return f"{_HEAD}{''.join(frames)}{last}" if frames else last


def _last_lines(error: BaseException) -> str:
    kind = type(error)
    if isinstance(error, _WITH_MORE_TO_SAY) or hasattr(error, "__notes__"):
        return "".join(traceback.format_exception_only(error))
    name = (
        kind.__qualname__ if kind.__module__ in ("__main__", "builtins") else f"{kind.__module__}.{kind.__qualname__}"
    )
    try:
        text = str(error)
    except Exception:  # a job's exception may not even be printable
        text = "<exception str() failed>"
    return f"{name}: {text}\n" if text else f"{name}\n"


def _frames(trace: TracebackType | None) -> list[str]:
    found = []
    while trace is not None:
        found.append(_formatted(trace.tb_frame.f_code, trace.tb_lasti, trace.tb_lineno, _Once(trace)))
        trace = trace.tb_next
    return found


class _Once:
    """A traceback that is no part of a cache's key: all of one place are equal."""

    __slots__ = ("trace",)

    def __init__(self, trace: TracebackType) -> None:
        self.trace: TracebackType | None = trace

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Once)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=2048)
def _formatted(code: CodeType, instruction: int, line: int, once: _Once) -> str:
    trace, once.trace = once.trace, None  # the cache keeps the key, and must not keep frames alive
    return "".join(traceback.format_tb(trace, limit=1))
