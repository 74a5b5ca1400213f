"""``jobhost runs``: what ran, what runs, and steering it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from uuid import UUID

import click

from host.cli.connect import ConnectedHost
from host.cli.find import find_run, now
from host.cli.options import json_option, on_host
from host.cli.output import (
    Cell,
    is_narrow,
    is_wide,
    joined,
    print_json,
    print_json_line,
    print_line,
    print_table,
    state_of,
)
from host.cli.run_filters import Narrowing, run_filters
from host.cli.run_log import log_line
from host.cli.runs_show import job_name, print_run
from host.cli.runs_steer import amend, cancel, release, retry
from host.cli.text import clean, duration, relative, short_id
from host.cli.watch import changes, follow_log, newest_change
from host.model.jobs import JobInfo
from host.model.logs import RunLogLine
from host.model.masking import without_secrets
from host.model.runs import DEFAULT_TENANT, JobRun, RunFilter, RunPage, RunState

PATIENCE_SECONDS = 5.0
"""How long a listing reads on to fill its page."""

run_argument = click.argument("run")


@click.group()
def runs() -> None:
    """See, follow, cancel, retry and release runs.

    RUN is a run's id, or enough digits of its beginning or end to tell it from the other recent ones.
    """


@runs.command("list")
@run_filters(frozenset(RunState))
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many.")
@click.option("--cursor", help="Go on after a page, by the cursor it ended with.")
@json_option
@on_host
async def list_runs(
    host: ConnectedHost, *, narrowing: Narrowing, limit: int, cursor: str | None, as_json: bool
) -> None:
    """List runs, newest first."""
    page = await _page(host, await narrowing.filter(host), cursor, limit)
    jobs = {info.id: info for info in await host.jobs.jobs()}
    found = without_secrets(page.runs, jobs.values())
    if as_json:
        print_json({"runs": found, "next_cursor": page.next_cursor})
        return
    columns = _columns(found)
    rows = [[cell for name, cell in _row(run, jobs).items() if name in columns] for run in found]
    empty = "no run" if cursor is None else "no more run"
    print_table(columns, rows, empty=empty, texts=("JOB", "STATUS"), is_cut=True)
    if page.next_cursor:
        print_line(f"more: --cursor {page.next_cursor}")


@runs.command()
@run_argument
@click.option("--tracebacks", is_flag=True, help="The traceback of every attempt, not of the latest only.")
@json_option
@on_host
async def show(host: ConnectedHost, *, run: str, tracebacks: bool, as_json: bool) -> None:
    """Show a run: its times, its parameters, its result and its attempts."""
    jobs = {info.id: info for info in await host.jobs.jobs()}
    (found,) = without_secrets([await find_run(host, run)], jobs.values())
    if as_json:
        print_json(found)
    else:
        print_run(found, job_name(found, jobs), all_tracebacks=tracebacks)


@runs.command()
@run_argument
@click.option("--follow", is_flag=True, help="Go on until the run ends.")
@json_option
@on_host
async def log(host: ConnectedHost, *, run: str, follow: bool, as_json: bool) -> None:
    """Print what a run has written.

    With --json an array, with --follow one object a line.
    """
    found = await find_run(host, run)

    def saw(line: RunLogLine) -> None:
        print_json_line(line) if as_json else print_line(log_line(line))

    if follow:
        await follow_log(host, found.id, saw)
        return
    written: list[RunLogLine] = []
    while lines := await host.log.read(found.id, after=written[-1].number if written else 0):
        written.extend(lines)
    if as_json:
        print_json(written)
        return
    for line in written:
        saw(line)


@runs.command()
@click.argument("run", required=False)
@json_option
@on_host
async def follow(host: ConnectedHost, *, run: str | None, as_json: bool) -> None:
    """Print changes of all runs as they come, or of one until it ends.

    With --json one object a line.
    """
    known = {info.id: info for info in await host.jobs.jobs()}
    found = await find_run(host, run) if run else None
    after = found.change - 1 if found else await newest_change(host)
    async for changed in changes(host, after):
        if found is None or changed.id == found.id:
            (shown,) = without_secrets([changed], known.values())
            print_json_line(shown) if as_json else print_line(_change_line(shown, known))
            if found and changed.state.is_final:
                return


for command in (cancel, retry, release, amend):
    runs.add_command(command)


async def _page(host: ConnectedHost, where: RunFilter, cursor: str | None, limit: int) -> RunPage:
    """Give a page, read on for a while where few runs pass the filter and the host's own pages are short."""
    found: list[JobRun] = []
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        page = await host.runs.runs(where, cursor=cursor, limit=limit - len(found))
        found += page.runs
        cursor = page.next_cursor
        if cursor is None or len(found) >= limit or time.monotonic() > end:
            return RunPage(runs=tuple(found), next_cursor=cursor)


def _columns(runs: Sequence[JobRun]) -> list[str]:
    columns = ["RUN", "JOB", "STATE", "WHEN", "STATUS"]
    if is_narrow():
        return columns
    has_tenants = any(run.tenant != DEFAULT_TENANT for run in runs)
    more = (["TENANT"] if has_tenants else []) + (["BY"] if is_wide() else [])
    return [*columns[:4], *more, "TOOK", "STATUS"]


def _row(run: JobRun, jobs: Mapping[UUID, JobInfo]) -> dict[str, Cell]:
    return {
        "RUN": short_id(run.id),
        "JOB": job_name(run, jobs),
        "STATE": state_of(run),
        "WHEN": relative(run.created_at, now()),
        "TENANT": run.tenant,
        "BY": run.owner or "-",
        "TOOK": duration(run.duration) if run.duration is not None else "-",
        "STATUS": _status(run),
    }


def _status(run: JobRun) -> str:
    due = f"due {relative(run.not_before, now())}" if run.state is RunState.SCHEDULED and run.not_before else ""
    error = run.errors[-1].error if run.errors and run.state is not RunState.COMPLETED else ""
    return "; ".join(part for part in (due, " ".join((run.status_text or error).split())) if part)


def _change_line(run: JobRun, jobs: Mapping[UUID, JobInfo]) -> Cell:
    text = f"  {clean(run.status_text)}" if run.status_text else ""
    head = f"{run.updated_at.astimezone():%H:%M:%S} {short_id(run.id)} {clean(job_name(run, jobs))}  "
    return joined(head, state_of(run), text)
