"""AMI values as JSON: .NET's order and casing of members, absent ones left out.

What cannot be read raises InvalidRequestError; unknown members are ignored, as SanteDB ignores them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from host.errors import InvalidRequestError
from host.model.json import JsonValue
from host.santedb.ami.values import (
    AmiCollection,
    AmiJob,
    AmiValue,
    ParameterCollection,
    RestServiceFault,
    TypeReference,
)

MAX_DEPTH = 64
"""Levels of lists and objects that a parameter's value may have."""

T = TypeVar("T")
_ENCODER = msgspec.json.Encoder()


class _Head(msgspec.Struct, frozen=True):
    type: str | None = msgspec.field(name="$type", default=None)


class _Item(AmiJob, frozen=True, kw_only=True):
    type: str | None = None
    """Only of a type reference."""


class _Page(msgspec.Struct, frozen=True, kw_only=True):
    resource: tuple[_Item, ...] = ()
    offset: int = 0
    size: int = 0


def write_json(value: AmiValue) -> bytes:
    """Give the document that SanteDB would write; parameters must hold JSON values."""
    return _ENCODER.encode(value)


def read_resource(data: bytes) -> AmiJob | TypeReference:
    """Read what somebody sends to be registered or changed; ``$type`` must say which of the two it is."""
    name = _decode(data, _Head).type
    if name == "JobInfo":
        return _decode(data, AmiJob)
    if name == "TypeReferenceConfiguration":
        return _decode(data, TypeReference)
    found = "no $type" if name is None else f"$type {name[:80]!r}"
    hint = 'begin with {"$type":"JobInfo", or with {"$type":"TypeReferenceConfiguration",'
    raise InvalidRequestError(f"the body has {found}; expected JobInfo or TypeReferenceConfiguration", hint=hint)


def read_job(data: bytes) -> AmiJob:
    """Read a job as SanteDB answers it, without ``$type``."""
    return _decode(data, AmiJob)


def read_collection(data: bytes) -> AmiCollection:
    """Read a listing as SanteDB answers it, where an entry without id is a type that may be registered."""
    page = _decode(data, _Page)
    return AmiCollection(resource=tuple(map(_resource_of, page.resource)), offset=page.offset, size=page.size)


def read_parameters(data: bytes) -> ParameterCollection:
    """Read the values for an operation."""
    values = _decode(data, ParameterCollection)
    check_depth([parameter.value for parameter in values.parameter])
    return values


def read_fault(data: bytes) -> RestServiceFault:
    """Read why a request was not done."""
    return _decode(data, RestServiceFault)


def check_depth(values: Sequence[JsonValue]) -> None:
    """Refuse values of more than ``MAX_DEPTH`` levels."""
    level: list[JsonValue] = list(values)
    for _ in range(MAX_DEPTH + 1):
        if not level:
            return
        lists = [item for value in level if isinstance(value, list) for item in value]
        level = lists + [item for value in level if isinstance(value, dict) for item in value.values()]
    raise InvalidRequestError(f"a parameter's value has more than {MAX_DEPTH} levels", hint="send it as text")


def _decode(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidRequestError(f"the body cannot be read as JSON: {error}") from error


def _resource_of(item: _Item) -> AmiJob | TypeReference:
    if item.id is None and item.type is not None:
        return TypeReference(type=item.type)
    return AmiJob(**{name: getattr(item, name) for name in AmiJob.__struct_fields__})
