"""Running hosts as a process: signals, exit status, and that the process ends."""

from __future__ import annotations

import asyncio
import atexit
import gc
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

import structlog

from host.contracts.host import HostState
from host.errors import ProviderStartError
from host.kernel.host import Host
from host.kernel.log import configure_logging
from host.kernel.succession import Succession

logger = structlog.get_logger("host")

SWITCH_INTERVAL_SECONDS = 0.0005
"""How soon the store's thread gets its turn while the event loop is busy."""
LEAVE_SECONDS = 5.0
"""How long code of jobs may keep the process after everything has stopped."""
SAME_SIGNAL_SECONDS = 0.3
"""A repetition this soon is one signal told twice: to the whole process group, and again by a runner like uv."""
GARBAGE_THRESHOLD = 20_000
"""Runs leave no cycles behind, so the collector need not look after every few hundred objects."""
_leaving: list[int] = []
"""The exit status, once the process that was a host is to end."""


def tune_interpreter() -> None:
    """Set what suits a process that is a host: quick turns between threads, rare garbage collections."""
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 50)


def settle_memory() -> None:
    """Exempt from collections what lives as long as the host, which has just started."""
    if gc.get_freeze_count():
        gc.unfreeze()
        gc.collect()  # the host before it, which has cycles
    gc.freeze()


def serve(
    config: Path,
    *,
    skip_unknown: bool = False,
    catch_up: bool = True,
    log_format: str = "console",
    paused: bool = False,
) -> int:
    """Run a host until it is told to stop; 0 after an orderly stop. Raises HostError if it cannot start.

    SIGHUP, like ``HostControl.reload``, puts one with the configuration as it is then in its place.

    The process is to end then, and does so within LEAVE_SECONDS, whatever code of jobs still runs.
    """
    atexit.register(_leave_untorn)  # before anything of the host's, so that it comes after all of that
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the loop takes it: by itself it ends the process
    configure_logging(log_format)
    tune_interpreter()
    began = time.monotonic()
    host = Host.from_file(
        config,
        skip_unknown=skip_unknown,
        catch_up=catch_up,
        paused="asked for at start" if paused else None,
    )
    return asyncio.run(_serve_and_leave(host, began))


def leave_untorn(status: int) -> None:
    """Let a process that was a host end once its threads and exit functions have, before it is torn down.

    A daemon thread may still run then, as one that sends a mail by TLS; it would find OpenSSL's memory freed.
    """
    _leaving.append(status)


def _leave_untorn() -> None:
    if _leaving:
        _leave(_leaving[-1])


def _leave(status: int) -> None:
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


async def _serve_and_leave(host: Host, began: float) -> int:
    status = 1
    try:
        status = await _serve(host, began)
    finally:
        _leave_soon(status)
        _hear_no_more()
    return status


def _hear_no_more() -> None:
    """Ignore signals that ask to end, as the process does: left to asyncio, the next one would kill it instead."""
    ending = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    try:
        for number in ending:
            asyncio.get_running_loop().remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ending)


def _leave_soon(status: int) -> None:
    """See to it that the process ends: asyncio and the interpreter wait for tasks and threads, however deaf."""

    def leave() -> None:
        logger.error("left while code of jobs still runs", seconds=LEAVE_SECONDS)
        _leave(status)

    timer = threading.Timer(LEAVE_SECONDS, leave)
    timer.daemon = True
    timer.start()


async def _serve(host: Host, began: float) -> int:
    main = asyncio.current_task()
    assert main is not None
    received: list[int] = []
    succession = Succession(host, began=began, on_ready=settle_memory)
    _on_signals(succession, main, received)
    try:
        await succession.run()
    except asyncio.CancelledError as error:
        if not received:
            hint = "a provider's start, stop or background task raised CancelledError"
            raise ProviderStartError("the host was cancelled, and nobody asked for it", hint=hint) from error
        logger.warning("stopped at once")
        return 0
    logger.info("host stopped")
    return 0


def _on_signals(succession: Succession, main: asyncio.Task[object], received: list[int]) -> None:
    loop = asyncio.get_running_loop()

    first = 0.0

    def stop() -> None:
        nonlocal first
        if received and loop.time() - first < SAME_SIGNAL_SECONDS:
            return
        first = first or loop.time()
        received.append(1)
        if len(received) > 1 or succession.state is HostState.STARTING:
            main.cancel()
        else:
            succession.end()  # does nothing while it drains already, unless for a reload

    has_terminal = os.isatty(0)

    def hang_up() -> None:
        if has_terminal and not os.isatty(0):
            stop()  # the terminal was closed
        else:
            succession.reload_soon()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, hang_up)
