"""Values that start a job, as XML, each in the type that the job declares: SanteDB hands them on as they come."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from uuid import UUID

from host.model.json import JsonValue
from host.santedb.ami.values import MODEL, AmiJobParameter
from host.santedb.ami.xml_writing import document, element, value_element
from host.santedb.attributes import write_value


def write_arguments(arguments: Sequence[AmiJobParameter]) -> bytes:
    """Give the ParameterCollection of these values, in order; None keeps its place without a value.

    Raises ValueError that names the parameter whose type does not hold its value.
    """
    return document("ParameterCollection", MODEL, "".join(map(_argument, arguments)))


def _argument(argument: AmiJobParameter) -> str:
    try:
        value = "" if argument.value is None else _WRITERS.get(argument.type or "", value_element)(argument.value)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"parameter {argument.key!r} ({argument.type}): {error}") from error
    return f"<parameter>{element('name', argument.key)}{value}</parameter>"


def _whole(name: str, bits: int, *, is_signed: bool = True) -> Callable[[JsonValue], str]:
    allowed = range(-(2 ** (bits - 1)), 2 ** (bits - 1)) if is_signed else range(2**bits)

    def write(value: JsonValue) -> str:
        if not isinstance(value, int) or value not in allowed:
            raise ValueError(f"expected a whole number from {allowed[0]} to {allowed[-1]}")
        return _element(name, str(value))

    return write


def _broken(name: str) -> Callable[[JsonValue], str]:
    def write(value: JsonValue) -> str:
        if not isinstance(value, int | float):
            raise ValueError("expected a number")
        return _element(name, f"{Decimal(repr(value)):f}" if name == "decimal" else repr(value))

    return write


def _date(value: JsonValue) -> str:
    return _element("date", write_value(datetime.fromisoformat(str(value))))


def _uuid(value: JsonValue) -> str:
    return _element("uuid", str(UUID(str(value))))


def _element(name: str, text: str) -> str:
    """Give an element of its own for the types that have one, else ``other`` with the type of XML Schema."""
    return f"<{name}>{text}</{name}>" if name in _OWN else f'<other xsi:type="xsd:{name}">{text}</other>'


_OWN = frozenset({"int", "date", "uuid"})
_WRITERS: Mapping[str, Callable[[JsonValue], str]] = MappingProxyType(
    {
        "SByte": _whole("byte", 8),
        "Int16": _whole("short", 16),
        "Int32": _whole("int", 32),
        "Int64": _whole("long", 64),
        "Byte": _whole("unsignedByte", 8, is_signed=False),
        "UInt16": _whole("unsignedShort", 16, is_signed=False),
        "UInt32": _whole("unsignedInt", 32, is_signed=False),
        "UInt64": _whole("unsignedLong", 64, is_signed=False),
        "Single": _broken("float"),
        "Double": _broken("double"),
        "Decimal": _broken("decimal"),
        "DateTime": _date,
        "DateTimeOffset": _date,
        "Guid": _uuid,
    }
)
"""By .NET's short name of the declared type; any other value is written by what it is."""
