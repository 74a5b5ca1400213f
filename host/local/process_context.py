"""What a job sees of its run in a child process, and how what it says comes to the host."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from pathlib import Path
from threading import Lock

from host.contracts.jobs import JobContext, RunLogger
from host.errors import WireError
from host.local.process_frames import CallOrder, ChildWord, Line, pack
from host.model.json import JsonObject, JsonValue
from host.model.logs import LogLevel
from host.model.traces import trace_id_of
from host.wire import to_json

PROGRESS_SECONDS = 0.05
"""Progress is told at most this often; of what comes sooner the latest is kept."""
MAX_EVENT = 64 * 1024
"""Characters of a line's text that are sent."""


class Channel:
    """Sends words to the host, whole, from any thread; waits while the host does not keep up.

    In a process that the job forks it is closed: what such a process says does not reach the run.
    """

    def __init__(self, calls: socket.socket) -> None:
        self._calls = calls
        self._guard = Lock()
        self._is_closed = False
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._progress: tuple[float, str | None] | None = None
        self._told_at = 0.0
        os.register_at_fork(after_in_child=self._abandon)

    @property
    def wake(self) -> int:
        """Give the descriptor that is readable when progress waits to be flushed."""
        return self._wake

    def send(self, word: ChildWord) -> None:
        """Send a word; raises WireError for one that cannot be carried."""
        frame = pack(word)
        with self._guard:
            self._write(frame)

    def tell(self, progress: tuple[float, str | None]) -> None:
        """Send progress, or keep it for ``flush`` if some was sent just before."""
        now = time.monotonic()
        if now - self._told_at < PROGRESS_SECONDS:
            is_waiting, self._progress = self._progress is not None, progress
            if not is_waiting:
                os.eventfd_write(self._wake, 1)
            return
        self._told_at, self._progress = now, progress
        self.flush()

    def flush(self) -> None:
        """Send the progress that was kept."""
        with self._guard:
            progress, self._progress = self._progress, None
            if progress is not None:
                self._write(pack(ChildWord(progress=progress)))

    def _write(self, frame: bytes) -> None:
        if self._is_closed:
            return
        try:
            self._calls.sendall(frame)
        except OSError:
            self._is_closed = True  # the host has let go of this process, which is about to end

    def _abandon(self) -> None:
        self._guard = Lock()
        self._is_closed = True
        self._calls.close()


class ChildLogger(RunLogger):
    """Sends lines to the host."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def write(self, level: LogLevel, event: str, fields: JsonObject) -> None:
        """Send a line; what is no JSON is sent as a developer would see it."""
        try:
            self._channel.send(ChildWord(line=Line(level=level, event=event[:MAX_EVENT], fields=fields)))
        except WireError:
            clean = {_clean(str(name)): _plain(value) for name, value in fields.items()}
            self._channel.send(ChildWord(line=Line(level=level, event=_clean(event), fields=clean)))


class ChildContext(JobContext):
    """One run as its job sees it in a child."""

    def __init__(self, order: CallOrder, channel: Channel, log: ChildLogger) -> None:
        self.run_id = order.run_id
        self.job_id = order.job_id
        self.attempt = order.attempt
        self.tenant = order.tenant
        self.fire_time = order.fire_time
        self.trace_id = trace_id_of(order.trace_id)
        self.parameters = order.parameters
        self.log = log
        self.must_stop = False
        """Set when the host asks the call to stop."""
        self._channel = channel
        self._folder = order.workspace

    @property
    def workspace(self) -> Path:
        """Give the run's folder."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._folder

    def progress(self, fraction: float, status_text: str | None = None) -> None:
        """Report how far the run is."""
        text = None if status_text is None else _clean(status_text[:1000])
        self._channel.tell((min(1.0, max(0.0, float(fraction))), text))

    @property
    def is_cancelled(self) -> bool:
        """Whether the run should stop."""
        return self.must_stop

    def raise_if_cancelled(self) -> None:
        """Raise CancelledError if the run should stop."""
        if self.must_stop:
            raise asyncio.CancelledError


class RecordHandler(logging.Handler):
    """Sends the records of ``logging``, and of structlog through it, as lines of the run."""

    def __init__(self, log: ChildLogger) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record; one that cannot be formatted is told to standard error, as everywhere."""
        try:
            self._send(record)
        except Exception:  # logging never raises into the code that logs
            self.handleError(record)

    def _send(self, record: logging.LogRecord) -> None:
        fields: dict[str, JsonValue] = {"logger": record.name}
        if isinstance(record.msg, dict):  # structlog's
            fields |= {name: value for name, value in record.msg.items() if name not in ("level", "timestamp")}
            text = str(fields.pop("event", ""))
        else:
            text = record.getMessage()
        if record.exc_info:
            fields["exception"] = logging.Formatter().formatException(record.exc_info)
        self._log.write(_level(record.levelno), text, fields)


def _level(number: int) -> LogLevel:
    if number >= logging.ERROR:
        return LogLevel.ERROR
    if number >= logging.WARNING:
        return LogLevel.WARNING
    return LogLevel.INFO if number >= logging.INFO else LogLevel.DEBUG


def _plain(value: JsonValue) -> JsonValue:
    try:
        to_json(value)
    except WireError:
        return _clean(value if isinstance(value, str) else repr(value))
    return value


def _clean(text: str) -> str:
    return text[:MAX_EVENT].encode(errors="replace").decode()
