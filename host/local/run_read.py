"""Reading runs: one, pages, the latest of jobs, counts and changes; each in few steps and bounded."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from host.errors import InvalidRequestError
from host.local.run_rows import CODES, RUNNING, STATES, json_text, read_run, substitute
from host.local.run_work import decode_list
from host.local.sql_text import statements
from host.model.ids import from_microseconds, to_microseconds
from host.model.runs import JobRun, RunCounters, RunFilter, RunPage, RunState

COUNT_LIMIT = 100_000
"""Counting the runs of one state stops here."""
DUE_LIMIT = 10_000
"""The first due run is looked for among so many; of more that are all held back, it is the first to be claimed."""
SEARCH_SECONDS = 0.05
"""A filter that no index serves is looked for this long; the page then ends early and its cursor goes on."""
_WINDOW = 20_000
"""Rows looked at between two looks at the time: some 12 ms of searching in texts."""
_ALL = 1 << 62
_CHANGES = range(2**63)

SQL = substitute(statements("runs_read.sql"))


@dataclass(frozen=True, slots=True)
class _Listing:
    """One way of asking: a statement an index serves, and its parameters."""

    statement: str
    parameters: Mapping[str, object]


def run_by_id(connection: sqlite3.Connection, run_id: UUID) -> JobRun | None:
    """Give one run, or None."""
    found = _runs(connection, "by_id", run_id.bytes)
    return found[0] if found else None


def changed_runs(connection: sqlite3.Connection, after: int, limit: int) -> list[JobRun]:
    """Give the runs changed since, by change number; before 0 the last one changed."""
    if after < 0:
        return _runs(connection, "changed_last")
    if after not in _CHANGES:
        raise InvalidRequestError(f"{after} is no change number", hint="pass the last change received, or -1")
    return _runs(connection, "changed", after, limit)


def latest_runs(
    connection: sqlite3.Connection, job_ids: Collection[UUID], states: Collection[RunState]
) -> Mapping[UUID, JobRun]:
    """Give the newest run of each job among these states: ``{job id: run}``."""
    codes = json_text([CODES[state] for state in states or STATES])
    seqs = (connection.execute(SQL["latest_of_job"], (job.bytes, codes)).fetchone()[0] for job in set(job_ids))
    found = _runs(connection, "by_seq", json_text([seq for seq in seqs if seq is not None]))
    return {run.job_id: run for run in found}


def count_unfinished(connection: sqlite3.Connection) -> RunCounters:
    """Count by state, each up to a limit."""
    counts = {
        STATES[code]: int(connection.execute(SQL["count_state"], (code, COUNT_LIMIT)).fetchone()[0])
        for code in range(RUNNING + 1)
    }
    due: int | None = connection.execute(SQL["oldest_due"], (DUE_LIMIT,)).fetchone()[0]
    return RunCounters(
        by_state=counts,
        capped=max(counts.values()) >= COUNT_LIMIT,
        oldest_due_at=None if due is None else from_microseconds(due),
    )


def page(connection: sqlite3.Connection, where: RunFilter, cursor: str | None, limit: int) -> RunPage:
    """Give one page, newest first; raises InvalidRequestError for a foreign cursor or an impossible limit."""
    below = _read_cursor(cursor)
    if not 1 <= limit <= 1000:
        raise InvalidRequestError(f"a page of {limit} runs cannot be had", hint="ask for 1 to 1000")
    listings = _listings(connection, where)
    seqs, floor = _collect(connection, listings, below, limit + 1, is_searching=_is_searching(where))
    runs = _runs(connection, "by_seq", json_text(seqs[:limit]))
    if len(seqs) > limit:
        floor = seqs[limit - 1]
    return RunPage(runs=tuple(runs), next_cursor=f"r{floor}" if floor > 0 else None)


def _read_cursor(cursor: str | None) -> int:
    if cursor is None:
        return _ALL
    digits = cursor[1:]
    if not cursor.startswith("r") or not digits.isascii() or not digits.isdigit() or int(digits) > _ALL:
        raise InvalidRequestError("no page gave this cursor", where=f"cursor {cursor[:40]!r}")
    return int(digits)


def _is_searching(where: RunFilter) -> bool:
    return any(value is not None for value in (where.tenant, where.created_from, where.created_until, where.text)) or (
        where.schedule_id is not None and bool(where.states or where.job_id)
    )


def _listings(connection: sqlite3.Connection, where: RunFilter) -> list[_Listing]:
    """Choose the statements that find these runs; their results together, newest first, are the listing."""
    filters = SQL["filters"].replace("{text}", _text_condition(connection, where.text).replace("{said}", SQL["said"]))
    common: dict[str, object] = {
        "tenant": where.tenant,
        "schedule_id": where.schedule_id and where.schedule_id.bytes,
        "job_id": where.job_id and where.job_id.bytes,
        "states": json_text([CODES[state] for state in where.states]) if where.states else None,
        "created_from": where.created_from and to_microseconds(where.created_from),
        "created_until": where.created_until and to_microseconds(where.created_until),
        "text": _text_parameter(where.text),
    }
    if where.schedule_id is not None:
        return [_Listing(SQL["list_schedule"].replace("{filters}", filters), common)]
    if where.job_id is None and not where.states:
        return [_Listing(SQL["list_any"].replace("{filters}", filters), common)]
    text = SQL["list_job" if where.job_id else "list_state"].replace("{filters}", filters)
    return [_Listing(text, {**common, "state": CODES[state]}) for state in where.states or STATES]


def _text_condition(connection: sqlite3.Connection, text: str | None) -> str:
    if text is None:
        return "0"
    if _is_plain(text):
        return SQL["text_ascii"]
    connection.create_function("casefold", 1, str.casefold, deterministic=True)
    return SQL["text_any"]


def _text_parameter(text: str | None) -> str | None:
    if text is None:
        return None
    if not _is_plain(text):
        return text.casefold()
    escaped = text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return f"%{escaped}%"


def _is_plain(text: str) -> bool:
    """Say whether LIKE finds it: it knows the case of ASCII alone, and a pattern ends for it at a NUL."""
    return text.isascii() and "\0" not in text


def _collect(
    connection: sqlite3.Connection, listings: Sequence[_Listing], below: int, limit: int, *, is_searching: bool
) -> tuple[list[int], int]:
    """Give up to ``limit`` sequence numbers, newest first, and where the search ended (0: at the oldest)."""
    deadline = time.monotonic() + SEARCH_SECONDS
    seqs: list[int] = []
    window = _WINDOW if is_searching else _ALL
    if is_searching:
        below = min(below, _newest(connection) + 1)
    while below > 0 and len(seqs) < limit:
        floor = max(0, below - window)
        seqs += _newest_of(connection, listings, below, floor, limit - len(seqs))
        below = floor
        if time.monotonic() > deadline:
            break
    return seqs, below if len(seqs) < limit else 0


def _newest(connection: sqlite3.Connection) -> int:
    found: int | None = connection.execute(SQL["newest"]).fetchone()[0]
    return found or 0


def _newest_of(
    connection: sqlite3.Connection, listings: Sequence[_Listing], below: int, floor: int, limit: int
) -> list[int]:
    found: list[int] = []
    for listing in listings:
        parameters = {**listing.parameters, "below": below, "floor": floor, "limit": limit}
        found += decode_list(connection.execute(listing.statement, parameters).fetchone()[0], int)
    return sorted(found, reverse=True)[:limit]


def _runs(connection: sqlite3.Connection, name: str, *parameters: object) -> list[JobRun]:
    text: str = connection.execute(SQL[name], parameters).fetchone()[0]
    return [read_run(row) for row in decode_list(text, list[object])]
