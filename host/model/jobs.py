"""What a job is: its identity, its parameters and the policies its runs follow."""

from __future__ import annotations

import builtins
from collections.abc import Iterable
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


@dataclass(frozen=True, slots=True, init=False)
class RetryPolicy:
    """How failed attempts are tried again, while ``max_attempts`` allows: how soon, and after which exceptions.

    The wait doubles (``factor``) from ``delay`` up to ``longest``; ``jitter`` is the part of it that is drawn by
    lot, so that runs which failed together part. Exceptions are given as classes and kept as
    ``module.Qualname``; a subclass counts as its base. Raises ValueError for values that make no sense.
    """

    delay: timedelta
    factor: float
    longest: timedelta
    jitter: float
    """0 to 1."""
    only_on: tuple[str, ...]
    """If not empty, only these are tried again."""
    never_on: tuple[str, ...]
    """Never tried again, whatever ``only_on`` says."""

    def __init__(
        self,
        *,
        delay: timedelta = timedelta(seconds=1),
        factor: float = 2.0,
        longest: timedelta = timedelta(minutes=5),
        jitter: float = 0.5,
        only_on: Iterable[builtins.type[BaseException] | str] = (),
        never_on: Iterable[builtins.type[BaseException] | str] = (),
    ) -> None:
        if delay < timedelta(0) or longest < timedelta(0):
            raise ValueError("delay and longest must not be negative")
        if factor < 1 or not 0 <= jitter <= 1:
            raise ValueError("factor must be at least 1, jitter from 0 to 1")
        values = {
            "delay": delay,
            "factor": factor,
            "longest": longest,
            "jitter": jitter,
            "only_on": tuple(map(_exception_name, only_on)),
            "never_on": tuple(map(_exception_name, never_on)),
        }
        for field_name, value in values.items():
            object.__setattr__(self, field_name, value)


def exception_names(kind: builtins.type[BaseException]) -> tuple[str, ...]:
    """Give the names by which a policy may mean an exception: its own and those of its bases."""
    return tuple(_exception_name(base) for base in kind.__mro__ if issubclass(base, BaseException))


def _exception_name(kind: builtins.type[BaseException] | str) -> str:
    return kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"


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


@dataclass(frozen=True, slots=True, init=False)
class JobParameter:
    """One declared parameter. ``type`` accepts a Python type (``int``) and keeps a ``ParameterType``.

    A parameter without ``default`` is required unless ``required=False``.
    """

    name: str
    type: ParameterType
    default: JsonValue
    required: bool
    minimum: float | None
    maximum: float | None
    choices: tuple[JsonValue, ...]
    description: str
    secret: bool

    def __init__(
        self,
        name: str,
        type: ParameterType | builtins.type,
        *,
        default: JsonValue = None,
        required: bool | None = None,
        minimum: float | None = None,
        maximum: float | None = None,
        choices: Iterable[JsonValue] = (),
        description: str = "",
        secret: bool = False,
    ) -> None:
        values = {
            "name": name,
            "type": _parameter_type(name, type),
            "default": default,
            "required": default is None if required is None else required,
            "minimum": minimum,
            "maximum": maximum,
            "choices": tuple(choices),
            "description": description,
            "secret": secret,
        }
        for field_name, value in values.items():
            object.__setattr__(self, field_name, value)


def _parameter_type(name: str, kind: object) -> ParameterType:
    if isinstance(kind, ParameterType):
        return kind
    if isinstance(kind, type) and kind in _PARAMETER_TYPES:
        return _PARAMETER_TYPES[kind]
    names = ", ".join(known.__name__ for known in _PARAMETER_TYPES)
    raise TypeError(f"parameter {name!r}: {kind!r} is no parameter type; use one of {names}")


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
    retry: RetryPolicy = RetryPolicy()
    process_safe: bool = False
    """Whether a run suspected of having killed its host may be performed in a child process instead."""
    configured_parameters: JsonObject = field(default_factory=dict)
    """Values from the configuration; the basis of every scheduled run."""
    source: str | None = None
    """Where it was registered: ``file:line``, ``code`` or ``operator``; None while only available."""


def job_id_of(job_type: str) -> UUID:
    """Give the id of a job that declares none: stable for a type name."""
    return uuid5(NAMESPACE_URL, f"urn:jobhost:job:{job_type}")
