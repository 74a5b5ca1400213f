"""The overview: how the host is, at a glance."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID
from zoneinfo import ZoneInfo

from starlette.responses import Response

from host.contracts.host import HostStatus
from host.contracts.registry import Pause
from host.faces.outlook import ComingFire, NextFires
from host.faces.throughput import Span
from host.model.runs import ACTIVE_STATES, JobRun, RunFilter, RunState
from host_panel.attention import Found, Seen, items_of
from host_panel.charts import outcome_links, throughput_chart
from host_panel.desk import UNKNOWN_ZONE, Desk
from host_panel.pages import Screens
from host_panel.pauses import EVERYTHING, job_scope, named_pauses, schedule_scope
from host_panel.reckonings import DAY, PATIENCE_SECONDS
from host_panel.requests import PanelRequest

screens = Screens()
FIRES = 10
RUNNING = 10
MOST_LOOKED_AT = 500
"""Active runs among which stuck ones are looked for, where an executor tells that there are some."""
MOST_LOOKED_AT_THERE = 100
"""The same where an upstream performs the runs, of whose executors nothing is told."""
SPANS: Mapping[str, Span] = {"1h": Span.HOUR, "24h": Span.DAY, "7d": Span.WEEK}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Active:
    """What runs now."""

    runs: Sequence[JobRun]
    names: Mapping[UUID, str]
    is_more: bool


@screens.get("/")
async def show_overview(desk: Desk, request: PanelRequest) -> Response:
    """Show how the host is."""
    span = SPANS.get(request.query("span"), Span.DAY)
    known = desk.known
    status = await known.ask("the host's state", desk.status())
    pauses = status.value.pauses if status.value else ()
    counters, day, steps, active, fires, found = await asyncio.gather(
        known.ask("what is unfinished", desk.runs.counters()),
        known.ask("the last 24 hours", desk.reckonings.day.look(patience_seconds=PATIENCE_SECONDS)),
        known.ask(
            f"throughput ({span.words})", desk.reckonings.throughput.look(span, patience_seconds=PATIENCE_SECONDS)
        ),
        known.ask("what runs now", _active(desk)),
        known.ask("the next fire times", _next_fires(desk, pauses)),
        known.ask("stuck and quarantined runs", _found(desk, status.value)),
    )
    parts = (status, counters, day, steps, active, fires, found)
    failing = day.value.value.failing if day.value else ()
    seen = Seen(
        status=status.value,
        troubles={part.name: part.trouble for part in parts if part.trouble},
        counters=counters.value,
        failing=failing,
        found=found.value or Found(),
    )
    now, zone = desk.now(), (status.value.timezone if status.value else "") or UNKNOWN_ZONE
    since = f"{(now - DAY).astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M}"
    return desk.renderer.page(
        request,
        "overview.html",
        host=status.value,
        counters=counters,
        day=day,
        active_runs=active,
        fires=fires,
        items=items_of(seen, now),
        is_all_paused=any(pause.scope == EVERYTHING for pause in pauses),
        chart=throughput_chart(steps.value or (), span, zone=zone, url=lambda path: f"{request.base}{path}"),
        chart_part=steps,
        outcomes=outcome_links(),
        span=span,
        spans=SPANS,
        since=since,
        slots=sum(each.slots for each in status.value.executors) if status.value else 0,
    )


async def _active(desk: Desk) -> _Active:
    page = await desk.runs.runs(RunFilter(states=ACTIVE_STATES), limit=RUNNING)
    return _Active(runs=page.runs, names=await desk.names_of(page.runs), is_more=page.next_cursor is not None)


async def _next_fires(desk: Desk, pauses: Sequence[Pause]) -> NextFires | None:
    """Give the fire times to come of what is not paused; None where everything is."""
    scopes = {pause.scope for pause in pauses}
    if EVERYTHING in scopes:
        return None

    def is_shown(fire: ComingFire) -> bool:
        return job_scope(fire.job) not in scopes and schedule_scope(fire.schedule_id) not in scopes

    look = desk.reckonings.outlook.look
    if scopes:
        return await look(FIRES, patience_seconds=PATIENCE_SECONDS, is_shown=is_shown)
    return await look(FIRES, patience_seconds=PATIENCE_SECONDS)


async def _found(desk: Desk, status: HostStatus | None) -> Found:
    """Find the runs behind what the status tells."""
    if status is None:
        return Found()
    pauses = await named_pauses(desk, status.pauses)
    ids = [each.job.id for each in pauses if each.job and each.is_quarantine]
    quarantined = await desk.runs.latest(ids, [RunState.QUARANTINED]) if ids else {}
    stuck: Sequence[JobRun] = ()
    if any(each.stuck for each in status.executors) or not status.executors:
        limit = MOST_LOOKED_AT if status.executors else MOST_LOOKED_AT_THERE
        page = await desk.runs.runs(RunFilter(states=ACTIVE_STATES), limit=limit)
        stuck = [run for run in page.runs if run.is_stuck][:RUNNING]
    return Found(stuck=stuck, names=await desk.names_of(stuck), pauses=pauses, quarantined=quarantined)
