"""``jobhost jobs``: what jobs there are, and starting, cancelling and pausing them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from host.cli.complete import complete_job
from host.cli.connect import ConnectedHost
from host.cli.find import now, user
from host.cli.job_words import attempts_in_words
from host.cli.jobs_pause import pause, pauses, resume
from host.cli.jobs_start import start
from host.cli.options import json_option, on_host
from host.cli.output import (
    Cell,
    failure,
    heading,
    joined,
    print_facts,
    print_json,
    print_line,
    print_table,
    state_of,
    warning,
)
from host.cli.pauses import EVERYTHING, job_scope, paused_scopes
from host.cli.text import duration, local_time, relative, short_id
from host.cli.upcoming import describe_rule, fire_words, next_fires
from host.contracts.host import HostStatus
from host.errors import UnsupportedOperationError
from host.model.jobs import JobInfo, JobParameter
from host.model.masking import job_without_secrets, without_secrets
from host.model.runs import JobRun
from host.wire import to_wire

if TYPE_CHECKING:
    from host.triggers import NextFire

job_argument = click.argument("job", shell_complete=complete_job)


@click.group()
def jobs() -> None:
    """See, register, start, cancel and pause jobs.

    JOB is a job's id, its type name or one of its aliases.
    """


@jobs.command("list")
@json_option
@on_host
async def list_jobs(host: ConnectedHost, *, as_json: bool) -> None:
    """List the registered jobs and their latest runs."""
    registered = await host.jobs.jobs()
    if as_json:
        print_json([job_without_secrets(job) for job in registered])
        return
    latest = await host.runs.latest([job.id for job in registered])
    paused = paused_scopes(await host.host.status())
    if EVERYTHING in paused:
        print_line(warning(f"everything is paused: {paused[EVERYTHING]}"))
    rows = [_row(job, latest.get(job.id), is_paused=job_scope(job) in paused) for job in registered]
    print_table(("NAME", "JOB", "LATEST RUN", "WHEN"), rows, empty="no job is registered", texts=("NAME", "JOB"))


@jobs.command()
@json_option
@on_host
async def available(host: ConnectedHost, *, as_json: bool) -> None:
    """List the jobs that plugins offer and nobody has registered."""
    offered = await host.jobs.get_available_jobs()
    if as_json:
        print_json([job_without_secrets(job) for job in offered])
        return
    rows = [(job.name, job.job_type, job.description) for job in offered]
    print_table(("NAME", "JOB", "DESCRIPTION"), rows, empty="every offered job is registered", texts=("DESCRIPTION",))


@jobs.command()
@job_argument
@json_option
@on_host
async def show(host: ConnectedHost, *, job: str, as_json: bool) -> None:
    """Show a job: its parameters, its policies, its schedules and its latest run."""
    info = job_without_secrets(await host.jobs.get_job(job))
    latest = without_secrets(list((await host.runs.latest([info.id])).values()), [info])
    if as_json:
        print_json({"job": info, "latest_run": latest[0] if latest else None})
        return
    status = await host.host.status()
    print_facts([*_identity(info), *_policies(info, status), *await _standing(host, info, status, [*latest])])
    if info.parameters:
        heading("Parameters")
        rows = [_parameter_row(info, parameter) for parameter in info.parameters]
        print_table(("NAME", "TYPE", "REQUIRED", "VALUE", "DESCRIPTION"), rows, empty="", texts=("DESCRIPTION",))


@jobs.command()
@job_argument
@json_option
@on_host
async def register(host: ConnectedHost, *, job: str, as_json: bool) -> None:
    """Register an offered job for good; it runs when started or scheduled."""
    info = await host.jobs.register_job(job)
    if as_json:
        print_json(job_without_secrets(info))
    else:
        print_line(f"registered {info.name} as {info.job_type}")


@jobs.command()
@job_argument
@json_option
@on_host
async def cancel(host: ConnectedHost, *, job: str, as_json: bool) -> None:
    """Ask every unfinished run of a job to stop."""
    results = await host.jobs.cancel_job(job, by=user())
    if as_json:
        print_json(results)
        return
    rows = [(short_id(result.run_id), result.state.value) for result in results]
    print_table(("RUN", "STATE"), rows, empty="the job has no unfinished run", texts=("STATE",))


for command in (start, pause, resume, pauses):
    jobs.add_command(command)


def _row(job: JobInfo, latest: JobRun | None, *, is_paused: bool) -> tuple[Cell, ...]:
    when = relative(latest.created_at, now()) if latest else "-"
    name = joined(job.name, warning("  PAUSED")) if is_paused else job.name
    return name, job.job_type, state_of(latest), when


def _identity(job: JobInfo) -> list[tuple[str, Cell]]:
    return [
        ("name", job.name),
        ("job", job.job_type),
        ("id", str(job.id)),
        ("description", job.description),
        ("aliases", "\n".join(job.aliases)),
        ("registered by", job.source or "nobody"),
    ]


def _policies(job: JobInfo, status: HostStatus) -> list[tuple[str, Cell]]:
    effect = next((each.cancel_effect for each in status.executors if each.name == job.executor), None)
    return [
        ("starts", job.start_type.value),
        ("executor", job.executor if effect or not status.executors else warning(_missing(job.executor))),
        ("cancel, timeout", effect or "-"),
        ("can be cancelled", "yes" if job.can_cancel else "no"),
        ("timeout", duration(job.timeout) if job.timeout else "none"),
        ("overlap", job.overlap.value),
        ("recovery", job.recovery.value),
        ("attempts", attempts_in_words(job)),
        ("priority", str(job.priority)),
    ]


def _missing(executor: str) -> str:
    return f"{executor}, which this host has not"


async def _standing(
    host: ConnectedHost, job: JobInfo, status: HostStatus, latest: Sequence[JobRun]
) -> list[tuple[str, Cell]]:
    paused = paused_scopes(status)
    reason = paused.get(job_scope(job)) or (f"everything: {paused[EVERYTHING]}" if EVERYTHING in paused else None)
    failing = await _failing(host, job)
    entry = await host.jobs.get_job_schedules(job.job_type)
    fires = await next_fires(host, job, entry, status.timezone)
    return [
        ("paused", warning(reason) if reason else "-"),
        ("failing", failure(f"{failing} runs in a row") if failing > 1 else "-"),
        ("schedules", "\n".join(describe_rule(rule, status.timezone) for rule in entry.schedules) or "none"),
        ("next fire time", _soonest(fires)),
        ("latest run", joined(f"{latest[0].id}  ", state_of(latest[0])) if latest else "never run"),
        ("at", local_time(latest[0].created_at if latest else None)),
    ]


def _soonest(fires: Sequence[NextFire]) -> str:
    known = [fire.at for fire in fires if fire.at]
    return local_time(min(known)) if known else " or ".join(map(fire_words, fires)) or "-"


async def _failing(host: ConnectedHost, job: JobInfo) -> int:
    try:
        return (await host.runs.failing([job.id])).get(job.id, 0)
    except UnsupportedOperationError:  # an upstream may not tell
        return 0


def _parameter_row(job: JobInfo, parameter: JobParameter) -> tuple[Cell, ...]:
    value = job.configured_parameters.get(parameter.name, parameter.default)
    shown = "-" if value is None else json.dumps(to_wire(value), ensure_ascii=False)
    required = "yes" if parameter.required else "no"
    return parameter.name, parameter.type.value, required, shown, parameter.description
