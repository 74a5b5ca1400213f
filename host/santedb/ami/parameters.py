"""Parameters of jobs by .NET's type names, and values for a run by name or by position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from host.model.jobs import JobParameter, ParameterType
from host.model.json import JsonObject, JsonValue
from host.santedb.ami.values import AmiJobParameter, AmiParameter

TYPE_NAMES: Mapping[ParameterType, str] = MappingProxyType(
    {
        ParameterType.STRING: "String",
        ParameterType.INTEGER: "Int32",
        ParameterType.NUMBER: "Double",
        ParameterType.BOOLEAN: "Boolean",
        ParameterType.DATETIME: "DateTime",
        ParameterType.JSON: "Object",
    }
)
"""Names of types below ``System``; SanteDB's client looks them up there."""

_BY_NAME = MappingProxyType(
    {
        **{name: kind for kind, name in TYPE_NAMES.items()},
        **dict.fromkeys(("Byte", "SByte", "Int16", "UInt16", "UInt32", "Int64", "UInt64"), ParameterType.INTEGER),
        **dict.fromkeys(("Single", "Decimal"), ParameterType.NUMBER),
        **dict.fromkeys(("Char", "Guid", "Uri", "TimeSpan"), ParameterType.STRING),
        "DateTimeOffset": ParameterType.DATETIME,
    }
)


def show_parameters(declared: Sequence[JobParameter]) -> tuple[AmiJobParameter, ...] | None:
    """Give a job's parameters as AMI shows them, without values; None for none."""
    return tuple(AmiJobParameter(key=each.name, type=TYPE_NAMES[each.type]) for each in declared) or None


def parameter_type(name: str | None) -> ParameterType:
    """Give the type that .NET's short name stands for here; any JSON value for one that has no equal."""
    return _BY_NAME.get(name or "", ParameterType.JSON)


def values_for(given: Sequence[AmiParameter], declared: Sequence[JobParameter]) -> JsonObject | Sequence[JsonValue]:
    """Give the values of a run: by name where every name is a declared one and none comes twice, else by position.

    SanteDB discards names, and some of its clients send ``_`` or a number as each. A value that is absent was not
    given. More values than are declared stay a sequence, which the job's check refuses.
    """
    names = [each.name for each in declared]
    sent = [each.name for each in given]
    if len(set(sent)) == len(sent) and set(sent) <= set(names):
        return {each.name: each.value for each in given if each.name is not None and each.value is not None}
    if len(given) > len(names):
        return [each.value for each in given]
    return {name: each.value for name, each in zip(names, given, strict=False) if each.value is not None}
