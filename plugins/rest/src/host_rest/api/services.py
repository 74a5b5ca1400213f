"""What the routes work with, handed to each request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from host.contracts.clock import Clock
from host.contracts.host import HostControl
from host.contracts.http import HttpCall, call_of
from host.contracts.jobs import JobManagerService, RunControl
from host.contracts.logs import RunLog
from host.contracts.runs import JobRunReader
from host.contracts.schedules import JobScheduleManager
from host.contracts.security import AuditTrail
from host.errors import HostUnavailableError
from host.faces.forecast import Forecasts
from host_rest.api.totals import Totals

T = TypeVar("T")

ZONE_SECONDS = 60.0
"""How long the default zone of schedules is taken for granted."""


@dataclass(slots=True, kw_only=True)
class Services:
    """The contracts behind the API."""

    jobs: JobManagerService
    control: RunControl
    schedules: JobScheduleManager
    runs: JobRunReader
    log: RunLog
    host: HostControl
    clock: Clock
    audit: AuditTrail | None
    totals: Totals = field(init=False)
    forecasts: Forecasts = field(init=False)
    _timezone: tuple[str, float] = field(default=("", 0.0), init=False)
    """With when it was asked for."""
    _reckoning: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    def __post_init__(self) -> None:
        self.totals = Totals(self.runs, self.clock)
        self.forecasts = Forecasts(self.runs)

    async def timezone(self) -> str:
        """Give the default zone of schedules; asked again each minute, for it may be that of an upstream.

        Raises HostUnavailableError while nobody knows it.
        """
        known, asked_at = self._timezone
        if not known or time.monotonic() - asked_at > ZONE_SECONDS:
            known = (await self.host.status()).timezone
            self._timezone = known, time.monotonic()
        if not known:
            hint = "it is the upstream's, which does not answer; jobhost status says why"
            raise HostUnavailableError("the zone of schedules is not known", hint=hint)
        return known

    async def reckon(self, work: Callable[[], T]) -> T:
        """Do what takes the processor for a while aside, one after another, so that everybody else is answered."""
        async with self._reckoning:
            return await asyncio.to_thread(work)

    def now(self) -> datetime:
        """Give the present instant by the host's clock."""
        return self.clock.now()


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


async def _call(request: Request) -> HttpCall:
    return call_of(request.scope)


async def _caller(request: Request) -> str | None:
    return call_of(request.scope).caller


async def _base(request: Request) -> str:
    return str(request.scope.get("root_path", ""))


Host = Annotated[Services, Depends(_services)]
"""The contracts."""
Call = Annotated[HttpCall, Depends(_call)]
"""What the server knows of the request."""
Base = Annotated[str, Depends(_base)]
"""Path of the API as the caller sees it."""
By = Annotated[str | None, Depends(_caller)]
"""Who asks, or for whom a program does."""
