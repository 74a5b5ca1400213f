"""Parameters of a run from the command line: text by the job's declaration."""

from __future__ import annotations

import json
from collections.abc import Iterable

from host.errors import InvalidParameterError, Problem
from host.model.jobs import JobInfo, JobParameter, ParameterType
from host.model.json import JsonValue

_BOOLEANS = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}


def read_parameters(job: JobInfo, texts: Iterable[str], jsons: Iterable[str]) -> dict[str, JsonValue]:
    """Read ``name=value`` texts by the types the job declares, and ``name=JSON`` ones as they are.

    A name that is not declared is passed on for the host to judge. Raises InvalidParameterError with every
    problem.
    """
    declared = {parameter.name: parameter for parameter in job.parameters}
    values: dict[str, JsonValue] = {}
    problems: list[Problem] = []
    for text, is_json in [*((text, False) for text in texts), *((text, True) for text in jsons)]:
        name, equals, value = text.partition("=")
        kind = ParameterType.JSON if is_json else _type_of(declared.get(name))
        try:
            if not equals:
                raise ValueError("a parameter is given as name=value")
            values[name] = _read(value, kind)
        except ValueError as error:
            problems.append(Problem(message=str(error), where=f"parameter {name}"))
    if problems:
        raise InvalidParameterError(f"the parameters of {job.name} cannot be read", problems=problems)
    return values


def _type_of(parameter: JobParameter | None) -> ParameterType:
    return parameter.type if parameter else ParameterType.STRING


def _read(text: str, kind: ParameterType) -> JsonValue:
    if kind is ParameterType.INTEGER:
        return _number(text, int)
    if kind is ParameterType.NUMBER:
        return _number(text, float)
    if kind is ParameterType.BOOLEAN:
        if text.lower() not in _BOOLEANS:
            raise ValueError(f"{text!r} is neither true nor false")
        return _BOOLEANS[text.lower()]
    if kind is ParameterType.JSON:
        try:
            return json.loads(text, parse_constant=_refuse_constant)
        except json.JSONDecodeError as error:
            raise ValueError(f"{text!r} is not JSON: {error}") from error
    return text


def _number(text: str, kind: type[int | float]) -> int | float:
    try:
        return kind(text)
    except ValueError:
        word = "a whole number" if kind is int else "a number"
        raise ValueError(f"{text!r} is not {word}") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
