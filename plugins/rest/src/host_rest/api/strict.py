"""How requests are read: nothing that was not declared is accepted, and JSON is JSON."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from email.message import Message
from typing import Any, get_args, get_origin

from fastapi import APIRouter, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from host.errors import InvalidRequestError, Problem, WireError
from host.model.suggest import did_you_mean
from host.wire import from_json

_MANY = (list, set, frozenset, tuple)


class JsonRequest(Request):
    """A request whose body is read as strictly as everything else that crosses a wire here."""

    async def json(self) -> Any:
        """Give the body; raises HTTPException 400 for what is no JSON."""
        try:
            return from_json(await self.body(), object)
        except WireError as error:
            raise HTTPException(400, error.message) from error


class StrictRoute(APIRoute):
    """Refuses unknown and repeated query parameters, and bodies that are not JSON, before anything else is done."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Give what answers a request."""
        handle = super().get_route_handler()
        single, many = _query_names(self.dependant)
        takes_body = self.body_field is not None

        async def strict(request: Request) -> Response:
            check_query(request.query_params.multi_items(), single=single, many=many)
            if takes_body:
                check_body(request.headers)
            return await handle(JsonRequest(request.scope, request.receive))

        return strict


def new_router(tag: str) -> APIRouter:
    """Give a router whose routes are read strictly, documented under a tag and named as their functions are."""
    return APIRouter(route_class=StrictRoute, tags=[tag], generate_unique_id_function=lambda route: route.name)


def check_query(given: Sequence[tuple[str, str]], *, single: Collection[str], many: Collection[str]) -> None:
    """Raise InvalidRequestError for parameters that are unknown, or given twice and may not be."""
    seen: set[str] = set()
    problems = []
    for name, _ in given:
        if name not in single and name not in many:
            problems.append(unknown("query parameter", name, [*single, *many]))
        elif name in seen and name in single:
            problems.append(Problem(message=f"query parameter {name!r} is given more than once"))
        seen.add(name)
    if problems:
        raise InvalidRequestError("the query cannot be understood", problems=problems)


def check_body(headers: Mapping[str, str]) -> None:
    """Raise HTTPException 415 for a body that is not JSON as it is, without any coding."""
    if not _is_json(headers.get("content-type")):
        raise HTTPException(415, "the body must be application/json")
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise HTTPException(415, "the body must not be compressed", headers={"Accept-Encoding": "identity"})


def unknown(what: str, name: str, known: Collection[str]) -> Problem:
    """Say that a name is unknown, and which one may have been meant."""
    listed = f"known are {', '.join(sorted(known))}" if known else "none is known here"
    return Problem(message=f"unknown {what} {name[:80]!r}", hint=did_you_mean(name[:80], sorted(known)) or listed)


def _query_names(dependant: Dependant) -> tuple[frozenset[str], frozenset[str]]:
    """Give the names of the query parameters that may stand once, and of those that may be repeated."""
    single: set[str] = set()
    many: set[str] = set()
    for each in (dependant, *_all_of(dependant)):
        for field in each.query_params:
            (many if _is_many(field.field_info.annotation) else single).add(field.alias)
    return frozenset(single), frozenset(many)


def _is_many(annotation: Any) -> bool:
    """Say whether a list is among the types a parameter may have."""
    return any(get_origin(each) in _MANY for each in (annotation, *get_args(annotation)))


def _all_of(dependant: Dependant) -> list[Dependant]:
    return [each for child in dependant.dependencies for each in (child, *_all_of(child))]


def _is_json(content_type: str | None) -> bool:
    message = Message()
    message["content-type"] = content_type or ""
    subtype = message.get_content_subtype()
    return message.get_content_maintype() == "application" and (subtype == "json" or subtype.endswith("+json"))
