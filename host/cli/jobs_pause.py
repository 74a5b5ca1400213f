"""``jobhost jobs pause|resume|pauses``: what must not start."""

from __future__ import annotations

import click

from host.cli.complete import complete_job
from host.cli.connect import ConnectedHost
from host.cli.find import now, user
from host.cli.options import json_option, on_host
from host.cli.output import print_json, print_line, print_table
from host.cli.pauses import EVERYTHING, job_scope, names_of_scopes, paused_scopes
from host.cli.text import relative
from host.errors import InvalidRequestError, JobNotFoundError

maybe_job_argument = click.argument("job", required=False, shell_complete=complete_job)
all_option = click.option("--all", "everything", is_flag=True, help="Everything, not one job.")


@click.command()
@maybe_job_argument
@all_option
@click.option("--reason", required=True, help="Why; shown to everybody who wonders.")
@on_host
async def pause(host: ConnectedHost, *, job: str | None, everything: bool, reason: str) -> None:
    """Start no run of a job, or with --all of any job, until it is resumed."""
    scope, name = await _scope(host, job, everything=everything)
    done = await host.control.pause(scope, reason=reason, by=user())
    print_line(f"paused {name}" if done else f"{name} is paused already; its reason stays")


@click.command()
@maybe_job_argument
@all_option
@on_host
async def resume(host: ConnectedHost, *, job: str | None, everything: bool) -> None:
    """End a pause of a job, or with --all of everything.

    Fire times inside it are not made up for.
    """
    try:
        scope, name = await _scope(host, job, everything=everything)
    except JobNotFoundError:
        scope, name = f"job:{job}", str(job)  # a pause may outlast its job
        if scope not in paused_scopes(await host.host.status()):
            raise
    done = await host.control.resume(scope, by=user())
    print_line(f"resumed {name}" if done else f"{name} is not paused")


@click.command()
@json_option
@on_host
async def pauses(host: ConnectedHost, *, as_json: bool) -> None:
    """List all pauses: of everything, of jobs and of schedules."""
    found = await host.host.pauses()
    if as_json:
        print_json(found)
        return
    names = await names_of_scopes(host, [pause.scope for pause in found])
    rows = [(names[p.scope], p.by or "-", relative(p.at, now()), p.reason, p.scope) for p in found]
    columns = ("PAUSED", "BY", "SINCE", "REASON", "SCOPE")
    print_table(columns, rows, empty="nothing is paused", texts=("SCOPE", "REASON"))


async def _scope(host: ConnectedHost, job: str | None, *, everything: bool) -> tuple[str, str]:
    if everything == (job is not None):
        raise InvalidRequestError("name a job, or say --all", hint="not both")
    if job is None:
        return EVERYTHING, "everything"
    info = await host.jobs.get_job(job)
    return job_scope(info), info.name
