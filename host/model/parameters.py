"""Checking given parameters against a job's declaration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from itertools import islice
from reprlib import Repr

from host.errors import InvalidParameterError, Problem
from host.model.jobs import JobInfo, JobParameter, ParameterType
from host.model.json import JsonObject, JsonValue

MOST_UNKNOWN = 20
"""Unknown parameters that an error names: whoever sends thousands is told of the first."""
_SHOWN = Repr()
_SHOWN.maxstring = _SHOWN.maxlong = _SHOWN.maxother = 80


def check_parameters(job: JobInfo, given: JsonObject | Sequence[JsonValue]) -> dict[str, JsonValue]:
    """Give the parameters of a run by name: configured values, over them the given ones, then defaults.

    A sequence is matched by position. Numbers and booleans may come as text. Raises InvalidParameterError
    with one problem for each parameter that is unknown, missing, of the wrong type or out of bounds.
    """
    if not given and not job.parameters and not job.configured_parameters:
        return {}
    problems: list[Problem] = []
    named = {**job.configured_parameters, **_by_name(job, given, problems)}
    checked: dict[str, JsonValue] = {}
    for parameter in job.parameters:
        _check_one(parameter, named, checked, problems)
    declared = [parameter.name for parameter in job.parameters]
    unknown = (name for name in named if name not in declared)
    problems.extend(_unknown(name, declared) for name in islice(unknown, MOST_UNKNOWN))
    if problems:
        raise InvalidParameterError(f"the parameters do not fit job {job.name!r}", problems=problems)
    return checked


def _by_name(job: JobInfo, given: JsonObject | Sequence[JsonValue], problems: list[Problem]) -> JsonObject:
    if isinstance(given, Mapping):
        return given
    if len(given) > len(job.parameters):
        expected = f"at most {len(job.parameters)} expected"
        problems.append(Problem(message=f"{len(given)} values were given by position, {expected}"))
    return {parameter.name: value for parameter, value in zip(job.parameters, given, strict=False)}


def _unknown(name: str, declared: Sequence[str]) -> Problem:
    close = get_close_matches(name[:80], declared, n=1)
    if close:
        hint = f"did you mean {close[0]!r}?"
    else:
        hint = f"declared are {', '.join(declared)}" if declared else "the job takes none"
    return Problem(message=f"unknown parameter {name[:80]!r}", hint=hint)


def _check_one(
    parameter: JobParameter, named: JsonObject, checked: dict[str, JsonValue], problems: list[Problem]
) -> None:
    value = named.get(parameter.name)
    if value is None:
        if parameter.required and parameter.default is None:
            problems.append(Problem(message=f"parameter {parameter.name!r} is required ({parameter.type})"))
        checked[parameter.name] = parameter.default
        return
    try:
        value = _CONVERT[parameter.type](value)
    except (TypeError, ValueError, OverflowError):
        shown = "the value given" if parameter.secret else _SHOWN.repr(value)
        problems.append(Problem(message=f"parameter {parameter.name!r} must be of type {parameter.type}, not {shown}"))
        return
    complaint = _out_of_bounds(parameter, value)
    if complaint:
        problems.append(Problem(message=f"parameter {parameter.name!r} {complaint}"))
    checked[parameter.name] = value


def _out_of_bounds(parameter: JobParameter, value: JsonValue) -> str | None:
    if parameter.choices and value not in parameter.choices:
        return f"must be one of {', '.join(map(repr, parameter.choices))}"
    if isinstance(value, int | float):
        if parameter.minimum is not None and value < parameter.minimum:
            return f"must be at least {parameter.minimum:g}"
        if parameter.maximum is not None and value > parameter.maximum:
            return f"must be at most {parameter.maximum:g}"
    return None


def _to_string(value: JsonValue) -> JsonValue:
    if not isinstance(value, str):
        raise TypeError
    return value


def _to_integer(value: JsonValue) -> JsonValue:
    if isinstance(value, bool) or not isinstance(value, int | str | float) or value != value:  # noqa: PLR0124  # NaN
        raise TypeError
    number = int(value)
    if isinstance(value, float) and number != value:
        raise ValueError
    return number


def _to_number(value: JsonValue) -> JsonValue:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    number = float(value)
    if number - number != 0:
        raise ValueError
    return number


_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def _to_boolean(value: JsonValue) -> JsonValue:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or value.lower() not in _BOOLEANS:
        raise TypeError
    return _BOOLEANS[value.lower()]


def _to_datetime(value: JsonValue) -> JsonValue:
    if not isinstance(value, str):
        raise TypeError
    datetime.fromisoformat(value)
    return value


def _to_json(value: JsonValue) -> JsonValue:
    return value


_CONVERT: dict[ParameterType, Callable[[JsonValue], JsonValue]] = {
    ParameterType.STRING: _to_string,
    ParameterType.INTEGER: _to_integer,
    ParameterType.NUMBER: _to_number,
    ParameterType.BOOLEAN: _to_boolean,
    ParameterType.DATETIME: _to_datetime,
    ParameterType.JSON: _to_json,
}
