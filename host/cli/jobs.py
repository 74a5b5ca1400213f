"""``jobhost jobs``: what jobs there are, and starting, cancelling and pausing them."""

from __future__ import annotations

import json
from datetime import timedelta

import click

from host.cli.connect import ConnectedHost
from host.cli.find import now, user
from host.cli.inputs import Duration
from host.cli.options import json_option, on_host
from host.cli.output import Cell, failure, heading, print_facts, print_json, print_line, print_table, state_of
from host.cli.parameters import job_without_secrets, read_parameters, without_secrets
from host.cli.text import duration, local_time, relative, short_id
from host.cli.watch import ending_of, show_progress
from host.errors import InvalidRequestError, RunNotFoundError
from host.model.jobs import JobInfo, JobParameter
from host.model.runs import JobRun, RunState
from host.model.submissions import RunSubmission
from host.wire import to_wire

job_argument = click.argument("job")


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
    rows = [_row(job, latest.get(job.id)) for job in registered]
    print_table(("NAME", "JOB", "LATEST RUN", "WHEN"), rows, empty="no job is registered", texts=("JOB",))


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
    """Show a job: its parameters, its policies and its latest run."""
    info = job_without_secrets(await host.jobs.get_job(job))
    latest = without_secrets(list((await host.runs.latest([info.id])).values()), [info])
    if as_json:
        print_json({"job": info, "latest_run": latest[0] if latest else None})
        return
    print_facts(_facts(info, latest[0] if latest else None))
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
@click.option("--param", "texts", multiple=True, metavar="NAME=VALUE", help="A parameter, read by its declared type.")
@click.option("--json-param", "jsons", multiple=True, metavar="NAME=JSON", help="A parameter as JSON.")
@click.option("--tenant", default="default", show_default=True, help="For whom the run is.")
@click.option("--priority", type=int, help="Higher goes first.  [default: the job's]")
@click.option("--delay", type=Duration(), help="Start no sooner than after this time.")
@click.option("--wait", is_flag=True, help="Wait for the end; exit status 0 only if it completed.")
@json_option
@on_host
async def start(
    host: ConnectedHost,
    *,
    job: str,
    texts: tuple[str, ...],
    jsons: tuple[str, ...],
    tenant: str,
    priority: int | None,
    delay: timedelta | None,
    wait: bool,
    as_json: bool,
) -> None:
    """Submit a run of a job."""
    info = await host.jobs.get_job(job)
    submission = RunSubmission(
        job=str(info.id),
        parameters=read_parameters(info, texts, jsons),
        tenant=tenant,
        owner=user(),
        priority=priority,
        not_before=now() + delay if delay else None,
    )
    (run_id,) = await host.control.submit([submission])
    run = await show_progress(host, run_id) if wait else await host.runs.run(run_id)
    if run is None:
        raise RunNotFoundError(f"run {run_id} was accepted and is gone")
    if as_json:
        print_json(*without_secrets([run], [info]))
    else:
        print_line(ending_of(run))
        for error in run.errors[-1:] if wait else ():
            print_line(failure((error.traceback or error.error).rstrip()))
    if wait and run.state is not RunState.COMPLETED:
        raise click.exceptions.Exit(1)


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


maybe_job_argument = click.argument("job", required=False)
all_option = click.option("--all", "everything", is_flag=True, help="Everything, not one job.")


@jobs.command()
@maybe_job_argument
@all_option
@click.option("--reason", required=True, help="Why; shown to everybody who wonders.")
@on_host
async def pause(host: ConnectedHost, *, job: str | None, everything: bool, reason: str) -> None:
    """Start no run of a job, or with --all of any job, until it is resumed."""
    scope, name = await _scope(host, job, everything=everything)
    done = await host.control.pause(scope, reason=reason, by=user())
    print_line(f"paused {name}" if done else f"{name} is paused already; its reason stays")


@jobs.command()
@maybe_job_argument
@all_option
@on_host
async def resume(host: ConnectedHost, *, job: str | None, everything: bool) -> None:
    """End a pause of a job, or with --all of everything; fire times inside it are not made up for."""
    scope, name = await _scope(host, job, everything=everything)
    done = await host.control.resume(scope, by=user())
    print_line(f"resumed {name}" if done else f"{name} is not paused")


async def _scope(host: ConnectedHost, job: str | None, *, everything: bool) -> tuple[str, str]:
    if everything == (job is not None):
        raise InvalidRequestError("name a job, or say --all", hint="not both")
    if job is None:
        return "all", "everything"
    info = await host.jobs.get_job(job)
    return f"job:{info.job_type}", info.name


def _row(job: JobInfo, latest: JobRun | None) -> tuple[Cell, ...]:
    when = relative(latest.created_at, now()) if latest else "-"
    return job.name, job.job_type, state_of(latest), when


def _facts(job: JobInfo, latest: JobRun | None) -> list[tuple[str, Cell]]:
    return [
        ("name", job.name),
        ("job", job.job_type),
        ("id", str(job.id)),
        ("description", job.description),
        ("aliases", "\n".join(job.aliases)),
        ("registered by", job.source or "nobody"),
        ("starts", job.start_type.value),
        ("executor", job.executor),
        ("overlap", job.overlap.value),
        ("recovery", job.recovery.value),
        ("attempts", str(job.max_attempts)),
        ("timeout", duration(job.timeout) if job.timeout else "none"),
        ("priority", str(job.priority)),
        ("can be cancelled", "yes" if job.can_cancel else "no"),
        ("latest run", f"{latest.id} {state_of(latest)}" if latest else "never run"),
        ("at", local_time(latest.created_at if latest else None)),
    ]


def _parameter_row(job: JobInfo, parameter: JobParameter) -> tuple[Cell, ...]:
    value = job.configured_parameters.get(parameter.name, parameter.default)
    shown = "-" if value is None else json.dumps(to_wire(value), ensure_ascii=False)
    required = "yes" if parameter.required else "no"
    return parameter.name, parameter.type.value, required, shown, parameter.description
