"""Statistics of runs: counted as runs end, in the same transaction; read by job and step, folded into hours later."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TypeAlias
from uuid import UUID

from host.errors import InvalidRequestError
from host.local.run_rows import STATES
from host.local.run_work import RunWork
from host.local.sql_text import statements
from host.model.ids import from_microseconds, to_microseconds
from host.model.runs import RunState
from host.model.statistics import BOUNDS, Histogram, JobStatistics

MINUTES_KEPT = timedelta(days=2)
"""Minutes older than this are folded into hours."""
HOURS_KEPT = timedelta(days=400)
_HOUR = 60
_ROWS_AT_ONCE = 200
_MOST_SOUGHT = 20
"""Up to so many jobs are looked up in each minute; for more, all of a minute is read."""
_MINUTE = timedelta(minutes=1)
_MICROSECONDS = 60_000_000
_FOREVER = 1 << 40
_BUCKETS = len(BOUNDS) + 1
_IS_TIMED = "started_at >= due_at"
"""False where code never started; also where only an attempt before the last one did."""

_Cell: TypeAlias = tuple[bytes, int, int, int, int, int, int, int]
"""Job, step, state, buckets of wait and duration, runs, and the sums of both."""


@dataclass(frozen=True, slots=True)
class Span:
    """What is asked for, in minutes since 1970."""

    since: int
    until: int
    step: int
    """``_FOREVER`` for none."""
    now: int
    """Microseconds."""


def tally(work: RunWork, since: int) -> None:
    """Count the runs that ended with a change number after ``since``."""
    work.connection.execute(SQL["tally"], (since,))


def span_of(since: datetime, until: datetime | None, step: timedelta | None, now: datetime) -> Span:
    """Take instants to the full minute, or hour where they are old; raises InvalidRequestError for an odd step."""
    if step is not None and (step < _MINUTE or step % _MINUTE):
        raise InvalidRequestError(f"statistics in steps of {step} cannot be had", hint="use whole minutes")
    oldest = _border(now)
    return Span(
        since=_floor(since, oldest),
        until=_FOREVER if until is None else _floor(until, oldest),
        step=_FOREVER if step is None else step // _MINUTE,
        now=to_microseconds(now),
    )


def read_statistics(connection: sqlite3.Connection, job_ids: Collection[UUID], span: Span) -> list[JobStatistics]:
    """Give an entry for each job, and step, that had any: by job, oldest first."""
    asked = {job.bytes for job in job_ids}
    entries: list[JobStatistics] = []
    job, number, cells = b"", 0, list[_Cell]()
    for cell in _cells(connection, asked, span):
        if cells and (cell[0] != job or cell[1] != number):
            entries.append(_entry(cells, span))
            cells = []
        job, number = cell[:2]
        cells.append(cell)
    return [*entries, _entry(cells, span)] if cells else entries


def count_failing(connection: sqlite3.Connection, job_ids: Collection[UUID], at_most: int) -> Mapping[UUID, int]:
    """Give the length of each job's failing streak, counted up to a limit."""
    return {
        job: int(connection.execute(SQL["failing"], (job.bytes, at_most)).fetchone()[0])
        for job in dict.fromkeys(job_ids)
    }


def fold_some(connection: sqlite3.Connection, *, now: datetime, seconds: float) -> tuple[int, bool]:
    """Fold old minutes and delete old hours for so long; give how many rows, and whether there is more."""
    deadline = time.monotonic() + seconds
    done = 0
    while done == 0 or time.monotonic() < deadline:
        rows = _drop(connection, _HOUR, _minutes(now - HOURS_KEPT), is_folded=False)
        rows += _drop(connection, 1, _border(now), is_folded=True)
        done += rows
        if not rows:
            return done, False
    return done, True


def _drop(connection: sqlite3.Connection, span: int, before: int, *, is_folded: bool) -> int:
    """Delete some of the oldest rows of a span, folded into hours or for good; give how many."""
    last = connection.execute(SQL["fold_until"], (span, before, _ROWS_AT_ONCE)).fetchone()
    if last is None:
        return 0
    if is_folded:
        connection.execute(SQL["fold"], (span, *last))
    return connection.execute(SQL["drop"], (span, *last)).rowcount


def _border(now: datetime) -> int:
    """Give the hour before which minutes are folded."""
    return _minutes(now - MINUTES_KEPT) // _HOUR * _HOUR


def _floor(instant: datetime, oldest: int) -> int:
    minute = _minutes(instant)
    return minute if minute >= oldest else minute // _HOUR * _HOUR


def _minutes(instant: datetime) -> int:
    return to_microseconds(instant) // _MICROSECONDS


def _cells(connection: sqlite3.Connection, asked: set[bytes], span: Span) -> list[_Cell]:
    """Give the cells by job and step."""
    wanted = (span.since, span.until, span.step)
    if 0 < len(asked) <= _MOST_SOUGHT:
        values = ", ".join(f"(?{number + 4})" for number in range(len(asked)))
        return connection.execute(SQL["statistics_of"].replace("{values}", values), (*wanted, *asked)).fetchall()
    found: list[_Cell] = connection.execute(SQL["statistics"], wanted).fetchall()
    return [cell for cell in found if cell[0] in asked] if asked else found


def _entry(cells: Sequence[_Cell], span: Span) -> JobStatistics:
    waits, durations = [0] * _BUCKETS, [0] * _BUCKETS
    by_state: dict[RunState, int] = {}
    waited = took = 0
    for _, _, state, wait, duration, runs, wait_total, duration_total in cells:
        by_state[STATES[state]] = by_state.get(STATES[state], 0) + runs
        if wait >= 0:
            waits[wait] += runs
            durations[duration] += runs
            waited += wait_total
            took += duration_total
    since, until = _bounds(span, cells[0][1])
    return JobStatistics(
        job_id=UUID(int=int.from_bytes(cells[0][0], "big")),
        since=since,
        until=until,
        by_state=by_state,
        waits=Histogram(counts=tuple(waits), total=timedelta(microseconds=waited)),
        durations=Histogram(counts=tuple(durations), total=timedelta(microseconds=took)),
    )


@lru_cache(maxsize=1024)
def _bounds(span: Span, number: int) -> tuple[datetime, datetime]:
    """Give when a step begins and ends."""
    since = span.since + number * span.step
    until = span.now if span.until == _FOREVER else span.until * _MICROSECONDS
    end = min(until, (since + span.step) * _MICROSECONDS)
    return from_microseconds(since * _MICROSECONDS), from_microseconds(end)


def _bucket(value: str, low: int = 0, high: int = len(BOUNDS)) -> str:
    """Give SQL that finds the bucket of a number of microseconds by halving: the same in every build of SQLite."""
    if low == high:
        return str(low)
    middle = (low + high) // 2
    bound = BOUNDS[middle] // timedelta(microseconds=1)
    return (
        f"CASE WHEN {value} <= {bound} THEN {_bucket(value, low, middle)} ELSE {_bucket(value, middle + 1, high)} END"
    )


def _substitute(text: str) -> str:
    for name, value in (("wait", "started_at - due_at"), ("duration", "coalesce(took, finished_at - started_at)")):
        text = text.replace(f"{{{name}_bucket}}", f"CASE WHEN {_IS_TIMED} THEN {_bucket(value)} ELSE -1 END")
    return text.replace("{is_timed}", _IS_TIMED)


SQL = {name: _substitute(text) for name, text in statements("statistics.sql").items()}
