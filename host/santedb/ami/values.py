"""What travels over SanteDB's AMI, member by member in the order in which .NET writes it.

None is a member that is absent. Instants and durations are .NET's texts; ``schedules`` and ``states`` say what they
mean here.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from host.model.json import JsonValue

AMI = "http://santedb.org/ami"
MODEL = "http://santedb.org/model"
FAULT = "http://santedb.org/fault"
NO_START = "0001-01-01T00:00:00"
"""How .NET writes a DateTime that nobody set."""


class AmiSchedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One schedule of a job (SanteDB: JobScheduleInfo)."""

    type: str | None = None
    """``Scheduled`` or ``Interval``."""
    interval: str | None = None
    """ISO 8601, ``P1D``; only of an interval."""
    start: str | None = None
    """``NO_START`` for none; SanteDB always writes one."""
    stop: str | None = None
    repeat: tuple[str, ...] | None = None
    """Days by .NET's names."""


class AmiJobParameter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One declared parameter (SanteDB: JobParameter)."""

    key: str
    value: JsonValue = None
    """SanteDB never fills it."""
    type: str | None = None
    """.NET's short name of a type: ``String``, ``Int32``."""


class AmiJob(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A job with the state of its latest run (SanteDB: JobInfo)."""

    id: str | None = None
    schedule: tuple[AmiSchedule, ...] | None = None
    """In a request None clears, which XML cannot tell from an empty list."""
    progress: float | None = None
    """0 to 1."""
    status: str | None = None
    tag: str | None = None
    """Only in JSON, as ``modified``: SanteDB gives both no setter."""
    modified: str | None = None
    name: str | None = None
    can_cancel: bool | None = None
    state: str | None = None
    """One of ``states.AMI_STATES``."""
    parameters: tuple[AmiJobParameter, ...] | None = None
    last_start: str | None = None
    last_finish: str | None = None
    job_type: str | None = None
    description: str | None = None


class TypeReference(msgspec.Struct, frozen=True, kw_only=True):
    """A type that may be registered as a job (SanteDB: TypeReferenceConfiguration)."""

    type: str
    """``Namespace.Type, Assembly``, or ``package.module:Class``."""


class AmiCollection(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a listing (SanteDB: AmiCollection)."""

    resource: tuple[AmiJob | TypeReference, ...]
    offset: int = 0
    size: int = 0
    """How many there are in all; 0 if nobody asked."""


class AmiParameter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One value for an operation (SanteDB: Parameter)."""

    name: str | None = None
    value: JsonValue = None


class ParameterCollection(msgspec.Struct, frozen=True, kw_only=True):
    """Values for an operation, in order (SanteDB: ParameterCollection)."""

    parameter: tuple[AmiParameter, ...] = ()


class RestServiceFault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Why a request was not done (SanteDB: RestServiceFault, without the stack of its debug builds)."""

    data: tuple[str, ...]
    type: str = msgspec.field(name="$type")
    """Simple name of .NET's exception class."""
    message: str
    policy_id: str | None = None
    policy_name: str | None = None
    policy_outcome: str
    """``Deny``, ``Elevate`` or ``Grant``; meant only where there is a policy."""
    cause: RestServiceFault | None = None
    """What this fault wraps."""

    @property
    def root(self) -> RestServiceFault:
        """Give the fault that no other caused; SanteDB's status comes from it."""
        fault = self
        while fault.cause is not None:
            fault = fault.cause
        return fault


class Capability(msgspec.Struct, frozen=True, kw_only=True):
    """Something that can be done with a resource, and what it demands (SanteDB: ServiceResourceCapability)."""

    cap: str
    """``Create``, ``Update``, ``Delete``, ``Get``, ``Search``."""
    demand: tuple[str, ...] = ()
    """OIDs of policies."""


class ResourceOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What can be done with a resource (SanteDB: ServiceResourceOptions, ChildServiceResourceOptions)."""

    resource: str
    cap: tuple[Capability, ...]
    children: tuple[ResourceOptions, ...] | None = None
    scope: str | None = None
    """Of a child: ``Instance`` or ``Class``."""
    classification: str | None = None
    """Of a child: ``Resource`` or ``RpcOperation``."""


class ServiceOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a service offers (SanteDB: ServiceOptions)."""

    version: str
    resource: tuple[ResourceOptions, ...]
    endpoint: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


AmiValue: TypeAlias = (
    AmiJob | TypeReference | AmiCollection | ParameterCollection | RestServiceFault | ServiceOptions | ResourceOptions
)
