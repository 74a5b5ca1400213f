"""The host's end of one child process: orders out; lines, progress and the end of a call in."""

from __future__ import annotations

import asyncio
import contextvars
import socket
import time
from contextlib import ExitStack
from datetime import timedelta

from host.contracts.executors import JobCall, JobCrashError, JobLostError, JobNotBegunError
from host.errors import ProviderStartError, WireError
from host.local.process_ends import crash_text, outcome_of
from host.local.process_frames import (
    MAX_MESSAGE_BYTES,
    READ_BYTES,
    CallEnd,
    CallOrder,
    ChildWord,
    FrameCutter,
    Line,
    Steer,
    pack,
)
from host.local.process_output import Output
from host.local.process_template import Template
from host.model.logs import LogLevel
from host.model.runs import JobResult
from host.wire import from_json, to_json

STACK_SECONDS = 0.25
"""How long an answer to ``stack`` is waited for, while the event loop stands still."""
ORPHAN_SECONDS = 2.0
"""How long a child may outlive the template; the kernel kills it at once."""


class Child:
    """One child process. It performs one call at a time; ``is_fit`` says whether it may perform another."""

    def __init__(self, template: Template, *, max_runs: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._template = template
        self._left = max_runs
        self._call: JobCall | None = None
        self._place = contextvars.copy_context()
        self._number = self._questions = 0
        self._frames = FrameCutter()
        self._outputs: dict[LogLevel, Output] = {}
        self._rest = memoryview(b"")
        """What of the order is not sent yet."""
        self._end: CallEnd | None = None
        self._broken: str | None = None
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._is_ending = self._has_ended = self._is_asked = self._was_killed = False
        self._code: int | None = None
        self._why = ""
        self._timer: asyncio.TimerHandle | None = None

    def fork(self) -> None:
        """Have the process forked; raises ProviderStartError if descriptors ran out or the template has gone."""
        with ExitStack() as ours, ExitStack() as theirs:
            try:
                self._calls, calls = _pair(socket.SOCK_STREAM, ours, theirs)
                self._steering, steering = _pair(socket.SOCK_SEQPACKET, ours, theirs)
                for level in (LogLevel.INFO, LogLevel.WARNING):
                    output = self._outputs[level] = Output()
                    ours.callback(output.close)
                    theirs.callback(output.close_theirs)
                outputs = (each.theirs for each in self._outputs.values())
                self._id = self._template.fork((calls.fileno(), steering.fileno(), *outputs), self._ended)
            except OSError as error:
                raise ProviderStartError(f"no process for the job could be had: {error}") from error
            ours.pop_all()
        self._calls.setblocking(False)
        self._loop.add_reader(self._calls, self._read)
        for level, each in self._outputs.items():
            self._loop.add_reader(each.ours, self._read_output, level)

    @property
    def is_fit(self) -> bool:
        """Whether it lives and may be given a call."""
        return self._left > 0 and not self._is_ending and not self._is_asked and self._template.is_alive

    async def perform(self, call: JobCall, grace: timedelta) -> JobResult | None:
        """Have a call performed; cancelled, it asks the call to stop and kills the child ``grace`` later.

        Ends when the call has ended, and the child too unless it is fit for another call.
        """
        self._call, self._end, self._place = call, None, contextvars.copy_context()
        self._number += 1
        self._left -= 1
        self._done = self._loop.create_future()
        try:
            if self._has_ended:
                self._done.set_result(None)
            else:
                self._send(pack(self._order(call)))
            while not self._done.done():
                try:
                    await asyncio.wait((self._done,))
                except asyncio.CancelledError:
                    self.ask(grace)
            return self._result()
        finally:
            self._call = None
            self._place = contextvars.Context()

    def ask(self, grace: timedelta) -> None:
        """Ask the call to stop, and kill the child if it has not ended ``grace`` later; a second time does nothing."""
        if not self._is_asked and not self._has_ended:
            self._is_asked = True
            self._steer(Steer(cancel=self._number))
            self._timer = self._loop.call_later(grace.total_seconds(), self.kill)

    def kill(self) -> None:
        """Kill it with all that is in its process group."""
        if not self._has_ended:
            self._was_killed = True
            self._template.kill(self._id)

    def retire(self) -> None:
        """Let it end, after the call it may have ended."""
        if not self._is_ending:
            self._is_ending = True
            self._loop.remove_reader(self._calls)
            self._loop.remove_writer(self._calls)
            self._calls.close()

    def stack(self) -> str | None:
        """Ask where the call is and wait for the answer; None if none comes in time, as from code of C."""
        self._questions += 1
        if self._call is None or self._has_ended or not self._steer(Steer(stack=self._questions)):
            return None
        until = time.monotonic() + STACK_SECONDS
        while (left := until - time.monotonic()) > 0:
            self._steering.settimeout(left)
            try:
                data = self._steering.recv(MAX_MESSAGE_BYTES)
            except OSError:
                return None
            answer = from_json(data, Steer) if data else Steer(stack=self._questions)
            if answer.stack == self._questions:
                return answer.text
        return None

    def _order(self, call: JobCall) -> CallOrder:
        run = call.run
        return CallOrder(
            number=self._number,
            is_last=self._left == 0,
            job_type=run.job_type,
            run_id=run.id,
            job_id=run.job_id,
            attempt=run.attempt,
            tenant=run.tenant,
            fire_time=run.fire_time,
            trace_id=run.trace_id,
            parameters=call.context.parameters,
            workspace=call.workspace,
        )

    def _send(self, data: bytes | memoryview) -> None:
        try:
            sent = self._calls.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # it has died; its end, which comes, says how
        if sent < len(data):
            self._rest = memoryview(data)[sent:]
            self._loop.add_writer(self._calls, self._send_rest)

    def _send_rest(self) -> None:
        self._loop.remove_writer(self._calls)
        self._send(self._rest)

    def _steer(self, message: Steer) -> bool:
        try:
            self._steering.settimeout(0)
            self._steering.send(to_json(message))
        except OSError:
            return False  # it has ended, or does not listen; then it is killed
        return True

    def _read(self) -> bool:
        """Take what has come, a part at a time, so that a flood leaves others their turn; False if that was all."""
        try:
            data = self._calls.recv(READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._calls)
            self._is_ending = True
            if self._why:
                self._finish()  # its parent has died, and it with it
            return False
        try:
            for frame in self._frames.feed(data):
                self._hear(from_json(frame, ChildWord))
        except WireError as error:
            self._broken = f"its process wrote what is no message: {error.message}"
            self.kill()
            return False
        return True

    def _hear(self, word: ChildWord) -> None:
        call = self._call
        if call is None or self._end is not None:
            return
        if word.line is not None:
            self._tell(word.line)
        if word.progress is not None:
            self._place.run(call.context.progress, *word.progress)
        if word.end is not None:
            self._end = word.end
            if word.end.is_fit and self.is_fit:
                self._drain_outputs()
                self._done.set_result(None)
            else:
                self.retire()

    def _tell(self, line: Line) -> None:
        if self._call is not None:
            write = getattr(self._call.context.log, line.level.value)
            self._place.run(write, line.event, **line.fields)

    def _read_output(self, level: LogLevel) -> None:
        output = self._outputs[level]
        lines = output.read()
        if lines is None:
            self._loop.remove_reader(output.ours)
        for text in lines or ():
            self._tell(Line(level=level, event=text, fields={}))

    def _drain_outputs(self) -> None:
        for level, output in self._outputs.items():
            for text in output.drain():
                self._tell(Line(level=level, event=text, fields={}))

    def _ended(self, code: int | None, why: str) -> None:
        self._code, self._why = code, why
        if code is None and not self._is_ending:
            # The kernel kills it with its parent: the end of what it says is its end.
            self._timer = self._loop.call_later(ORPHAN_SECONDS, self._finish)
            return
        self._finish()

    def _finish(self) -> None:
        """Take what is left of what it said, and be done."""
        if self._has_ended:
            return
        self._has_ended = True
        while not self._is_ending and self._read():
            pass
        self._is_ending = True
        self._drain_outputs()
        if self._timer is not None:
            self._timer.cancel()
        self._close()
        if not self._done.done():
            self._done.set_result(None)

    def _close(self) -> None:
        for end in (self._calls, self._steering):
            if end.fileno() >= 0:
                self._loop.remove_reader(end)
                self._loop.remove_writer(end)
                end.close()
        for output in self._outputs.values():
            self._loop.remove_reader(output.ours)
            output.close()

    def _result(self) -> JobResult | None:
        if self._end is not None:
            return outcome_of(self._end)
        if self._broken is not None:
            raise JobCrashError(self._broken)
        if self._was_killed:
            raise asyncio.CancelledError
        if self._code is None and self._template.is_alive:
            raise JobNotBegunError(f"no process could be had: {self._why}")
        if self._code is None:
            raise JobLostError(crash_text(self._code, self._why))
        raise JobCrashError(crash_text(self._code, self._why))


def _pair(kind: socket.SocketKind, ours: ExitStack, theirs: ExitStack) -> tuple[socket.socket, socket.socket]:
    here, there = socket.socketpair(socket.AF_UNIX, kind)
    return ours.enter_context(here), theirs.enter_context(there)
