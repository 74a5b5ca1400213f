"""``jobhost runs cancel|retry|release|amend``: steering one run, or many at once."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

import click

from host.cli.connect import ConnectedHost, connect
from host.cli.find import find_run, user
from host.cli.inputs import Instant
from host.cli.options import find_data_directory, json_option, located, on_host
from host.cli.output import print_json, print_line
from host.cli.runs_bulk import Bulk, one_or_many, perform
from host.cli.text import local_time
from host.model.masking import without_secrets
from host.model.runs import FINAL_STATES, BulkAction, JobRun, RunState


@click.command()
@one_or_many(BulkAction.CANCEL, frozenset(RunState) - FINAL_STATES)
@on_host
async def cancel(host: ConnectedHost, *, run: str, many: Bulk | None, as_json: bool) -> None:
    """Cancel runs that wait, ask those that run to stop.

    One RUN, or many by options: then they are counted first, and nothing happens without a yes.
    """
    if many:
        await perform(host, many)
        return
    found = await find_run(host, run)
    result = await host.control.cancel(found.id, by=user())
    if as_json:
        print_json(result)
    elif result.state is RunState.CANCELLED:
        print_line(f"run {found.id} is cancelled")
    else:
        print_line(f"run {found.id} was asked to stop; it is still {result.state.value}")


@click.command()
@one_or_many(BulkAction.RETRY, FINAL_STATES, by_default=RunState.FAILED)
@on_host
async def retry(host: ConnectedHost, *, run: str, many: Bulk | None, as_json: bool) -> None:
    """Submit finished runs anew, as new runs.

    One RUN, or many by options: then failed ones unless --state names others; they are counted first, and nothing
    happens without a yes. In bulk a run is submitted anew once, however often it is asked.
    """
    if many:
        await perform(host, many)
        return
    found = await find_run(host, run)
    new = await host.control.retry(found.id, by=user())
    print_json({"id": new, "origin_run_id": found.id}) if as_json else print_line(f"run {new} repeats {found.id}")


@click.command()
@one_or_many(BulkAction.RELEASE, frozenset({RunState.PENDING}))
@on_host
async def release(host: ConnectedHost, *, run: str, many: Bulk | None, as_json: bool) -> None:
    """Let held runs go; give a quarantined one another chance.

    One RUN, or many held ones by options: then they are counted first, and nothing happens without a yes.
    """
    if many:
        await perform(host, many)
        return
    found = await find_run(host, run)
    gone = await host.control.release(found.id, by=user())
    (gone,) = without_secrets([gone], await host.jobs.jobs())
    if as_json:
        print_json(gone)
    elif gone.id == found.id:
        print_line(f"run {found.id} is released; it is {gone.state.value}")
    else:
        print_line(f"run {found.id} gets another chance as run {gone.id}")


@click.command()
@click.argument("run")
@click.option("--priority", type=int, help="Of a waiting run; higher goes first.")
@click.option("--not-before", type=Instant(is_local=True), help="Of a run that is not due: when it becomes due.")
@click.option("--lock/--unlock", "is_locked", default=None, help="Whether retention keeps the run.")
@json_option
@located
def amend(
    *,
    run: str,
    priority: int | None,
    not_before: datetime | None,
    is_locked: bool | None,
    as_json: bool,
    data: Path | None,
    config: Path | None,
) -> None:
    """Change a waiting run, or keep a run from retention."""
    if priority is None and not_before is None and is_locked is None:
        raise click.UsageError("say what to change: --priority, --not-before, --lock or --unlock")
    directory = find_data_directory(data, config)

    async def perform() -> JobRun:
        async with connect(directory) as host:
            found = await find_run(host, run)
            changed = await host.control.amend(found.id, priority=priority, not_before=not_before, is_locked=is_locked)
            return without_secrets([changed], await host.jobs.jobs())[0]

    changed = asyncio.run(perform())
    print_json(changed) if as_json else print_line(f"run {changed.id}: {_standing(changed)}")


def _standing(run: JobRun) -> str:
    parts = [run.state.value, f"priority {run.priority}"]
    parts += [f"not before {local_time(run.not_before)}"] if run.not_before and not run.state.is_final else []
    return ", ".join([*parts, "kept by retention"] if run.is_locked else parts)
