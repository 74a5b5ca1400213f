"""The same jobs for every executor; each writes down outside the host what it does, one line a fact."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from datetime import timedelta

import chaos_behaviours
from chaos_behaviours import Behaviour

from host import Discard, Job, JobContext, JobParameter, OverlapPolicy, RecoveryPolicy, RetryPolicy, Snooze
from host.hookspecs import hookimpl

_file: int | None = None


def tell(kind: str, job: Job, context: JobContext, note: str = "") -> None:
    """Append one line, whole or not at all; nothing of the host is asked for it but who runs."""
    global _file
    if _file is None:
        _file = os.open(os.environ.get("CHAOS_LOG", "/dev/null"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    line = {
        "kind": kind,
        "run": context.run_id.hex,
        "job": type(job).__name__,
        "attempt": context.attempt,
        "process": os.getpid(),
        "at": time.monotonic(),
        "wall": time.time(),
        "fire": context.fire_time.timestamp() if context.fire_time else None,
        "exclusive": job.overlap is not OverlapPolicy.ALLOW,
        "once": job.recovery is RecoveryPolicy.FAIL,
        "note": note,
    }
    os.write(_file, f"{json.dumps(line)}\n".encode())


def word_for(error: BaseException) -> str:
    """Give the word under which the end of the code is told."""
    words = {asyncio.CancelledError: "stops", Snooze: "snoozes", Discard: "discards"}
    return next((word for kind, word in words.items() if isinstance(error, kind)), "fails")


class Chaos(Job):
    """Does what ``how`` says for some seconds."""

    overlap = OverlapPolicy.ALLOW
    parameters = (
        JobParameter("how", str, default="works"),
        JobParameter("seconds", float, default=0.005, minimum=0),
    )

    def pauses(self, context: JobContext) -> Iterator[float]:
        """Do it, and give how long to wait between its parts."""
        how: Behaviour = getattr(chaos_behaviours, str(context.parameters["how"]))
        return how(context, float(str(context.parameters["seconds"])), lambda: tell("dies", self, context))

    def tell_end(self, error: BaseException, context: JobContext) -> None:
        """Tell that the code did not return; what was to work and raised says why."""
        word = word_for(error)
        is_surprise = word == "fails" and context.parameters["how"] == "works"
        tell(word, self, context, repr(error)[:200] if is_surprise else "")


class OnLoop(Chaos):
    """A coroutine."""

    async def run(self, context: JobContext) -> None:
        tell("start", self, context)
        try:
            for pause in self.pauses(context):
                try:
                    await asyncio.sleep(pause)
                except asyncio.CancelledError:
                    if context.parameters["how"] != "ignores_cancel":
                        raise
        except BaseException as error:
            self.tell_end(error, context)
            raise
        tell("end", self, context)


class InThread(Chaos):
    """A plain function."""

    def run(self, context: JobContext) -> None:
        tell("start", self, context)
        try:
            for pause in self.pauses(context):
                time.sleep(pause)
                if context.parameters["how"] != "ignores_cancel":
                    context.raise_if_cancelled()
        except BaseException as error:
            self.tell_end(error, context)
            raise
        tell("end", self, context)


class InProcess(InThread):
    """A plain function in a process of its own."""

    executor = "process"


class Exclusive:
    """One at a time, the others wait."""

    overlap = OverlapPolicy.QUEUE


class Once:
    """Never started again after a crash."""

    recovery = RecoveryPolicy.FAIL


class Failing:
    """Tried twice."""

    max_attempts = 2
    retry = RetryPolicy(delay=timedelta(milliseconds=200))


class LoopFree(OnLoop): ...


class LoopGuest(OnLoop): ...


class LoopTicking(OnLoop): ...


class LoopExclusive(Exclusive, OnLoop): ...


class LoopOnce(Once, OnLoop): ...


class LoopFailing(Failing, OnLoop): ...


class ThreadFree(InThread): ...


class ThreadGuest(InThread): ...


class ThreadTicking(InThread): ...


class ThreadExclusive(Exclusive, InThread): ...


class ThreadOnce(Once, InThread): ...


class ThreadFailing(Failing, InThread): ...


class ProcessFree(InProcess): ...


class ProcessGuest(InProcess): ...


class ProcessTicking(InProcess): ...


class ProcessExclusive(Exclusive, InProcess): ...


class ProcessOnce(Once, InProcess): ...


class ProcessFailing(Failing, InProcess): ...


@hookimpl
def host_jobs() -> list[type[Job]]:
    return [job for way in (OnLoop, InThread, InProcess) for job in way.__subclasses__() if job is not InProcess]
