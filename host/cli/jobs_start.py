"""``jobhost jobs start``: a run of a job, now or later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import click

from host.cli.complete import complete_job
from host.cli.connect import ConnectedHost
from host.cli.find import now, user
from host.cli.inputs import Duration, Instant
from host.cli.options import json_option, on_host
from host.cli.output import failure, print_json, print_json_line, print_line
from host.cli.parameters import read_parameters
from host.cli.run_log import log_line
from host.cli.text import local_time
from host.cli.watch import ending_of, follow_log, show_progress
from host.errors import HostUnavailableError, RunNotFoundError, UnsupportedOperationError
from host.model.logs import RunLogLine
from host.model.masking import without_secrets
from host.model.runs import JobRun, RunState
from host.model.submissions import RunSubmission


class Moment(click.ParamType[datetime]):
    """An instant, or how long from now."""

    name = "time or duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read either."""
        try:
            return now() + Duration().convert(value, param, ctx)
        except click.BadParameter:
            return Instant(is_local=True).convert(value, param, ctx)


@click.command()
@click.argument("job", shell_complete=complete_job)
@click.option("--param", "texts", multiple=True, metavar="NAME=VALUE", help="A parameter, read by its declared type.")
@click.option("--json-param", "jsons", multiple=True, metavar="NAME=JSON", help="A parameter as JSON.")
@click.option("--tenant", default="default", show_default=True, help="For whom the run is.")
@click.option("--priority", type=int, help="Higher goes first.  [default: the job's]")
@click.option("--in", "--delay", "delay", type=Duration(), help="Start no sooner than after this time.")
@click.option("--not-before", type=Instant(is_local=True), help="Start no sooner than at this time.")
@click.option("--expires", type=Moment(), help="Fail it if it has not started by then: 2h, 2026-03-29T02:30.")
@click.option(
    "--timeout", "time_limit", type=Duration(), help="Stop an attempt that takes longer.  [default: the job's]"
)
@click.option("--idempotency-key", metavar="KEY", help="A second start with the same key gives the first one's run.")
@click.option("--hold", is_flag=True, help="Keep it pending until `jobhost runs release`.")
@click.option("--wait", is_flag=True, help="Wait for the end; exit status 0 only if it completed.")
@click.option("--follow", is_flag=True, help="As --wait, and print what it writes.")
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
    not_before: datetime | None,
    expires: datetime | None,
    time_limit: timedelta | None,
    idempotency_key: str | None,
    hold: bool,
    wait: bool,
    follow: bool,
    as_json: bool,
) -> None:
    """Submit a run of a job."""
    if delay is not None and not_before is not None:
        raise click.UsageError("give --in or --not-before, not both")
    info = await host.jobs.get_job(job)
    submission = RunSubmission(
        job=str(info.id),
        parameters=read_parameters(info, texts, jsons),
        tenant=tenant,
        owner=user(),
        priority=priority,
        not_before=now() + delay if delay else not_before,
        expires_at=expires,
        timeout=time_limit,
        idempotency_key=idempotency_key,
        hold=hold,
    )
    again = f"when a host runs again: jobhost runs list --job {info.id}; --idempotency-key makes a repetition harmless"
    with _losing_the_host("it is not known whether the run was accepted", again):
        run_id = await _submitted(host, submission, needs_run=wait or follow)
    if run_id is None:
        print_json(None) if as_json else print_line(f"{info.name} was started; the upstream tells no run of it")
        return
    with _losing_the_host(f"run {run_id} was accepted", f"when a host runs again: jobhost runs show {run_id}"):
        run = await (_watched(host, run_id, follow=follow, as_json=as_json) if wait or follow else _found(host, run_id))
    (shown,) = without_secrets([run], [info])
    _print_run(shown, is_ended=wait or follow, as_lines=follow, as_json=as_json)
    if (wait or follow) and run.state is not RunState.COMPLETED:
        raise click.exceptions.Exit(1)


async def _submitted(host: ConnectedHost, submission: RunSubmission, *, needs_run: bool) -> UUID | None:
    """Submit a run and give its id; None where an upstream only starts the job, if nothing else is asked for."""
    try:
        return (await host.control.submit([submission]))[0]
    except UnsupportedOperationError:
        plain = RunSubmission(job=submission.job, parameters=submission.parameters, owner=submission.owner)
        if needs_run or submission != plain:
            raise
        run = await host.jobs.start_job(submission.job, submission.parameters, by=submission.owner)
        return run.id if run else None


@contextmanager
def _losing_the_host(known: str, hint: str) -> Iterator[None]:
    """Say what is known of the run if the host goes away meanwhile."""
    try:
        yield
    except HostUnavailableError as error:
        raise HostUnavailableError(f"{error.message}; {known}", hint=hint) from error


async def _watched(host: ConnectedHost, run_id: UUID, *, follow: bool, as_json: bool) -> JobRun:
    def saw(line: RunLogLine) -> None:
        print_json_line(line) if as_json else print_line(log_line(line))

    if not follow:
        return await show_progress(host, run_id)
    await follow_log(host, run_id, saw)
    return await _found(host, run_id)


async def _found(host: ConnectedHost, run_id: UUID) -> JobRun:
    run = await host.runs.run(run_id)
    if run is None:
        raise RunNotFoundError(f"run {run_id} was accepted and is gone")
    return run


def _print_run(run: JobRun, *, is_ended: bool, as_lines: bool, as_json: bool) -> None:
    if as_json:
        print_json_line(run) if as_lines else print_json(run)
        return
    due = f", due {local_time(run.not_before)}" if run.state is RunState.SCHEDULED and run.not_before else ""
    print_line(f"{ending_of(run)}{due}")
    for error in run.errors[-1:] if is_ended else ():
        text = error.traceback or error.error
        if text != run.status_text:  # which the line above ends with
            print_line(failure(text.rstrip()))
