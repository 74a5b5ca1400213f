"""Plain functions as jobs."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from host.contracts.jobs import Job, JobContext
from host.model.jobs import JobParameter, OverlapPolicy, RecoveryPolicy, RetryPolicy
from host.model.runs import JobResult

JobFunction = Callable[..., Awaitable[JobResult | None] | JobResult | None]
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def job(
    *,
    name: str | None = None,
    id: UUID | str | None = None,
    description: str | None = None,
    overlap: OverlapPolicy = OverlapPolicy.SKIP,
    recovery: RecoveryPolicy = RecoveryPolicy.RETRY,
    timeout: timedelta | None = None,
    priority: int = 0,
    max_attempts: int = 1,
    retry: RetryPolicy = RetryPolicy(),  # noqa: B008  # a frozen value
    executor: str | None = None,
    process_safe: bool = False,
    aliases: Sequence[str] = (),
) -> Callable[[JobFunction], type[Job]]:
    """Make a job class of a function.

    A first parameter annotated ``JobContext``, or named ``context`` without an annotation, receives the context; all
    others are the job's parameters, typed by their annotations (str, int, float, bool, datetime, dict, list;
    ``X | None`` is X; anything where there is none), optional where they have a default. Raises TypeError for a
    function whose parameters cannot be given so.
    """
    attributes: dict[str, object] = {
        "overlap": overlap,
        "recovery": recovery,
        "timeout": timeout,
        "priority": priority,
        "max_attempts": max_attempts,
        "retry": retry,
        "executor": executor,
        "process_safe": process_safe,
        "aliases": tuple(aliases),
    }
    if id is not None:
        attributes["id"] = UUID(str(id))

    def decorate(function: JobFunction) -> type[Job]:
        takes_context, parameters = _signature(function)
        attributes.update(
            name=name or function.__name__.replace("_", " ").capitalize(),
            description=description or (inspect.getdoc(function) or "").partition("\n")[0],
            parameters=parameters,
            run=_runner(function, takes_context=takes_context),
            __module__=function.__module__,
            __qualname__=function.__qualname__,
            __doc__=function.__doc__ or "A job made of a function.",
        )
        return type(function.__name__, (Job,), attributes)

    return decorate


def _signature(function: JobFunction) -> tuple[bool, tuple[JobParameter, ...]]:
    hints = _hints(function)
    found = list(inspect.signature(function).parameters.values())
    takes_context = bool(found) and found[0].kind in _POSITIONAL and _is_context(found[0], hints)
    return takes_context, tuple(_declared(function, each, hints) for each in found[takes_context:])


def _hints(function: JobFunction) -> Mapping[str, Any]:
    try:
        return get_type_hints(function)
    except NameError as error:
        raise TypeError(f"{function.__qualname__}: {error}; import annotations at run time, too") from error


def _is_context(parameter: inspect.Parameter, hints: Mapping[str, Any]) -> bool:
    if parameter.name == "context" and parameter.name not in hints:
        return True
    kind = hints.get(parameter.name)
    return kind is JobContext or JobContext in get_args(kind)


def _declared(function: JobFunction, parameter: inspect.Parameter, hints: Mapping[str, Any]) -> JobParameter:
    if _is_context(parameter, hints):
        raise TypeError(
            f"{function.__qualname__}: {parameter.name} must be the first parameter, by position: it is the context"
        )
    if parameter.kind not in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY):
        raise TypeError(f"{function.__qualname__}: parameter {parameter} cannot be given by name")
    required = parameter.default is inspect.Parameter.empty
    default = None if required else parameter.default
    return JobParameter(parameter.name, _plain(hints.get(parameter.name, object)), default=default, required=required)


def _plain(hint: Any) -> Any:
    """Give ``int`` for ``int | None``, and ``list`` for ``list[int]``."""
    if get_origin(hint) in (Union, UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not type(None)]
        return _plain(kinds[0]) if len(kinds) == 1 else object
    return get_origin(hint) or hint


def _runner(function: JobFunction, *, takes_context: bool) -> Callable[[Job, JobContext], object]:
    if inspect.iscoroutinefunction(function):

        async def run_async(self: Job, context: JobContext) -> JobResult | None:
            positional = (context,) if takes_context else ()
            result: JobResult | None = await function(*positional, **context.parameters)
            return result

        return run_async

    def run(self: Job, context: JobContext) -> object:
        positional = (context,) if takes_context else ()
        return function(*positional, **context.parameters)

    return run
