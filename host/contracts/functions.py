"""Plain functions as jobs."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from host.contracts.jobs import Job, JobContext
from host.model.jobs import JobParameter, OverlapPolicy, RecoveryPolicy
from host.model.runs import JobResult

JobFunction = Callable[..., Awaitable[JobResult | None] | JobResult | None]


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
    executor: str | None = None,
    aliases: Sequence[str] = (),
) -> Callable[[JobFunction], type[Job]]:
    """Make a job class of a function.

    A first parameter annotated ``JobContext`` receives the context; all others are the job's parameters,
    typed by their annotations (str, int, float, bool, datetime, dict, list; ``X | None`` is X), optional where
    they have a default.
    """
    attributes: dict[str, object] = {
        "overlap": overlap,
        "recovery": recovery,
        "timeout": timeout,
        "priority": priority,
        "max_attempts": max_attempts,
        "executor": executor,
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
    hints: Mapping[str, Any] = get_type_hints(function)
    takes_context = False
    parameters = []
    for position, parameter in enumerate(inspect.signature(function).parameters.values()):
        kind = hints.get(parameter.name, object)
        if position == 0 and kind is JobContext:
            takes_context = True
            continue
        if parameter.kind not in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY):
            raise TypeError(f"{function.__qualname__}: parameter {parameter} cannot be given by name")
        required = parameter.default is inspect.Parameter.empty
        default = None if required else parameter.default
        parameters.append(JobParameter(parameter.name, _plain(kind), default=default, required=required))
    return takes_context, tuple(parameters)


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
