"""Parameters of a run from the command line: text by the job's declaration, and what must not be shown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from host.errors import InvalidParameterError, Problem
from host.model.jobs import JobInfo, JobParameter, ParameterType
from host.model.json import JsonValue
from host.model.runs import JobRun

HIDDEN = "***"
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


def without_secrets(runs: Sequence[JobRun], jobs: Iterable[JobInfo]) -> Sequence[JobRun]:
    """Give the runs with the values of secret parameters hidden."""
    secrets = {job.id: {parameter.name for parameter in job.parameters if parameter.secret} for job in jobs}
    return [_masked(run, secrets.get(run.job_id, set())) for run in runs]


def job_without_secrets(job: JobInfo) -> JobInfo:
    """Give the job with the configured and default values of secret parameters hidden."""
    secret = {parameter.name for parameter in job.parameters if parameter.secret}
    shown = {name: HIDDEN if name in secret else value for name, value in job.configured_parameters.items()}
    parameters = tuple(replace(p, default=HIDDEN) if p.secret and p.default is not None else p for p in job.parameters)
    return replace(job, configured_parameters=shown, parameters=parameters)


def _masked(run: JobRun, secret: set[str]) -> JobRun:
    if not secret & set(run.parameters):
        return run
    return replace(
        run, parameters={name: HIDDEN if name in secret else value for name, value in run.parameters.items()}
    )


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
