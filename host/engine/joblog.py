"""Lines that jobs write through the standard library's ``logging``, kept in their run's own log too."""

from __future__ import annotations

import logging

from host.engine.context import CURRENT_RUN
from host.model.logs import LogLevel

_OURS = "host."
"""Loggers of the host itself; what a job says through its context is in the run's log already."""


class RunLogHandler(logging.Handler):
    """Hears every record, and keeps those that come from a run's code."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record in the log of the run whose code wrote it."""
        context = CURRENT_RUN.get()
        if context is None or record.name.startswith(_OURS):
            return
        try:
            fields = {"logger": record.name}
            if record.exc_info:
                fields["exception"] = logging.Formatter().formatException(record.exc_info)
            context.log.keep(_level_of(record.levelno), record.getMessage(), fields)
        except Exception:  # a record may not even be printable; logging has its own way to say so
            self.handleError(record)


def _level_of(number: int) -> LogLevel:
    if number >= logging.ERROR:
        return LogLevel.ERROR
    if number >= logging.WARNING:
        return LogLevel.WARNING
    return LogLevel.INFO if number >= logging.INFO else LogLevel.DEBUG
