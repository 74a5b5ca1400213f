"""What a job is: its identity, its parameters and the policies its runs follow."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import NAMESPACE_URL, UUID, uuid5

from host.model.json import JsonObject, JsonValue


class JobStartType(StrEnum):
    """When a registered job starts by itself (SanteDB: JobStartType; the values are its XML names)."""

    IMMEDIATE = "immediate"
    """One run per host start, at once, unless a run is unfinished."""
    DELAY = "delay"
    """One run per host start, after the start has settled, unless a run is unfinished."""
    SCHEDULE = "schedule"
    """Only by its schedules."""
    NEVER = "never"
    """Never by itself at start; a schedule set later still fires."""


class OverlapPolicy(StrEnum):
    """What happens to a due run while another run with the same exclusive key is active."""

    SKIP = "skip"
    QUEUE = "queue"
    ALLOW = "allow"
    CANCEL_RUNNING = "cancel_running"


class RecoveryPolicy(StrEnum):
    """What happens to a run whose host died: run it again (at least once), or fail it (at most once)."""

    RETRY = "retry"
    FAIL = "fail"


class ParameterType(StrEnum):
    """The types a parameter may have; values travel as JSON."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    """An RFC 3339 string; the job sees it as given."""
    JSON = "json"
    """Any JSON value, unchecked."""


_PARAMETER_TYPES: dict[type, ParameterType] = {
    str: ParameterType.STRING,
    int: ParameterType.INTEGER,
    float: ParameterType.NUMBER,
    bool: ParameterType.BOOLEAN,
    datetime: ParameterType.DATETIME,
    object: ParameterType.JSON,
    dict: ParameterType.JSON,
    list: ParameterType.JSON,
}


@dataclass(frozen=True, slots=True)
class JobParameter:
    """One declared parameter. ``type`` accepts a Python type (``int``) and keeps a ``ParameterType``.

    A parameter without ``default`` is required unless ``required=False``.
    """

    name: str
    type: ParameterType
    default: JsonValue = field(default=None, kw_only=True)
    required: bool | None = field(default=None, kw_only=True)
    minimum: float | None = field(default=None, kw_only=True)
    maximum: float | None = field(default=None, kw_only=True)
    choices: tuple[JsonValue, ...] = field(default=(), kw_only=True)
    description: str = field(default="", kw_only=True)
    secret: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        """Take a Python type for ``type`` and settle ``required``."""
        given: object = self.type
        if isinstance(given, type):
            if given not in _PARAMETER_TYPES:
                names = ", ".join(kind.__name__ for kind in _PARAMETER_TYPES)
                raise TypeError(f"parameter {self.name!r}: {given.__name__} is no parameter type; use one of {names}")
            object.__setattr__(self, "type", _PARAMETER_TYPES[given])
        if self.required is None:
            object.__setattr__(self, "required", self.default is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInfo:
    """What the host knows of a job, registered or available."""

    id: UUID
    name: str
    job_type: str
    """``package.module:Class``; the key of schedules and the value kept on runs."""
    description: str = ""
    aliases: tuple[str, ...] = ()
    """Other type names it answers to, e.g. SanteDB's ``Namespace.Type, Assembly``."""
    can_cancel: bool = True
    parameters: tuple[JobParameter, ...] = ()
    start_type: JobStartType = JobStartType.SCHEDULE
    executor: str = "loop"
    """Name of the executor that performs its runs: ``loop``, ``thread``, ``process`` or a plugin's."""
    overlap: OverlapPolicy = OverlapPolicy.SKIP
    recovery: RecoveryPolicy = RecoveryPolicy.RETRY
    timeout: timedelta | None = None
    priority: int = 0
    """Higher first."""
    max_attempts: int = 1
    configured_parameters: JsonObject = field(default_factory=dict)
    """Values from the configuration; the basis of every scheduled run."""
    source: str | None = None
    """Where it was registered: ``file:line``, ``code`` or ``operator``; None while only available."""


def job_id_of(job_type: str) -> UUID:
    """Give the id of a job that declares none: stable for a type name."""
    return uuid5(NAMESPACE_URL, f"urn:jobhost:job:{job_type}")
