"""The host itself: how it is, its plugins, its pauses, reloading and draining it, and who did what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Path, Query, Response
from pydantic import Field, StrictBool

from host.contracts.host import HostState, HostStatus, PluginInfo, ReloadReport
from host.contracts.registry import Pause
from host.errors import UnsupportedOperationError
from host.model.runs import RunCounters
from host.model.security import AuditFilter, AuditOutcome, AuditPage, Policy
from host_rest.api.answers import answer
from host_rest.api.demands import demand
from host_rest.api.inputs import Body, Instant, Reason, Text, Whole
from host_rest.api.jobs import PauseChange
from host_rest.api.services import By, Host
from host_rest.api.statistics import DAY, FailingJobs, failing_since
from host_rest.api.strict import new_router

router = new_router("host")
READ = demand(Policy.READ_SYSTEM_JOBS)
START = demand(Policy.START_SYSTEM_JOB)
ADMINISTER = demand(Policy.UNRESTRICTED_ADMINISTRATION)
WORST = 10
"""Failing jobs that the overview names."""

Scope = Annotated[Text, Field(min_length=1, description="all, job:<job> or schedule:<schedule id>.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The host at a glance."""

    state: HostState
    version: str
    started_at: datetime
    timezone: str
    jobs: int
    """Registered."""
    counters: RunCounters
    failing: FailingJobs
    """Of the last 24 hours, the longest streaks first."""
    pauses: tuple[Pause, ...]
    findings: int
    """Of providers, see the host's status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugins:
    """The installed plugins, also those that failed to load, by name."""

    plugins: tuple[PluginInfo, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """What must not start, oldest first."""

    pauses: tuple[Pause, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draining:
    """The host lets active runs end, then stops."""

    is_begun: bool


class Reloading(Body):
    """Whether to reload, or only to say what would change."""

    dry_run: StrictBool = False


class ScopePausing(Body):
    """What shall not start, and why."""

    scope: Scope
    reason: Reason


@router.get("/overview", response_model=Overview, openapi_extra=READ)
async def overview(host: Host) -> Response:
    """Give the host at a glance, at bounded cost."""
    status = await host.host.status()
    return answer(
        Overview(
            state=status.state,
            version=status.version,
            started_at=status.started_at,
            timezone=status.timezone,
            jobs=len(await host.jobs.jobs()),
            counters=await host.runs.counters(),
            failing=await failing_since(host, host.now() - DAY, limit=WORST),
            pauses=status.pauses,
            findings=sum(len(provider.findings) for provider in status.providers),
        )
    )


@router.get("/host", response_model=HostStatus, openapi_extra=READ)
async def host_status(host: Host) -> Response:
    """Give the host's state, its providers with their health, and its load."""
    return answer(await host.host.status())


@router.get("/host/plugins", response_model=Plugins, openapi_extra=READ)
async def plugins(host: Host) -> Response:
    """List the installed plugins, also those that failed to load."""
    return answer(Plugins(plugins=tuple(await host.host.plugins())))


@router.post("/host/reload", response_model=ReloadReport, openapi_extra=ADMINISTER)
async def reload(host: Host, by: By, body: Reloading) -> Response:
    """Read the configuration again and start afresh with it; ``dry_run`` only says what would change.

    A configuration with problems changes nothing; all of them are told.
    """
    return answer(await host.host.reload(dry_run=body.dry_run, by=by))


@router.post("/host/drain", status_code=202, response_model=Draining, openapi_extra=ADMINISTER)
async def drain(host: Host, by: By) -> Response:
    """Start no run any more, let active ones end within the drain time, then stop the host."""
    await host.host.drain(by=by)
    return answer(Draining(is_begun=True), status=202)


@router.get("/pauses", response_model=Pauses, openapi_extra=READ)
async def pauses(host: Host) -> Response:
    """List all pauses: of everything, of jobs and of schedules."""
    return answer(Pauses(pauses=tuple(await host.host.pauses())))


@router.post("/pauses", status_code=200, response_model=PauseChange, openapi_extra=START)
async def pause(host: Host, by: By, body: ScopePausing) -> Response:
    """Start nothing more of everything, a job or a schedule."""
    changed = await host.control.pause(body.scope, reason=body.reason, by=by)
    return answer(PauseChange(scope=body.scope, changed=changed))


@router.delete("/pauses/{scope}", response_model=PauseChange, openapi_extra=START)
async def resume(
    host: Host, by: By, scope: Annotated[str, Path(max_length=4000, description="As the list of pauses shows it.")]
) -> Response:
    """End a pause; fire times inside it are not made up for."""
    return answer(PauseChange(scope=scope, changed=await host.control.resume(scope, by=by)))


@router.get("/audit", response_model=AuditPage, openapi_extra=ADMINISTER)
async def audit(
    host: Host,
    by: Annotated[str | None, Query(max_length=200)] = None,
    face: Annotated[str | None, Query(max_length=50)] = None,
    outcome: AuditOutcome | None = None,
    since: Annotated[Instant | None, Query(description="Inclusive.")] = None,
    until: Annotated[Instant | None, Query(description="Exclusive.")] = None,
    text: Annotated[str | None, Query(max_length=200, description="Part of the action or the target.")] = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[Whole, Query(ge=1, le=1000)] = 50,
) -> Response:
    """List who did what, newest first."""
    if host.audit is None:
        raise UnsupportedOperationError("this host keeps no audit trail")
    where = AuditFilter(by=by, face=face, outcome=outcome, since=since, until=until, text=text)
    return answer(await host.audit.events(where, cursor=cursor, limit=limit))
