"""What each route demands of its caller: said once where the route is declared, documented, and told to the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from host.contracts.http import HttpRule
from host.model.security import Access, Policy

SCHEME = "oauth2"
"""Name of the security scheme in the OpenAPI document."""
_DEMAND, _AUDITED, _BODY = "x-policy", "x-audited", "x-max-body-bytes"


def demand(
    what: Policy | Access, *, is_audited: bool | None = None, max_body_bytes: int | None = None
) -> dict[str, Any]:
    """Give a route's ``openapi_extra``: what it demands; ``is_audited`` and ``max_body_bytes`` as in ``HttpRule``."""
    extra: dict[str, Any] = {_DEMAND: what.name}
    if what is not Access.PUBLIC:
        extra["security"] = [{SCHEME: [what.value] if isinstance(what, Policy) else []}]
    if is_audited is not None:
        extra[_AUDITED] = is_audited
    if max_body_bytes is not None:
        extra[_BODY] = max_body_bytes
    return extra


def routes_of(app: FastAPI) -> Sequence[APIRoute]:
    """Give the routes of the API, in the order they were declared."""
    return [route for route in app.routes if isinstance(route, APIRoute)]


def rules_of(app: FastAPI) -> Sequence[HttpRule]:
    """Give the rules of all routes; HEAD goes with GET. Raises ValueError for a route that demands nothing."""
    return [_rule(route) for route in routes_of(app)]


def _rule(route: APIRoute) -> HttpRule:
    extra = route.openapi_extra or {}
    name = extra.get(_DEMAND)
    if name is None:
        raise ValueError(f"{route.path} says nothing of what it demands; declare it with openapi_extra=demand(…)")
    methods = frozenset(route.methods or ())
    return HttpRule(
        methods=methods | {"HEAD"} if "GET" in methods else methods,
        path=route.path_format,
        demand=Policy[name] if name in Policy.__members__ else Access[name],
        name=f"{min(methods)} {route.path_format}",
        is_audited=extra.get(_AUDITED),
        max_body_bytes=extra.get(_BODY),
    )
