"""``jobhost schedule``: when jobs run, and when they would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID
from zoneinfo import ZoneInfo

import click

from host.cli.complete import complete_job
from host.cli.connect import ConnectedHost, connect
from host.cli.find import now
from host.cli.inputs import Instant
from host.cli.options import find_data_directory, json_option, located, on_host
from host.cli.output import Cell, heading, joined, print_facts, print_json, print_line, print_table, warning
from host.cli.pauses import EVERYTHING, job_scope, paused_scopes, schedule_scope
from host.cli.schedule_change import clear, pause, remove, resume, set_schedule
from host.cli.schedule_flags import ScheduleFlags, schedule_flags
from host.cli.text import duration, local_time, named_time, relative, rfc3339, short_id
from host.cli.upcoming import describe_rule, fire_words, next_fires, upcoming
from host.model.jobs import JobInfo
from host.model.masking import entry_without_secrets
from host.model.schedules import JobSchedule, ScheduleEntry, schedule_ids
from host.wire import to_wire

if TYPE_CHECKING:
    from host.triggers import FireTime

NEXT = 5
"""Fire times shown where nobody says how many."""
NO_ZONE = "UTC"
"""Default zone of a schedule while no host says otherwise."""


@click.group()
def schedule() -> None:
    """See and set when jobs run.

    JOB is a job's id, its type name or one of its aliases. SCHEDULE is a schedule's id, or enough digits of
    its beginning or end, as `jobhost schedule list` shows.
    """


@schedule.command("list")
@click.argument("job", required=False, shell_complete=complete_job)
@json_option
@on_host
async def list_schedules(host: ConnectedHost, *, job: str | None, as_json: bool) -> None:
    """List the schedules in force, of one job or of all."""
    jobs = [await host.jobs.get_job(job)] if job else await host.jobs.jobs()
    entries = [(info, await host.jobs.get_job_schedules(info.job_type)) for info in jobs]
    if as_json:
        print_json([entry_without_secrets(entry, info) for info, entry in entries])
        return
    status = await host.host.status()
    paused = paused_scopes(status)
    rows = [row for info, entry in entries for row in await _rows(host, info, entry, status.timezone, paused)]
    columns = ("SCHEDULE", "JOB", "RUNS", "NEXT", "SOURCE")
    print_table(columns, rows, empty="no job has a schedule", texts=("JOB", "RUNS"))


@schedule.command()
@click.argument("job", shell_complete=complete_job)
@json_option
@on_host
async def show(host: ConnectedHost, *, job: str, as_json: bool) -> None:
    """Show the schedules of a job in full, and their next fire times."""
    info = await host.jobs.get_job(job)
    entry = await host.jobs.get_job_schedules(info.job_type)
    shown = entry_without_secrets(entry, info)
    if as_json:
        print_json(shown)
        return
    status = await host.host.status()
    print_line(f"{info.name}  {info.job_type}  from {entry.source or 'nowhere'}")
    if not entry.schedules:
        print_line("has no schedule")
    paused = paused_scopes(status)
    for number, (rule, identity) in enumerate(
        zip(shown.schedules, schedule_ids(info.job_type, entry.schedules), strict=True), 1
    ):
        heading(f"Schedule {number}")
        reason = paused.get(schedule_scope(identity))
        print_facts([*_facts(rule, identity, status.timezone), ("paused", warning(reason) if reason else "-")])
    if entry.schedules:
        heading("Next")
        _print_times(upcoming(info.id, entry.schedules, status.timezone, now(), NEXT))


@schedule.command("next")
@click.argument("job", required=False, shell_complete=complete_job)
@schedule_flags
@click.option("--from", "after", type=Instant(), help="Fire times after this, in the schedule's zone.  [default: now]")
@click.option("--count", type=click.IntRange(1, 10_000), default=NEXT, show_default=True, help="How many.")
@json_option
@located
def next_times(
    *,
    job: str | None,
    flags: ScheduleFlags,
    after: datetime | None,
    count: int,
    as_json: bool,
    data: Path | None,
    config: Path | None,
) -> None:
    """Give the next fire times of a job, or of a schedule given by flags.

    For a schedule given by flags no host is needed.
    """
    from host.triggers import check_schedule

    wanted = flags.schedule()
    if (job is None) == (wanted is None):
        raise click.UsageError("give a JOB, or say when: --cron, --every, --weekly or --once")
    if wanted is not None:
        check_schedule(wanted, default_timezone=NO_ZONE)
        times = upcoming(UUID(int=0), [wanted], NO_ZONE, _instant(after, wanted.timezone or NO_ZONE), count)
    else:
        times = asyncio.run(_next_of(find_data_directory(data, config), str(job), after, count))
    if as_json:
        print_json([{"fire_time": rfc3339(t.fire_time), "local": rfc3339(t.local), "note": t.note} for t in times])
        return
    if wanted is not None:
        print_line(describe_rule(wanted, NO_ZONE))
    _print_times(times)


for command in (set_schedule, remove, clear, pause, resume):
    schedule.add_command(command)


async def _next_of(directory: Path, job: str, after: datetime | None, count: int) -> Sequence[FireTime]:
    async with connect(directory) as host:
        info = await host.jobs.get_job(job)
        entry = await host.jobs.get_job_schedules(info.job_type)
        zone = (await host.host.status()).timezone
    return upcoming(info.id, entry.schedules, zone, _instant(after, zone), count)


def _instant(given: datetime | None, zone: str) -> datetime:
    """Give what was typed as an instant, now for nothing; wall time is the zone's."""
    if given is None:
        return now()
    return given if given.tzinfo is not None else given.replace(tzinfo=ZoneInfo(zone))


def _print_times(times: Sequence[FireTime]) -> None:
    present = now()
    rows = [(named_time(t.local), rfc3339(t.fire_time), relative(t.fire_time, present), t.note or "") for t in times]
    print_table(("LOCAL", "UTC", "FROM NOW", "NOTE"), rows, empty="it never fires", texts=("NOTE",))


async def _rows(
    host: ConnectedHost, job: JobInfo, entry: ScheduleEntry, zone: str, paused: Mapping[str, str]
) -> list[tuple[Cell, ...]]:
    rows: list[tuple[Cell, ...]] = []
    identities = schedule_ids(job.job_type, entry.schedules)
    fires = await next_fires(host, job, entry, zone)
    for rule, identity, fire in zip(entry.schedules, identities, fires, strict=True):
        is_paused = not paused.keys().isdisjoint({EVERYTHING, job_scope(job), schedule_scope(identity)})
        when = joined(fire_words(fire), warning("  PAUSED")) if is_paused else fire_words(fire)
        source = (entry.source or "-").rpartition("/")[2]  # a table has no room for folders; `show` has it in full
        rows.append((short_id(identity), job.name, describe_rule(rule, zone), when, source))
    return rows


def _facts(rule: JobSchedule, identity: UUID, zone: str) -> list[tuple[str, Cell]]:
    window = f", at most {duration(rule.misfire_window)} back" if rule.misfire_window else ""
    return [
        ("runs", describe_rule(rule, zone)),
        ("zone", rule.timezone or f"{zone} (the host's)"),
        ("not before", _bound(rule.start)),
        ("not after", _bound(rule.stop)),
        ("at most", f"{rule.max_count} times" if rule.max_count else "-"),
        ("jitter", duration(rule.jitter) if rule.jitter else "-"),
        ("missed", f"{rule.misfire.value}{window}"),
        ("parameters", json.dumps(to_wire(rule.parameters), ensure_ascii=False) if rule.parameters else "-"),
        ("id", str(identity)),
    ]


def _bound(instant: datetime | None) -> str:
    if instant is None or instant.year == 1:
        return "-"
    return f"{instant:%Y-%m-%d %H:%M:%S}" if instant.tzinfo is None else local_time(instant)
