"""AMI values from XML, as .NET's XmlSerializer reads them: by name, whatever the order; unknown elements are ignored.

What cannot be read raises InvalidRequestError, or XmlError for what is no XML, has a DOCTYPE or is too deep.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TypeVar

from host.errors import InvalidRequestError
from host.model.json import JsonValue
from host.santedb.ami.values import (
    AmiCollection,
    AmiJob,
    AmiJobParameter,
    AmiParameter,
    AmiSchedule,
    ParameterCollection,
    RestServiceFault,
    TypeReference,
)
from host.xmlfile import XSI, Element, elements, line_of, local_name, parse_xml

T = TypeVar("T")

MAX_BYTES = 1024 * 1024
"""Of what somebody sends."""
MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""Of what a server answers: a listing is as long as there are jobs."""
MAX_CAUSES = 20
"""Faults that one may wrap, each inside the other; deeper ones are left out."""
_BODY = "the body"
_TYPES = {"scheduled": "Scheduled", "interval": "Interval"}


def read_resource(data: bytes) -> AmiJob | TypeReference:
    """Read what somebody sends to be registered or changed."""
    root = _root(data, "JobInfo", "TypeReferenceConfiguration")
    return _job(root) if local_name(root) == "JobInfo" else _reference(root)


def read_job(data: bytes) -> AmiJob:
    """Read a job as a server answers it."""
    return _answered(_root(data, "JobInfo", max_bytes=MAX_ANSWER_BYTES))


def read_collection(data: bytes) -> AmiCollection:
    """Read a listing as a server answers it."""
    root = _root(data, "AmiCollection", max_bytes=MAX_ANSWER_BYTES)
    resources = (
        _reference(child)
        if child.get(f"{{{XSI}}}type", "").endswith("TypeReferenceConfiguration")
        else _answered(child)
        for child in _children(root, "resource")
    )
    return AmiCollection(
        resource=tuple(resources),
        offset=_value(root, "offset", _integer) or 0,
        size=_value(root, "size", _integer) or 0,
    )


def read_parameters(data: bytes) -> ParameterCollection:
    """Read the values for an operation."""
    root = _root(data, "ParameterCollection")
    return ParameterCollection(parameter=tuple(map(_parameter, _children(root, "parameter"))))


def read_fault(data: bytes) -> RestServiceFault:
    """Read why a request was not done, with what caused it."""
    return _fault(_root(data, "RestServiceFault"), MAX_CAUSES)


def _fault(element: Element, causes: int) -> RestServiceFault:
    cause = next(_children(element, "cause"), None)
    return RestServiceFault(
        data=tuple(child.text or "" for child in _children(element, "data")),
        type=_text(element, "type") or "",
        message=_text(element, "message") or "",
        policy_id=_text(element, "policyId"),
        policy_name=_text(element, "policyName"),
        policy_outcome=_text(element, "policyOutcome") or "Deny",
        cause=None if cause is None or _is_nil(cause) or not causes else _fault(cause, causes - 1),
    )


def _root(data: bytes, *expected: str, max_bytes: int = MAX_BYTES) -> Element:
    root = parse_xml(data, name=_BODY, max_bytes=max_bytes)
    if local_name(root) not in expected:
        raise InvalidRequestError(f"the body is a <{local_name(root)[:80]}>; expected <{'> or <'.join(expected)}>")
    return root


def _answered(element: Element) -> AmiJob:
    return _job(element, _number_or_none)


def _job(element: Element, progress: Callable[[str], float | None] | None = None) -> AmiJob:
    parameters = next(_children(element, "parameters"), None)
    return AmiJob(
        id=_text(element, "id"),
        schedule=tuple(map(_schedule, _children(element, "schedule"))) or None,
        progress=_value(element, "progress", progress or _number),
        status=_text(element, "status"),
        name=_text(element, "name"),
        can_cancel=_value(element, "canCancel", _boolean),
        state=_text(element, "state"),
        parameters=None if parameters is None else tuple(map(_declared, _children(parameters, "set"))),
        last_start=_text(element, "lastStart"),
        last_finish=_text(element, "lastFinish"),
        job_type=_text(element, "jobType"),
        description=_text(element, "description"),
    )


def _schedule(element: Element) -> AmiSchedule:
    kind = _text(element, "type")
    return AmiSchedule(
        type=None if kind is None else _TYPES.get(kind, kind),
        interval=_text(element, "interval"),
        start=_text(element, "start"),
        stop=_text(element, "stop"),
        repeat=tuple(child.text or "" for child in _children(element, "repeat")) or None,
    )


def _reference(element: Element) -> TypeReference:
    name = element.get("type")
    if name is None:
        raise InvalidRequestError("attribute type is missing", where=_place(element), hint='type="A.B, C"')
    return TypeReference(type=name)


def _declared(element: Element) -> AmiJobParameter:
    value = next(elements(element), None)
    return AmiJobParameter(
        key=element.get("key", ""), value=None if value is None else _typed(value), type=element.get("type")
    )


def _parameter(element: Element) -> AmiParameter:
    value = next((child for child in elements(element) if local_name(child) != "name"), None)
    return AmiParameter(name=_text(element, "name"), value=None if value is None else _typed(value))


def _typed(element: Element) -> JsonValue:
    if _is_nil(element):
        return None
    kind = local_name(element)
    if kind == "array":
        return [child.text or "" for child in _children(element, "string")]
    if kind == "other":
        kind = element.get(f"{{{XSI}}}type", "string").rpartition(":")[2]
    read = _READERS.get(kind)
    if read is None:
        hint = "known are int, bool, string, date, float, uuid, array"
        raise InvalidRequestError(f"<{local_name(element)[:40]}> is no value", where=_place(element), hint=hint)
    return _read(element, read)


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError(text[:40])
    return int(text)


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text[:40])
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _number_or_none(text: str) -> float | None:
    """Read the progress of a job that divides by the nothing it has to do: .NET then writes ``NaN`` or ``INF``."""
    return None if text.strip() in ("NaN", "INF", "-INF") else _number(text)


def _boolean(text: str) -> bool:
    return _BOOLEANS[text.strip()]


def _string(text: str) -> str:
    return text


_INTEGER = re.compile(r"\s*[+-]?\d{1,40}\s*", re.ASCII)
_NUMBER = re.compile(r"\s*[+-]?(\d{1,320}(\.\d{0,320})?|\.\d{1,320})([eE][+-]?\d{1,4})?\s*", re.ASCII)
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_READERS: Mapping[str, Callable[[str], JsonValue]] = MappingProxyType(
    {
        **dict.fromkeys(("int", "long", "short", "byte", "integer"), _integer),
        **dict.fromkeys(("unsignedInt", "unsignedLong", "unsignedShort", "unsignedByte"), _integer),
        **dict.fromkeys(("float", "double", "decimal"), _number),
        **dict.fromkeys(("bool", "boolean"), _boolean),
        **dict.fromkeys(("string", "date", "dateTime", "uuid", "guid", "duration"), _string),
    }
)
"""By the element's name, or of ``<other>`` by its ``xsi:type``."""


def _value(element: Element, name: str, read: Callable[[str], T]) -> T | None:
    child = next(_children(element, name), None)
    return None if child is None or _is_nil(child) else _read(child, read)


def _read(element: Element, read: Callable[[str], T]) -> T:
    text = element.text or ""
    try:
        return read(text)
    except (ValueError, KeyError, OverflowError) as error:
        message = f"<{local_name(element)[:40]}> does not hold what its name says"
        raise InvalidRequestError(message, where=_place(element)) from error


def _text(element: Element, name: str) -> str | None:
    child = next(_children(element, name), None)
    return None if child is None or _is_nil(child) else child.text or ""


def _children(element: Element, name: str) -> Iterator[Element]:
    return (child for child in elements(element) if local_name(child) == name)


def _is_nil(element: Element) -> bool:
    return element.get(f"{{{XSI}}}nil", "").strip() in ("true", "1")


def _place(element: Element) -> str:
    return f"{_BODY}:{line_of(element)}"
