"""What the jobs do: each yields how long to wait next, so that every executor can perform it in its way."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

from host import Discard, JobContext, Retry, Snooze

SLICE_SECONDS = 0.02
LINES = 100_000
CHUNK = 16 << 20
MOST_CHUNKS = 64
HELD_SECONDS = 0.5
Dies = Callable[[], None]
Behaviour = Callable[[JobContext, float, Dies], Iterator[float]]
"""Context, seconds, and what to call just before the process dies."""


def works(context: JobContext, seconds: float, dies: Dies) -> Iterator[float]:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        yield min(SLICE_SECONDS, left)


def raises(context: JobContext, seconds: float, dies: Dies) -> Iterator[float]:
    yield seconds
    raise ValueError("the other side is down")


def retries(context: JobContext, seconds: float, dies: Dies) -> Iterator[float]:
    yield seconds
    if context.attempt == 1:
        raise Retry("the other side asks for patience", after=timedelta(milliseconds=50))


def discards(context: JobContext, seconds: float, dies: Dies) -> Iterator[float]:
    yield seconds
    raise Discard("this can never work")


def snoozes(context: JobContext, seconds: float, dies: Dies) -> Iterator[float]:
    """Until an instant of the monotonic clock."""
    yield 0
    if time.monotonic() < seconds:
        raise Snooze("nothing to do yet", after=timedelta(milliseconds=100))


def exits(context: JobContext, seconds: float, dies: Dies) -> Iterator[float]:
    yield seconds
    dies()
    os._exit(3)


def segfaults(context: JobContext, seconds: float, dies: Dies) -> Iterator[float]:
    yield seconds
    dies()
    ctypes.string_at(0)


def kills_itself(context: JobContext, seconds: float, dies: Dies) -> Iterator[float]:
    yield seconds
    dies()
    os.kill(os.getpid(), signal.SIGKILL)


ignores_cancel = works
"""The job around it goes on when it is asked to stop."""


def hogs_memory(context: JobContext, seconds: float, dies: Dies) -> Iterator[float]:
    hoard = []
    for _ in range(MOST_CHUNKS):
        hoard.append(bytearray(CHUNK))
        yield 0
    raise RuntimeError(f"nothing stopped it at {MOST_CHUNKS * CHUNK >> 20} MB")


def leaks_files(context: JobContext, seconds: float, dies: Dies) -> Iterator[float]:
    files = []
    try:
        while True:
            files.append(open(os.devnull, "rb"))  # noqa: SIM115  # leaking is the point
    except OSError:
        yield from works(context, HELD_SECONDS, dies)
        raise
    finally:
        for file in files:
            file.close()


def floods_log(context: JobContext, seconds: float, dies: Dies) -> Iterator[float]:
    for number in range(LINES):
        context.log.info("flood", number=number)
        if number % 200 == 0:
            yield 0


def floods_progress(context: JobContext, seconds: float, dies: Dies) -> Iterator[float]:
    for number in range(LINES):
        context.progress(number / LINES, str(number))
        if number % 500 == 0:
            yield 0
