"""The FastAPI application: all resources, one way to fail, one document."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import FastAPI, Request, Response

from host.model.security import Access
from host_rest.api import (
    all_statistics,
    bulk,
    in_force,
    jobs,
    operations,
    replicas,
    runs,
    schedule_tools,
    schedules,
    statistics,
    stored,
    submissions,
)
from host_rest.api.answers import answer
from host_rest.api.demands import demand
from host_rest.api.document import document_of
from host_rest.api.faults import answer_faults
from host_rest.api.services import Services
from host_rest.api.strict import new_router

_meta = new_router("meta")
ROUTERS = (
    jobs.router,
    schedules.router,
    schedule_tools.router,
    stored.router,
    submissions.router,
    bulk.router,
    runs.router,
    statistics.router,
    replicas.router,
    in_force.router,
    all_statistics.router,
    operations.router,
    _meta,
)


@_meta.get("/openapi.json", response_model=dict[str, Any], openapi_extra=demand(Access.AUTHENTICATED))
async def openapi(request: Request) -> Response:
    """Give this document."""
    state = request.app.state
    if state.document is None:
        state.document = await asyncio.to_thread(document_of, request.app)
    return answer(state.document)


def build_app(services: Services) -> FastAPI:
    """Build the application over these contracts; its routes are those of all resources."""
    app = FastAPI(title="jobhost", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.services = services
    app.state.document = None
    for router in ROUTERS:
        app.router.routes.extend(router.routes)
    answer_faults(app)
    return app
