"""``jobhost runs``: what ran, what runs, and steering it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID

import click

from host.cli.connect import ConnectedHost
from host.cli.find import find_run, now, user
from host.cli.inputs import Duration, Instant
from host.cli.options import json_option, on_host
from host.cli.output import (
    Cell,
    failure,
    heading,
    is_narrow,
    joined,
    print_facts,
    print_json,
    print_json_line,
    print_line,
    print_table,
    state_of,
    warning,
)
from host.cli.parameters import without_secrets
from host.cli.text import clean, duration, local_time, relative, short_id
from host.cli.watch import changes, follow_log, newest_change
from host.model.jobs import JobInfo
from host.model.logs import LogLevel, RunLogLine
from host.model.runs import AttemptError, JobRun, RunFilter, RunState
from host.wire import to_wire

run_argument = click.argument("run")


class Since(click.ParamType[datetime]):
    """An instant, or how long ago."""

    name = "time or duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read either."""
        try:
            return now() - Duration().convert(value, param, ctx)
        except click.BadParameter:
            return Instant(is_local=True).convert(value, param, ctx)


@click.group()
def runs() -> None:
    """See, follow, cancel and retry runs.

    RUN is a run's id, or enough digits of its beginning or end to tell it from the other recent ones.
    """


@runs.command("list")
@click.option("--job", help="Only of this job.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in RunState]),
    help="Only in this state; may be repeated.",
)
@click.option("--tenant", help="Only of this tenant.")
@click.option("--since", type=Since(), help="Only newer than this: 2h, 7d, 2026-03-01.")
@click.option("--text", help="Only with this in the status text, the last error or the job's type.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many.")
@click.option("--cursor", help="Go on after a page, by the cursor it ended with.")
@json_option
@on_host
async def list_runs(
    host: ConnectedHost,
    *,
    job: str | None,
    states: tuple[str, ...],
    tenant: str | None,
    since: datetime | None,
    text: str | None,
    limit: int,
    cursor: str | None,
    as_json: bool,
) -> None:
    """List runs, newest first."""
    where = RunFilter(
        job_id=(await host.jobs.get_job(job)).id if job else None,
        states=frozenset(map(RunState, states)),
        tenant=tenant,
        created_from=since,
        text=text,
    )
    page = await host.runs.runs(where, cursor=cursor, limit=limit)
    jobs = {info.id: info for info in await host.jobs.jobs()}
    found = without_secrets(page.runs, jobs.values())
    if as_json:
        print_json({"runs": found, "next_cursor": page.next_cursor})
        return
    columns = (
        ("RUN", "JOB", "STATE", "WHEN", "STATUS") if is_narrow() else ("RUN", "JOB", "STATE", "WHEN", "STATUS", "TOOK")
    )
    rows = [_row(run, jobs)[: len(columns)] for run in found]
    print_table(columns, rows, empty="no run", texts=("STATUS",), is_cut=True)
    if page.next_cursor:
        print_line(f"more: --cursor {page.next_cursor}")


@runs.command()
@run_argument
@json_option
@on_host
async def show(host: ConnectedHost, *, run: str, as_json: bool) -> None:
    """Show a run: its times, its parameters, its result and its errors."""
    jobs = {info.id: info for info in await host.jobs.jobs()}
    (found,) = without_secrets([await find_run(host, run)], jobs.values())
    if as_json:
        print_json(found)
        return
    print_facts([*_origin(found, jobs), *_progress(found), *_times(found)])
    for error in found.errors:
        _print_error(error)


@runs.command()
@run_argument
@click.option("--follow", is_flag=True, help="Go on until the run ends.")
@json_option
@on_host
async def log(host: ConnectedHost, *, run: str, follow: bool, as_json: bool) -> None:
    """Print what a run has written; with --json an array, and with --follow one object a line."""
    found = await find_run(host, run)

    def saw(line: RunLogLine) -> None:
        print_json_line(line) if as_json else print_line(_text_of(line))

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
    """Print changes of all runs as they come, or of one until it ends; with --json one object a line."""
    known = {info.id: info for info in await host.jobs.jobs()}
    found = await find_run(host, run) if run else None
    after = found.change - 1 if found else await newest_change(host)
    async for changed in changes(host, after):
        if found is None or changed.id == found.id:
            (shown,) = without_secrets([changed], known.values())
            print_json_line(shown) if as_json else print_line(_change_line(shown, known))
            if found and changed.state.is_final:
                return


@runs.command()
@run_argument
@json_option
@on_host
async def cancel(host: ConnectedHost, *, run: str, as_json: bool) -> None:
    """Cancel a run that waits, or ask one that runs to stop."""
    found = await find_run(host, run)
    result = await host.control.cancel(found.id, by=user())
    if as_json:
        print_json(result)
    elif result.state is RunState.CANCELLED:
        print_line(f"run {found.id} is cancelled")
    else:
        print_line(f"run {found.id} was asked to stop; it is still {result.state.value}")


@runs.command()
@run_argument
@json_option
@on_host
async def retry(host: ConnectedHost, *, run: str, as_json: bool) -> None:
    """Submit a finished run anew, as a new run."""
    found = await find_run(host, run)
    new = await host.control.retry(found.id, by=user())
    print_json({"id": new, "origin_run_id": found.id}) if as_json else print_line(f"run {new} repeats {found.id}")


def _row(run: JobRun, jobs: dict[UUID, JobInfo]) -> tuple[Cell, ...]:
    took = duration(run.duration) if run.duration is not None else "-"
    text = run.status_text or (run.errors[-1].error if run.errors and run.state is not RunState.COMPLETED else "")
    return short_id(run.id), _name(run, jobs), state_of(run), relative(run.created_at, now()), text, took


def _name(run: JobRun, jobs: dict[UUID, JobInfo]) -> str:
    return jobs[run.job_id].name if run.job_id in jobs else run.job_type.rpartition(":")[2]


def _origin(run: JobRun, jobs: dict[UUID, JobInfo]) -> list[tuple[str, Cell]]:
    return [
        ("run", str(run.id)),
        ("job", f"{_name(run, jobs)}  {run.job_type}"),
        ("asked by", run.owner or ("its schedule" if run.schedule_id else "-")),
        ("repeats", str(run.origin_run_id or "-")),
        ("schedule", str(run.schedule_id or "-")),
        ("fire time", local_time(run.fire_time)),
        ("missed before it", str(run.missed or "-")),
        ("tenant", run.tenant),
        ("priority", str(run.priority)),
        ("parameters", json.dumps(to_wire(run.parameters), ensure_ascii=False) if run.parameters else "-"),
    ]


def _progress(run: JobRun) -> list[tuple[str, Cell]]:
    asked = f"{local_time(run.cancel_requested_at)} by {run.cancel_requested_by}" if run.cancel_requested_at else "-"
    return [
        ("state", state_of(run)),
        ("status", run.status_text or "-"),
        ("attempt", f"{run.attempt} of {run.max_attempts}"),
        ("crashes", str(run.crashes or "-")),
        ("cancel asked", warning(asked) if run.cancel_requested_at else "-"),
        ("result", "-" if run.result is None else json.dumps(to_wire(run.result), ensure_ascii=False)),
    ]


def _times(run: JobRun) -> list[tuple[str, Cell]]:
    waited = duration(run.started_at - run.created_at) if run.started_at else "-"
    return [
        ("created", local_time(run.created_at)),
        ("not before", local_time(run.not_before)),
        ("expires", local_time(run.expires_at)),
        ("started", local_time(run.started_at)),
        ("finished", local_time(run.finished_at)),
        ("waited", waited),
        ("took", duration(run.duration) if run.duration is not None else "-"),
        ("node", run.node or "-"),
        ("trace", run.trace_id or "-"),
        ("kept by retention", "yes" if run.is_locked else "-"),
    ]


def _print_error(error: AttemptError) -> None:
    heading(f"Attempt {error.attempt}, {local_time(error.at)}, on {error.node}")
    print_line(failure((error.traceback or error.error).rstrip()))


def _text_of(line: RunLogLine) -> Cell:
    fields = " ".join(f"{name}={json.dumps(to_wire(value), ensure_ascii=False)}" for name, value in line.fields.items())
    text = clean(f"{line.at.astimezone():%Y-%m-%d %H:%M:%S} {line.level.value:<7} {line.event} {fields}".rstrip())
    if line.level is LogLevel.ERROR:
        return failure(text)
    return warning(text) if line.level is LogLevel.WARNING else text


def _change_line(run: JobRun, jobs: dict[UUID, JobInfo]) -> Cell:
    text = f"  {clean(run.status_text)}" if run.status_text else ""
    head = f"{run.updated_at.astimezone():%H:%M:%S} {short_id(run.id)} {clean(_name(run, jobs))}  "
    return joined(head, state_of(run), text)
