"""``jobhost stats``: how often jobs ran and failed, how long their runs waited and took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from uuid import UUID

import click

from host.cli.connect import ConnectedHost
from host.cli.find import now
from host.cli.inputs import Duration
from host.cli.options import json_option, on_host
from host.cli.output import Cell, console, failure, is_narrow, joined, print_json, print_table
from host.cli.run_filters import Since
from host.contracts.runs import JobRunReader
from host.errors import UnsupportedOperationError
from host.model.jobs import JobInfo
from host.model.runs import RunState
from host.model.statistics import Histogram, JobStatistics

STEPS = 24
"""The last steps that the line of a job shows; where none is asked for, what a span is cut into."""
_ENTRIES_AT_ONCE = 20_000
"""Keeps answers well below what one message may hold."""
_MINUTE = timedelta(minutes=1)
_WIDE = 120
"""Columns that leave room for LAST."""
_HEIGHTS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLine:
    """What is told of one job."""

    job_id: UUID
    name: str
    job_type: str | None
    """None of a job that is registered no more."""
    failing: int | None
    """Failed runs in a row up to now; None where an upstream does not tell."""
    total: JobStatistics
    steps: tuple[JobStatistics, ...]
    """Oldest first, only those that had any; empty where nobody asked."""


@click.command()
@click.argument("job", required=False)
@click.option("--since", type=Since(), default="24h", show_default=True, help="From then on: 2h, 7d, 2026-03-01.")
@click.option("--step", type=Duration(), help="Whole minutes that LAST shows, or --json gives, one by one.")
@json_option
@on_host
async def stats(
    host: ConnectedHost, *, job: str | None, since: datetime, step: timedelta | None, as_json: bool
) -> None:
    """Show how jobs did: runs, failures, waiting times and durations.

    Of all jobs that ran, or of JOB. Times are those that half and 95 % of the runs do not exceed, to a factor of two.
    """
    if step is not None and (step < _MINUTE or step % _MINUTE):
        raise click.UsageError("--step takes whole minutes")
    until = now()
    registered = {info.id: info for info in await host.jobs.jobs()}
    wanted = [(await host.jobs.get_job(job)).id] if job else []
    totals = await _totals(host, wanted, since)
    empty = [JobStatistics(job_id=each, since=since, until=until) for each in wanted if each not in totals]
    is_stepped = step is not None or (_is_wide() and not as_json)
    step = step or _step(until - since)
    begin = since if as_json else _full_minute(until) - STEPS * step
    steps = await _steps(host, list(totals), begin, until, step) if is_stepped else {}
    failing = await _failing(host, [*totals, *wanted])
    lines = [_line(entry, registered, failing, steps) for entry in (*totals.values(), *empty)]
    lines.sort(key=lambda line: (-line.total.failures, -line.total.runs, line.name))
    print_json(lines) if as_json else _print(lines, begin, step)


async def _totals(host: ConnectedHost, wanted: Sequence[UUID], since: datetime) -> Mapping[UUID, JobStatistics]:
    try:
        return {entry.job_id: entry for entry in await host.runs.statistics(wanted, since=since)}
    except UnsupportedOperationError as error:
        raise await _without_statistics(host, error) from error


async def _without_statistics(host: ConnectedHost, error: UnsupportedOperationError) -> UnsupportedOperationError:
    """Say which provider it is that keeps no statistics: the host's own store does, an upstream may not."""
    providers = (await host.host.status()).providers
    reader = next((info for info in providers if JobRunReader.__name__ in info.contracts), None)
    if reader is None:
        return error
    name = reader.type.rpartition(":")[2]
    hint = "jobhost jobs list shows the latest run of each job"
    return UnsupportedOperationError(f"{name} has no statistics: {error.message}", where=reader.source, hint=hint)


async def _failing(host: ConnectedHost, jobs: Sequence[UUID]) -> Mapping[UUID, int] | None:
    try:
        return await host.runs.failing(jobs)
    except UnsupportedOperationError:  # an upstream may tell how many failed, and not in which order
        return None


async def _steps(
    host: ConnectedHost, jobs: Sequence[UUID], since: datetime, until: datetime, step: timedelta
) -> Mapping[UUID, tuple[JobStatistics, ...]]:
    found: dict[UUID, list[JobStatistics]] = {}
    at_once = max(1, _ENTRIES_AT_ONCE // max(1, ceil((until - since) / max(step, _MINUTE))))
    for begin in range(0, len(jobs), at_once):
        for entry in await host.runs.statistics(jobs[begin : begin + at_once], since=since, step=step):
            found.setdefault(entry.job_id, []).append(entry)
    return {job: tuple(entries) for job, entries in found.items()}


def _step(span: timedelta) -> timedelta:
    """Give the whole minutes that cut a span into about ``STEPS``."""
    return max(1, ceil(span / STEPS / _MINUTE)) * _MINUTE


def _full_minute(instant: datetime) -> datetime:
    """Give the end of the minute, so that the last step ends with it."""
    return instant.replace(second=0, microsecond=0) + _MINUTE


def _line(
    entry: JobStatistics,
    registered: Mapping[UUID, JobInfo],
    failing: Mapping[UUID, int] | None,
    steps: Mapping[UUID, tuple[JobStatistics, ...]],
) -> JobLine:
    info = registered.get(entry.job_id)
    return JobLine(
        job_id=entry.job_id,
        name=info.name if info else str(entry.job_id),
        job_type=info.job_type if info else None,
        failing=None if failing is None else failing.get(entry.job_id, 0),
        total=entry,
        steps=steps.get(entry.job_id, ()),
    )


def _print(lines: Sequence[JobLine], begin: datetime, step: timedelta) -> None:
    columns = ["JOB", "RUNS", "FAILED", "RATE", "WAIT p50/p95", "TOOK p50/p95", "FAILING"]
    if is_narrow():
        columns = ["JOB", "RUNS", "FAILED", "RATE", "WAIT p95", "TOOK p95", "FAILING"]
    elif _is_wide():
        columns.append("LAST")
    rows = [[_cell(column, line, begin, step) for column in columns] for line in lines]
    print_table(columns, rows, empty="no run has ended in this time", texts=("JOB",), is_cut=True)


def _is_wide() -> bool:
    return console().width >= _WIDE


def _cell(column: str, line: JobLine, begin: datetime, step: timedelta) -> Cell:
    failures = line.total.failures
    values: dict[str, Cell] = {
        "JOB": line.name,
        "RUNS": str(line.total.runs),
        "FAILED": failure(str(failures)) if failures else "0",
        "RATE": _rate(line.total),
        "FAILING": failure(f"{line.failing} in a row") if line.failing else "-",
        "LAST": _outcomes(line.steps, begin, step),
        "WAIT p95": _quantiles(line.total.waits, 0.95),
        "TOOK p95": _quantiles(line.total.durations, 0.95),
        "WAIT p50/p95": _quantiles(line.total.waits, 0.5, 0.95),
        "TOOK p50/p95": _quantiles(line.total.durations, 0.5, 0.95),
    }
    return values[column]


def _rate(total: JobStatistics) -> str:
    """Give the share of failures among the runs that failed or completed."""
    ended = total.failures + total.by_state.get(RunState.COMPLETED, 0)
    return f"{total.failures / ended:.1%}" if ended else "-"


def _quantiles(histogram: Histogram, *fractions: float) -> str:
    values = [histogram.quantile(fraction) for fraction in fractions]
    return " / ".join("-" if value is None else _brief(value) for value in values) if histogram.count else "-"


def _brief(length: timedelta) -> str:
    """Give a length in one unit, to two digits: it is known no better."""
    seconds = length.total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        if seconds >= size:
            return f"{seconds / size:.2g} {unit}" if seconds < 100 * size else f"{seconds / size:.0f} {unit}"
    return f"{seconds * 1000:.2g} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"


def _outcomes(steps: Sequence[JobStatistics], begin: datetime, step: timedelta) -> Cell:
    """Give a character a step: how many runs against the busiest, ``✗`` where some failed, ``·`` without any."""
    by_number = {round((entry.since - begin) / step): entry for entry in steps}
    shown = [by_number.get(number) for number in range(STEPS)]
    most = max((entry.runs for entry in shown if entry), default=1)
    return joined(*(_outcome(entry, most) for entry in shown))


def _outcome(entry: JobStatistics | None, most: int) -> Cell:
    if entry is None:
        return "·"
    return failure("✗") if entry.failures else _HEIGHTS[ceil(entry.runs / most * len(_HEIGHTS)) - 1]
