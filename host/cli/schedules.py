"""``jobhost schedule``: when jobs run, and when they would."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID
from zoneinfo import ZoneInfo

import click

from host.cli.connect import ConnectedHost, connect
from host.cli.find import now
from host.cli.inputs import Instant
from host.cli.options import find_data_directory, json_option, located, on_host
from host.cli.output import Cell, heading, print_facts, print_json, print_line, print_table
from host.cli.schedule_flags import ScheduleFlags, schedule_flags
from host.cli.text import duration, local_time, named_time, relative, rfc3339
from host.model.jobs import JobInfo
from host.model.schedules import JobSchedule, ScheduleEntry, schedule_ids

if TYPE_CHECKING:
    from host.triggers import FireTime

NEXT = 5
"""Fire times shown before and after a change."""
NO_ZONE = "UTC"
"""Default zone of a schedule while no host says otherwise."""


@click.group()
def schedule() -> None:
    """See and set when jobs run.

    JOB is a job's id, its type name or one of its aliases.
    """


@schedule.command("list")
@click.argument("job", required=False)
@json_option
@on_host
async def list_schedules(host: ConnectedHost, *, job: str | None, as_json: bool) -> None:
    """List the schedules in force, of one job or of all."""
    jobs = [await host.jobs.get_job(job)] if job else await host.jobs.jobs()
    entries = [(info, await host.jobs.get_job_schedules(info.job_type)) for info in jobs]
    if as_json:
        print_json([entry for _, entry in entries])
        return
    zone = (await host.host.status()).timezone
    rows = [row for info, entry in entries for row in _rows(info, entry, zone)]
    print_table(("JOB", "RUNS", "NEXT", "SOURCE"), rows, empty="no job has a schedule", texts=("RUNS",))


@schedule.command()
@click.argument("job")
@json_option
@on_host
async def show(host: ConnectedHost, *, job: str, as_json: bool) -> None:
    """Show the schedules of a job in full, and their next fire times."""
    info = await host.jobs.get_job(job)
    entry = await host.jobs.get_job_schedules(info.job_type)
    if as_json:
        print_json(entry)
        return
    zone = (await host.host.status()).timezone
    print_line(f"{info.name}  {info.job_type}  from {entry.source or 'nowhere'}")
    if not entry.schedules:
        print_line("has no schedule")
    for number, (rule, identity) in enumerate(
        zip(entry.schedules, schedule_ids(info.job_type, entry.schedules), strict=True), 1
    ):
        heading(f"Schedule {number}")
        print_facts(_facts(rule, identity, zone))
    if entry.schedules:
        heading("Next")
        _print_times(_upcoming(info.id, entry.schedules, zone, now(), NEXT))


@schedule.command("set")
@click.argument("job")
@schedule_flags
@click.option("--add", is_flag=True, help="Keep the schedules there are and add this one.")
@json_option
@located
def set_schedule(
    *, job: str, flags: ScheduleFlags, add: bool, as_json: bool, data: Path | None, config: Path | None
) -> None:
    """Replace the schedules of a job, or add one; shows the next fire times before and after."""
    wanted = flags.schedule()
    if wanted is None:
        raise click.UsageError("say when: --cron, --every, --weekly or --once")
    asyncio.run(_set(find_data_directory(data, config), job, wanted, add=add, as_json=as_json))


@schedule.command()
@click.argument("job")
@json_option
@on_host
async def clear(host: ConnectedHost, *, job: str, as_json: bool) -> None:
    """Leave a job without any schedule, whatever the configuration says."""
    info = await host.jobs.get_job(job)
    entry = await host.jobs.clear_job_schedule(info.job_type)
    print_json(entry) if as_json else print_line(f"{info.name} has no schedule any more")


@schedule.command("next")
@click.argument("job", required=False)
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
    """Give the next fire times of a job, or of a schedule given by flags, for which no host is needed."""
    from host.triggers import check_schedule

    wanted = flags.schedule()
    if (job is None) == (wanted is None):
        raise click.UsageError("give a JOB, or say when: --cron, --every, --weekly or --once")
    if wanted is not None:
        check_schedule(wanted, default_timezone=NO_ZONE)
        times = _upcoming(UUID(int=0), [wanted], NO_ZONE, _instant(after, wanted.timezone or NO_ZONE), count)
    else:
        times = asyncio.run(_next_of(find_data_directory(data, config), str(job), after, count))
    if as_json:
        print_json([{"fire_time": rfc3339(t.fire_time), "local": rfc3339(t.local), "note": t.note} for t in times])
        return
    if wanted is not None:
        print_line(_words(wanted, NO_ZONE))
    _print_times(times)


async def _set(directory: Path, job: str, wanted: JobSchedule, *, add: bool, as_json: bool) -> None:
    async with connect(directory) as host:
        info = await host.jobs.get_job(job)
        before = await host.jobs.get_job_schedules(info.job_type)
        zone = (await host.host.status()).timezone
        rules = (*before.schedules, wanted) if add else (wanted,)
        entry = await host.jobs.set_job_schedule(info.job_type, rules, expected_version=before.version)
    if as_json:
        print_json(entry)
        return
    print_line(f"{info.name} runs {'; '.join(_words(rule, zone) for rule in entry.schedules)}")
    heading(f"The next {NEXT} fire times")
    old, new = (_upcoming(info.id, rules, zone, now(), NEXT) for rules in (before.schedules, entry.schedules))
    rows = [(_time_of(a), _time_of(b), b.note or "" if b else "") for a, b in zip_longest(old, new)]
    print_table(("BEFORE", "NOW", "NOTE"), rows, empty="  none", texts=("NOTE",))


async def _next_of(directory: Path, job: str, after: datetime | None, count: int) -> Sequence[FireTime]:
    async with connect(directory) as host:
        info = await host.jobs.get_job(job)
        entry = await host.jobs.get_job_schedules(info.job_type)
        zone = (await host.host.status()).timezone
    return _upcoming(info.id, entry.schedules, zone, _instant(after, zone), count)


def _instant(given: datetime | None, zone: str) -> datetime:
    """Give what was typed as an instant, now for nothing; wall time is the zone's."""
    if given is None:
        return now()
    return given if given.tzinfo is not None else given.replace(tzinfo=ZoneInfo(zone))


def _upcoming(job_id: UUID, rules: Sequence[JobSchedule], zone: str, after: datetime, count: int) -> Sequence[FireTime]:
    """Give the first fire times of several schedules together, by time."""
    from host.triggers import preview

    found = [
        time for rule in rules for time in preview(rule, job_id=job_id, default_timezone=zone, after=after, count=count)
    ]
    return sorted(found, key=lambda time: time.fire_time)[:count]


def _words(rule: JobSchedule, zone: str) -> str:
    from host.triggers import describe

    return describe(rule, default_timezone=zone)


def _print_times(times: Sequence[FireTime]) -> None:
    present = now()
    rows = [(_time_of(t), f"{rfc3339(t.fire_time)}", relative(t.fire_time, present), t.note or "") for t in times]
    print_table(("LOCAL", "UTC", "FROM NOW", "NOTE"), rows, empty="it never fires", texts=("NOTE",))


def _time_of(time: FireTime | None) -> str:
    return named_time(time.local) if time else "-"


def _rows(job: JobInfo, entry: ScheduleEntry, zone: str) -> list[tuple[Cell, ...]]:
    present = now()
    rows: list[tuple[Cell, ...]] = []
    for rule in entry.schedules:
        upcoming = _upcoming(job.id, [rule], zone, present, 1)
        when = relative(upcoming[0].fire_time, present) if upcoming else "never"
        rows.append((job.name, _words(rule, zone), when, entry.source or "-"))
    return rows


def _facts(rule: JobSchedule, identity: UUID, zone: str) -> list[tuple[str, Cell]]:
    window = f", at most {duration(rule.misfire_window)} back" if rule.misfire_window else ""
    return [
        ("runs", _words(rule, zone)),
        ("zone", rule.timezone or f"{zone} (the host's)"),
        ("not before", _bound(rule.start)),
        ("not after", _bound(rule.stop)),
        ("at most", f"{rule.max_count} times" if rule.max_count else "-"),
        ("jitter", duration(rule.jitter) if rule.jitter else "-"),
        ("missed", f"{rule.misfire.value}{window}"),
        ("id", str(identity)),
    ]


def _bound(instant: datetime | None) -> str:
    if instant is None or instant.year == 1:
        return "-"
    return f"{instant:%Y-%m-%d %H:%M:%S}" if instant.tzinfo is None else local_time(instant)
