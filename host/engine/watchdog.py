"""Naming the job that blocks the event loop, with its stack."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback

import structlog

logger = structlog.get_logger(__name__)


class LoopWatchdog:
    """A thread that looks whether the loop still ticks; ``tick`` is called by the loop."""

    def __init__(self, blocked_after: float) -> None:
        self._blocked_after = blocked_after
        self._ticked = time.monotonic()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to look; call it on the loop's thread."""
        self._ticked = time.monotonic()
        self._stopped.clear()
        arguments = (loop, threading.get_ident())
        self._thread = threading.Thread(target=self._look, args=arguments, name="loop-watchdog", daemon=True)
        self._thread.start()

    def tick(self) -> None:
        """Say that the loop is alive."""
        self._ticked = time.monotonic()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(5)
            self._thread = None

    def _look(self, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        told_at = 0.0
        while not self._stopped.wait(self._blocked_after / 2):
            ticked = self._ticked
            late = time.monotonic() - ticked
            if late > self._blocked_after and ticked != told_at:
                told_at = ticked
                self._tell(loop, thread, late)

    def _tell(self, loop: asyncio.AbstractEventLoop, thread: int, late: float) -> None:
        task = asyncio.current_task(loop)
        frame = sys._current_frames().get(thread)  # noqa: SLF001  # the only way to see another thread's stack
        stack = "".join(traceback.format_stack(frame)[-12:]) if frame else ""
        logger.error(
            "event loop blocked",
            seconds=round(late, 1),
            job_type=task.get_name() if task else None,
            hint="an async job must not block: make it a plain def, or await",
            stack=stack,
        )
