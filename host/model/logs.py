"""Lines that a run writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from host.model.json import JsonObject


class LogLevel(StrEnum):
    """Severity, by structlog's names."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLogLine:
    """One line of a run's log."""

    number: int = 0
    """Position in the run's log, from 1; the log gives it, 0 before."""
    at: datetime
    level: LogLevel
    event: str
    fields: JsonObject = field(default_factory=dict)
    attempt: int = 1
