"""A run's context for calling a job by hand: no host, no store, everything it was told kept to be looked at."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import weakref
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from host.contracts.jobs import Job, JobContext, RunLogger
from host.kernel.catalogue import describe_job
from host.model.json import JsonObject
from host.model.logs import LogLevel
from host.model.parameters import check_parameters


class RecordingLogger(RunLogger):
    """Keeps lines as ``(level, event, fields)``."""

    def __init__(self) -> None:
        self.lines: list[tuple[LogLevel, str, JsonObject]] = []

    def write(self, level: LogLevel, event: str, fields: JsonObject) -> None:
        """Keep a line."""
        self.lines.append((level, event, fields))


class RecordingContext(JobContext):
    """A context of a job with these parameters, checked as the host does it.

    ``reported`` holds what the job said of its progress, ``(fraction, status text)``; set ``is_cancelled`` to ask it
    to stop. Raises InvalidParameterError. The workspace is a temporary folder, removed with the context.
    """

    def __init__(
        self,
        job: type[Job],
        parameters: JsonObject | None = None,
        *,
        attempt: int = 1,
        tenant: str = "default",
        fire_time: datetime | None = None,
    ) -> None:
        info = describe_job(job)
        self.run_id = uuid4()
        self.job_id = info.id
        self.attempt = attempt
        self.tenant = tenant
        self.fire_time = fire_time
        self.trace_id = self.run_id.hex
        self.parameters = check_parameters(info, parameters or {})
        self.log: RecordingLogger = RecordingLogger()
        self.reported: list[tuple[float, str | None]] = []
        self._is_cancelled = False
        self._folder: Path | None = None

    @property
    def workspace(self) -> Path:
        """Give an empty folder."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="jobhost-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder

    def progress(self, fraction: float, status_text: str | None = None) -> None:
        """Keep what the job says."""
        self.reported.append((fraction, status_text))

    @property
    def is_cancelled(self) -> bool:
        """Whether the test has asked the job to stop."""
        return self._is_cancelled

    @is_cancelled.setter
    def is_cancelled(self, value: bool) -> None:
        self._is_cancelled = value

    def raise_if_cancelled(self) -> None:
        """Raise CancelledError if the test has asked the job to stop."""
        if self._is_cancelled:
            raise asyncio.CancelledError
