"""What a doctor asks a running host."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

from host.cli.connect import ConnectedHost
from host.cli.diagnosis import Diagnosis, failed, look, well
from host.cli.doctor_machine import started_by_uptime
from host.cli.doctor_stores import crashed_runs
from host.cli.find import now
from host.cli.pauses import names_of_scopes, paused_scopes
from host.cli.text import duration, relative, short_id
from host.cli.upcoming import describe_rule, next_fires
from host.contracts.host import HostState, HostStatus
from host.errors import HostError, UnsupportedOperationError
from host.model.runs import RunFilter, RunState

LATE = timedelta(minutes=5)
STEP = timedelta(minutes=1)
LONGEST_START = timedelta(minutes=10)
FAILURES = 3
"""So many failures in a row are worth a look."""
LOOKED_AT = 1000
"""Runs looked at for stuck ones, and for ones that crashed."""


async def look_at_host(host: ConnectedHost, status: HostStatus) -> AsyncIterator[Diagnosis]:
    """Look at what only the running host knows; what it cannot tell is a finding too."""
    yield _state(status)
    for finding in _providers(status):
        yield finding
    yield _clock_steps(status)
    for question in (_pauses, _schedules, _stuck, _crashed, _late, _failing):
        try:
            async for finding in question(host, status):
                yield finding
        except UnsupportedOperationError:
            continue  # an upstream may not tell
        except HostError as error:
            yield failed(question.__name__.strip("_"), f"the host cannot say: {error.message}", error.hint)


def _state(status: HostStatus) -> Diagnosis:
    age = duration(now() - status.started_at)
    text = f"{status.state.value} for {age}, process {status.pid}, version {status.version}"
    if status.last_reload is not None and status.last_reload.error is not None:
        return look("host", f"{text}; the last reload failed: {status.last_reload.error}", "jobhost check")
    if status.state is not HostState.READY:
        return look("host", text, "it starts nothing now")
    return well("host", text)


def _providers(status: HostStatus) -> list[Diagnosis]:
    pauses = tuple(f"{scope} is paused" for scope in paused_scopes(status))  # told on their own below
    found = [
        (provider.type.rpartition(":")[2], each)
        for provider in status.providers
        for each in provider.findings
        if not each.message.startswith(pauses)
    ]
    if not found:
        return [well("providers", f"{len(status.providers)}, all well")]
    return [(failed if each.is_failure else look)(f"provider {name}", each.message) for name, each in found]


def _clock_steps(status: HostStatus) -> Diagnosis:
    began = started_by_uptime(status.pid)
    # The host notes its start when it is ready, after its process began: at a reload long after.
    longest = None if status.last_reload else LONGEST_START
    step = status.started_at - began if began else timedelta(0)
    if step < -STEP:
        return look("clock steps", f"it was set on by about {duration(step)} since the host started", "look at NTP")
    if longest is not None and step > longest:
        return look("clock steps", f"it was set back by about {duration(step)} since the host started", "look at NTP")
    return well("clock steps", "none since the host started")


async def _pauses(host: ConnectedHost, status: HostStatus) -> AsyncIterator[Diagnosis]:
    paused = paused_scopes(status)
    names = await names_of_scopes(host, paused)
    for scope, reason in paused.items():
        yield look("pauses", f"{names[scope]}: {reason}", "jobhost jobs pauses")
    if not paused:
        yield well("pauses", "none")


async def _schedules(host: ConnectedHost, status: HostStatus) -> AsyncIterator[Diagnosis]:
    number = 0
    is_well = True
    for job in await host.jobs.jobs():
        entry = await host.jobs.get_job_schedules(job.job_type)
        number += len(entry.schedules)
        try:
            words = [describe_rule(rule, status.timezone) for rule in entry.schedules]
            fires = await next_fires(host, job, entry, status.timezone)
        except HostError as error:
            is_well = False
            yield failed("schedules", f"{job.name}: {error.message}", error.hint or entry.source)
            continue
        for rule, fire in zip(words, fires, strict=True):
            if fire.is_over:
                is_well = False
                yield look("schedules", f"{job.name}: {rule}: never fires again", "jobhost schedule remove")
    if is_well:
        yield well("schedules", f"{number}, all well")


async def _stuck(host: ConnectedHost, _: HostStatus) -> AsyncIterator[Diagnosis]:
    page = await host.runs.runs(RunFilter(states=frozenset({RunState.RUNNING})), limit=LOOKED_AT)
    stuck = [run for run in page.runs if run.is_stuck]
    for run in stuck:
        message = f"run {short_id(run.id)} of {run.job_type} ignores its cancellation or timeout"
        yield look("stuck runs", message, f"jobhost runs show {short_id(run.id)}; a restart of the host ends it")
    if not stuck:
        yield well("stuck runs", "none")


async def _crashed(host: ConnectedHost, _: HostStatus) -> AsyncIterator[Diagnosis]:
    unfinished = frozenset(state for state in RunState if not state.is_final)
    page = await host.runs.runs(RunFilter(states=unfinished), limit=LOOKED_AT)
    times: dict[str, int] = {}
    for run in page.runs:
        if run.crashes:
            times[run.job_type] = max(run.crashes, times.get(run.job_type, 0))
    for finding in crashed_runs(times):
        yield finding


async def _late(host: ConnectedHost, status: HostStatus) -> AsyncIterator[Diagnosis]:
    counters = await host.runs.counters()
    full = [f"{each.name} {each.busy} of {each.slots}" for each in status.executors if each.busy >= each.slots]
    oldest = counters.oldest_due_at
    if oldest is None or now() - oldest < LATE:
        queued = counters.by_state.get(RunState.QUEUED, 0)
        yield well("late runs", f"none; {queued} queued")
    else:
        where = f"executors full: {', '.join(full)}" if full else "jobhost runs list --state queued"
        yield look("late runs", f"the oldest was due {relative(oldest, now())}", where)


async def _failing(host: ConnectedHost, _: HostStatus) -> AsyncIterator[Diagnosis]:
    jobs = {job.id: job for job in await host.jobs.jobs()}
    streaks = await host.runs.failing(list(jobs))
    failing = {jobs[identity].name: streak for identity, streak in streaks.items() if streak >= FAILURES}
    for name, streak in failing.items():
        yield look(
            "failing jobs", f"{name}: its last {streak} runs failed", f"jobhost runs list --job '{name}' --state failed"
        )
    if not failing:
        yield well("failing jobs", f"none of {len(jobs)}")
