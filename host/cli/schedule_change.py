"""``jobhost schedule set|remove|clear|pause|resume``: changing when jobs run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from host.cli.complete import complete_job
from host.cli.connect import ConnectedHost, connect
from host.cli.find import MINIMUM_DIGITS, now, user
from host.cli.options import find_data_directory, json_option, located, on_host
from host.cli.output import heading, print_json, print_line, print_table
from host.cli.parameters import read_parameters
from host.cli.pauses import schedule_scope
from host.cli.schedule_flags import ScheduleFlags, schedule_flags
from host.cli.text import named_time
from host.cli.upcoming import describe_rule, upcoming
from host.errors import InvalidRequestError, ScheduleNotFoundError
from host.model.jobs import JobInfo
from host.model.masking import entry_without_secrets
from host.model.parameters import check_parameters
from host.model.schedules import JobSchedule, ScheduleEntry, schedule_ids

if TYPE_CHECKING:
    from host.triggers import FireTime

NEXT = 5
"""Fire times shown before and after a change."""

job_argument = click.argument("job", shell_complete=complete_job)
dry_run_option = click.option("--dry-run", is_flag=True, help="Only show what would be; change nothing.")


@click.command("set")
@job_argument
@schedule_flags
@click.option(
    "--param", "texts", multiple=True, metavar="NAME=VALUE", help="A parameter of its runs, by declared type."
)
@click.option("--json-param", "jsons", multiple=True, metavar="NAME=JSON", help="A parameter of its runs, as JSON.")
@click.option("--id", "identity", metavar="NAME", help="Keep history and pauses under this name when the times change.")
@click.option("--add", is_flag=True, help="Keep the schedules there are and add this one.")
@dry_run_option
@json_option
@located
def set_schedule(
    *,
    job: str,
    flags: ScheduleFlags,
    texts: tuple[str, ...],
    jsons: tuple[str, ...],
    identity: str | None,
    add: bool,
    dry_run: bool,
    as_json: bool,
    data: Path | None,
    config: Path | None,
) -> None:
    """Replace the schedules of a job, or add one.

    Shows the next fire times before and after.
    """
    basic = flags.schedule()
    if basic is None:
        raise click.UsageError("say when: --cron, --every, --weekly or --once")
    wanted = replace(basic, id=identity)
    directory = find_data_directory(data, config)

    async def perform() -> None:
        async with connect(directory) as host:
            info = await host.jobs.get_job(job)
            rule = replace(wanted, parameters=_parameters(info, texts, jsons))
            before = await host.jobs.get_job_schedules(info.job_type)
            rules = (*before.schedules, rule) if add else (rule,)
            await _change(host, info, before, rules, dry_run=dry_run, as_json=as_json)

    asyncio.run(perform())


@click.command()
@job_argument
@click.argument("schedule")
@dry_run_option
@json_option
@on_host
async def remove(host: ConnectedHost, *, job: str, schedule: str, dry_run: bool, as_json: bool) -> None:
    """Remove one schedule of a job, by its number or its id.

    Shows the next fire times before and after.
    """
    info = await host.jobs.get_job(job)
    before = await host.jobs.get_job_schedules(info.job_type)
    place = _place(info, before, schedule)
    rules = before.schedules[:place] + before.schedules[place + 1 :]
    await _change(host, info, before, rules, dry_run=dry_run, as_json=as_json)


@click.command()
@job_argument
@json_option
@on_host
async def clear(host: ConnectedHost, *, job: str, as_json: bool) -> None:
    """Leave a job without any schedule, whatever the configuration says."""
    info = await host.jobs.get_job(job)
    entry = await host.jobs.clear_job_schedule(info.job_type)
    print_json(entry) if as_json else print_line(f"{info.name} has no schedule any more")


@click.command()
@click.argument("schedule")
@click.option("--reason", required=True, help="Why; shown to everybody who wonders.")
@on_host
async def pause(host: ConnectedHost, *, schedule: str, reason: str) -> None:
    """Let a schedule start nothing until it is resumed; its job may be started otherwise."""
    identity, name = await _find(host, schedule)
    done = await host.control.pause(schedule_scope(identity), reason=reason, by=user())
    print_line(f"paused {name}" if done else f"{name} is paused already; its reason stays")


@click.command()
@click.argument("schedule")
@on_host
async def resume(host: ConnectedHost, *, schedule: str) -> None:
    """End the pause of a schedule; fire times inside it are not made up for."""
    try:
        identity, name = await _find(host, schedule)
    except ScheduleNotFoundError:
        identity, name = _full_id(schedule), schedule  # a pause may outlast its schedule
    done = await host.control.resume(schedule_scope(identity), by=user())
    print_line(f"resumed {name}" if done else f"{name} is not paused")


def _parameters(job: JobInfo, texts: tuple[str, ...], jsons: tuple[str, ...]) -> dict[str, object] | None:
    """Read the parameters of a schedule's runs; raises InvalidParameterError if its runs never could."""
    given = read_parameters(job, texts, jsons)
    check_parameters(job, given)
    return dict(given) or None


async def _change(
    host: ConnectedHost,
    job: JobInfo,
    before: ScheduleEntry,
    rules: Sequence[JobSchedule],
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    zone = (await host.host.status()).timezone
    after = replace(before, schedules=tuple(rules))
    words = [describe_rule(rule, zone) for rule in rules]
    if not dry_run:
        after = await host.jobs.set_job_schedule(job.job_type, rules, expected_version=before.version)
    if as_json:
        print_json(entry_without_secrets(after, job))
        return
    verb = "would run" if dry_run else "runs"
    print_line(f"{job.name} {verb} {'; '.join(words)}" if words else f"{job.name} {verb} by no schedule")
    heading(f"The next {NEXT} fire times")
    old, new = (upcoming(job.id, some, zone, now(), NEXT) for some in (before.schedules, rules))
    rows = [(_time_of(a), _time_of(b), b.note or "" if b else "") for a, b in zip_longest(old, new)]
    print_table(("BEFORE", "THEN" if dry_run else "NOW", "NOTE"), rows, empty="  none", texts=("NOTE",))


def _time_of(time: FireTime | None) -> str:
    return named_time(time.local) if time else "-"


def _place(job: JobInfo, entry: ScheduleEntry, text: str) -> int:
    """Find a schedule of a job by its number, from 1, or its id; raises ScheduleNotFoundError."""
    if text.isdecimal() and 1 <= int(text) <= len(entry.schedules):
        return int(text) - 1
    found = [n for n, identity in enumerate(schedule_ids(job.job_type, entry.schedules)) if _is_meant(identity, text)]
    if len(found) != 1:
        hint = f"jobhost schedule show {job.job_type} numbers them"
        raise ScheduleNotFoundError(f"{job.name} has {len(entry.schedules)} schedules, none is {text!r}", hint=hint)
    return found[0]


async def _find(host: ConnectedHost, text: str) -> tuple[UUID, str]:
    """Find a schedule of any job by its id or the end of it; gives also its name for people."""
    found: list[tuple[UUID, str]] = []
    for job in await host.jobs.jobs():
        entry = await host.jobs.get_job_schedules(job.job_type)
        for number, identity in enumerate(schedule_ids(job.job_type, entry.schedules), 1):
            if _is_meant(identity, text):
                found.append((identity, f"{job.name}, schedule {number}"))
    if not found:
        raise ScheduleNotFoundError(f"no schedule has the id {text}", hint="jobhost schedule list shows them")
    if len(found) > 1:
        raise InvalidRequestError(f"{text} may be any of {', '.join(name for _, name in found)}", hint="more digits")
    return found[0]


def _is_meant(identity: UUID, text: str) -> bool:
    digits = text.replace("-", "").lower()
    return len(digits) >= MINIMUM_DIGITS and (identity.hex.endswith(digits) or identity.hex.startswith(digits))


def _full_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ScheduleNotFoundError(
            f"no schedule has the id {text}", hint="jobhost jobs pauses shows full ids"
        ) from None
