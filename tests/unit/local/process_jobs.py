"""Jobs that behave and misbehave in processes of their own; importable there, so nothing of pytest is here."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from abc import abstractmethod
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import structlog

from host.contracts.contract import Contract, Service, Settings
from host.contracts.jobs import Discard, Job, JobContext, Retry, Snooze
from host.model.jobs import OverlapPolicy
from host.model.runs import JobResult


class UnprintableError(Exception):
    """Stops whoever prints it."""

    def __str__(self) -> str:
        raise SystemExit


class Probe(Job):
    """Does what its parameter ``how`` says."""

    executor = "process"
    overlap = OverlapPolicy.ALLOW

    def run(self, context: JobContext) -> JobResult | None:
        how = getattr(self, str(context.parameters["how"]))
        result: JobResult | None = how(context)
        return result

    def nothing(self, context: JobContext) -> None:
        return None

    def where(self, context: JobContext) -> JobResult:
        return JobResult(value={"pid": os.getpid(), "group": os.getpgrp(), "parent": os.getppid()}, status_text="here")

    def facts(self, context: JobContext) -> JobResult:
        fire = context.fire_time and context.fire_time.isoformat()
        seen = [str(context.run_id), str(context.job_id), context.attempt, context.tenant, fire, context.trace_id]
        return JobResult(value=[*seen, dict(context.parameters)])

    def writes_file(self, context: JobContext) -> JobResult:
        (context.workspace / "file").write_text("made")
        return JobResult(value=str(context.workspace))

    def raises(self, context: JobContext) -> None:
        raise ValueError("the disk caught fire")

    def raises_unprintable(self, context: JobContext) -> None:
        raise UnprintableError

    def retries(self, context: JobContext) -> None:
        raise Retry("not yet", after=timedelta(seconds=7))

    def snoozes(self, context: JobContext) -> None:
        raise Snooze("asleep", after=timedelta(minutes=1))

    def discards(self, context: JobContext) -> None:
        raise Discard("of no use")

    def cancels_itself(self, context: JobContext) -> None:
        raise asyncio.CancelledError

    def exits_by_sys(self, context: JobContext) -> None:
        sys.exit(7)

    def returns_rubbish(self, context: JobContext) -> object:
        return 42

    def returns_object(self, context: JobContext) -> JobResult:
        return JobResult(value={"x": object()})

    def returns_100_mb(self, context: JobContext) -> JobResult:
        return JobResult(value="x" * 100_000_000)

    def writes_lines(self, context: JobContext) -> None:
        context.log.debug("a detail")
        context.log.error("a line", number=1)
        context.log.info("odd", what=object(), text="\ud800")
        logging.getLogger("some.library").warning("from %s", "logging")
        logging.getLogger("some.library").info("broken %d", "format")
        structlog.get_logger("ours").warning("from structlog", count=2)

    def prints(self, context: JobContext) -> None:
        sys.stdout.write("out one\n" + "x" * 20_000 + "\nout two")
        sys.stderr.write("err one\n")
        sys.stdout.flush()
        subprocess.run(["/bin/echo", ", from a child"], check=True)

    def floods_log(self, context: JobContext) -> None:
        for number in range(20_000):
            context.log.info("flood", number=number)

    def floods_progress(self, context: JobContext) -> None:
        for number in range(100_000):
            context.progress(number / 100_000, str(number))

    def progress_then_waits(self, context: JobContext) -> None:
        context.progress(0.25, "first")
        context.progress(0.5, "second")
        wait_cancelled(context)

    def looks(self, context: JobContext) -> None:
        context.log.info("began", pid=os.getpid())
        wait_cancelled(context)

    def is_deaf(self, context: JobContext) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        context.log.info("began", pid=os.getpid())
        while True:
            pass

    def is_deaf_with_helper(self, context: JobContext) -> None:
        helper = subprocess.Popen(["/bin/sleep", "600"])
        context.log.info("helped", helper=helper.pid)
        self.is_deaf(context)

    def leaves_helper(self, context: JobContext) -> JobResult:
        return JobResult(value=subprocess.Popen(["/bin/sleep", "600"]).pid)

    def leaves_flood(self, context: JobContext) -> None:
        subprocess.Popen(["/usr/bin/env", "timeout", "200", "yes"], start_new_session=True)
        time.sleep(0.1)

    def leaves_daemon(self, context: JobContext) -> JobResult:
        """Its grandchild has left the group, and has every descriptor of the child."""
        told, tell = os.pipe()
        if os.fork() == 0:
            os.setsid()
            daemon = os.fork()
            if daemon == 0:
                time.sleep(600)
            else:
                os.write(tell, str(daemon).encode())
            os._exit(0)
        return JobResult(value=int(os.read(told, 20)))

    def dies(self, context: JobContext) -> None:
        os._exit(3)

    def faults(self, context: JobContext) -> None:
        ctypes.string_at(0)

    def killed(self, context: JobContext) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def burns(self, context: JobContext) -> None:
        while True:
            pass

    def eats(self, context: JobContext) -> JobResult:
        return JobResult(value=len(bytearray(400_000_000)))

    def opens(self, context: JobContext) -> None:
        held = []
        while len(held) < 5000:
            held.append(open(os.devnull))  # noqa: SIM115  # they are to stay open

    def threads(self, context: JobContext) -> JobResult:
        tasks = len(os.listdir("/proc/self/task"))
        return JobResult(value={"tasks": tasks, "main": threading.current_thread() is threading.main_thread()})

    def stdin(self, context: JobContext) -> JobResult:
        return JobResult(value=sys.stdin.read())

    def writes_rubbish(self, context: JobContext) -> None:
        for descriptor in range(3, 64):
            try:
                os.write(descriptor, b"\xff" * 64)
            except OSError:
                continue

    def forks(self, context: JobContext) -> JobResult:
        """In a process of its own making, what is told reaches nobody, and nothing breaks."""
        child = os.fork()
        if child == 0:
            context.log.info("from the grandchild")
            os._exit(0)
        os.waitpid(child, 0)
        return JobResult(value="whole")


class AsyncProbe(Job):
    """The same on an event loop."""

    executor = "process"

    async def run(self, context: JobContext) -> JobResult | None:
        how = getattr(self, str(context.parameters["how"]))
        result: JobResult | None = await how(context)
        return result

    async def value(self, context: JobContext) -> JobResult:
        await asyncio.sleep(0)
        return JobResult(value="awaited")

    async def raises(self, context: JobContext) -> None:
        raise LookupError("nowhere")

    async def exits_by_sys(self, context: JobContext) -> None:
        sys.exit("enough")

    async def sleeps(self, context: JobContext) -> None:
        context.log.info("began", pid=os.getpid())
        await asyncio.sleep(600)

    async def leaves_task(self, context: JobContext) -> JobResult:
        self.task = asyncio.create_task(asyncio.sleep(600))
        await asyncio.sleep(0)
        return JobResult(value=os.getpid())

    async def swallows(self, context: JobContext) -> None:
        context.log.info("began", pid=os.getpid())
        while True:
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                continue


class Kettle(Contract):
    """Something to be wired."""

    @abstractmethod
    def heat(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KettleSettings(Settings):
    section: ClassVar[str] = "KettleConfigurationSection"
    degrees: int = 20
    place: Path = Path("kitchen")


class SafeKettle(Kettle, Service):
    """May be built in a child, and is started there."""

    process_safe = True

    def __init__(self, settings: KettleSettings) -> None:
        self._settings = settings
        self._is_on = False

    async def start(self) -> None:
        self._is_on = True

    async def stop(self) -> None:
        self._settings.place.write_text(f"off in {os.getpid()}")

    def heat(self) -> str:
        assert self._is_on
        return f"{self._settings.degrees} in {os.getpid()}"


class UnsafeKettle(SafeKettle):
    """May not."""

    process_safe = False


class Tea(Job):
    """Is wired to a kettle."""

    executor = "process"

    def __init__(self, kettle: Kettle) -> None:
        self._kettle = kettle

    def run(self, context: JobContext) -> JobResult:
        return JobResult(value=self._kettle.heat())


class AsyncTea(Tea):
    """Too, on an event loop."""

    async def run(self, context: JobContext) -> JobResult:  # type: ignore[override]  # either kind is allowed
        return JobResult(value=self._kettle.heat())


def wait_cancelled(context: JobContext) -> None:
    while True:
        time.sleep(0.002)
        context.raise_if_cancelled()
