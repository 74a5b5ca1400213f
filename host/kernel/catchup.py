"""What a host would catch up if it started now."""

from __future__ import annotations

from pathlib import Path

from host.contracts.clock import Clock
from host.contracts.engine import JobDirectory, Scheduler
from host.contracts.runs import JobRunReader, JobRunWriter
from host.engine.planned import PlannedSchedule, plan_schedules
from host.errors import HostError
from host.kernel.host import Host
from host.kernel.lifecycle import Lifecycle
from host.model.counts import counted
from host.model.runs import FINAL_STATES, RunState
from host.triggers import describe

UNFINISHED = sorted(frozenset(RunState) - FINAL_STATES)


async def foresee_catch_up(config: Path) -> tuple[str, ...]:
    """Give a line for each schedule with missed fire times, and one for unfinished runs; nothing runs meanwhile."""
    host = Host.from_file(config)
    lifecycle = Lifecycle(host.services_below(JobDirectory, JobRunWriter))
    await lifecycle.start()
    try:
        return (*await _unfinished(host), *await _missed(host))
    finally:
        await lifecycle.stop()


async def _unfinished(host: Host) -> list[str]:
    counters = await host.get(JobRunReader).counters()
    counts = [f"{counters.by_state[state]} {state.value}" for state in UNFINISHED if counters.by_state.get(state)]
    return [f"unfinished runs: {', '.join(counts)}"] if counts else []


async def _missed(host: Host) -> list[str]:
    timezone = host.get(Scheduler).timezone()
    planned: list[PlannedSchedule] = []
    lines: list[str] = []
    for job, entry in await host.get(JobDirectory).all_schedules():
        try:
            planned.extend(plan_schedules(job, entry, timezone))
        except HostError as error:
            lines.append(f"{job.job_type}: {error}")
    cursors = await host.get(JobRunWriter).adopt({plan.id: plan.version for plan in planned})
    now = host.get(Clock).now()
    for plan in planned:
        plan.adopt(cursors[plan.id], timezone)
        if not plan.awaits_end:
            plan.advance()
        fires, missed = plan.missed(now)
        if fires:
            words = describe(plan.schedule, default_timezone=timezone)
            lines.append(f"{plan.job.job_type} ({words}): {counted(fires, 'run')} for {counted(missed, 'fire time')}")
    return lines
