"""What operators do to rows: cancel, amend, prune."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from host.errors import InvalidRequestError, RunNotFoundError, RunStateError
from host.local.run_rows import (
    CODES,
    PENDING,
    QUEUED,
    RUNNING,
    SCHEDULED,
    STARTING,
    STATES,
    clean,
    json_text,
    read_run,
)
from host.local.run_work import UNKNOWN, RunWork
from host.model.ids import to_microseconds
from host.model.runs import FINAL_STATES, CancelResult, JobRun, RunReason, RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """What to change; None leaves as it is."""

    priority: int | None
    not_before: datetime | None
    is_locked: bool | None
    release: bool


@dataclass(slots=True)
class _Present:
    seq: int
    state: int
    ready: int
    priority: int
    due_at: int
    not_before: int | None
    is_locked: int
    key: str | None


def request_cancel(work: RunWork, run_ids: Sequence[UUID], by: str | None) -> list[CancelResult]:
    """Cancel what waits, ask what is active; results in the order asked."""
    since = work.memory.change
    asked = list(dict.fromkeys(run_ids))
    rows = [(number, run.bytes) for number, run in enumerate(asked)]
    found = sorted(work.items_for("standing", tuple[int, int, int, int], rows))
    waiting = [seq for _, seq, state, _ in found if state < STARTING]
    active = [seq for _, seq, state, is_asked in found if state in (STARTING, RUNNING) and not is_asked]
    if waiting:
        change = work.numbers(len(waiting))
        work.execute("cancel_waiting", RunReason.REQUESTED.value, change, work.now, clean(by), json_text(waiting))
        work.memory.next_due = UNKNOWN
        work.release_keys(since)
    if active:
        work.execute("cancel_active", work.numbers(len(active)), work.now, clean(by), json_text(active))
        work.memory.has_cancels = True
    return [
        CancelResult(run_id=asked[number], state=RunState.CANCELLED if state < STARTING else STATES[state])
        for number, _, state, _ in found
        if state <= RUNNING
    ]


def amend(work: RunWork, run_id: UUID, wanted: Amendment) -> JobRun:
    """Change one row; raises RunNotFoundError or RunStateError with nothing written."""
    found = work.items("amendable", list[object], run_id.bytes)
    if not found:
        raise RunNotFoundError("no run has this id", where=f"run {run_id}")
    row = _Present(*found[0])  # type: ignore[arg-type]  # the statement names these columns in this order
    before = row.state
    _check(row, run_id, wanted, work.now)
    _change(row, wanted, work.now)
    change = work.numbers(1)
    values = (row.state, row.ready, row.priority, row.due_at, row.not_before, row.is_locked, change, work.now, row.seq)
    work.execute("amend", *values)
    work.memory.next_due = UNKNOWN
    if row.state == QUEUED and before != QUEUED:
        work.queue_keys(json_text([row.seq]))
    return read_run(work.items("by_seq", list[object], json_text([row.seq]))[0])


def prune(work: RunWork, finished_before: int, states: int, limit: int) -> list[UUID]:
    """Delete the oldest finished rows of the states whose bits are set."""
    text = json_text(work.items("prunable", int, finished_before, limit, states))
    ids = [UUID(identity) for identity in work.items("ids_of", str, text)]
    if ids:
        work.execute("change_keep", work.memory.change)
        work.execute("delete", text)
    return ids


def state_bits(states: Collection[RunState]) -> int:
    """Give final states as bits, all if none is named; raises InvalidRequestError for an unfinished one."""
    wrong = sorted(state for state in states if state not in FINAL_STATES)
    if wrong:
        raise InvalidRequestError(
            f"unfinished runs are never pruned: {', '.join(wrong)}", hint=f"use {', '.join(sorted(FINAL_STATES))}"
        )
    return sum(1 << CODES[state] for state in states or FINAL_STATES)


def check_amendment(wanted: Amendment) -> None:
    """Raise InvalidRequestError for values no row can hold."""
    if wanted.priority is not None and not -(2**31) <= wanted.priority < 2**31:
        raise InvalidRequestError(f"priority {wanted.priority} is beyond 32 bits")


def _check(row: _Present, run_id: UUID, wanted: Amendment, now: int) -> None:
    where = f"run {run_id}"
    state = STATES[row.state]
    changes_waiting = wanted.priority is not None or wanted.not_before is not None or wanted.release
    if changes_waiting and row.state > QUEUED:
        raise RunStateError(f"the run is {state}; only a waiting one can be changed", where=where)
    if wanted.release and row.state != PENDING:
        raise RunStateError(f"the run is {state}; only a pending one can be released", where=where)
    if row.state == QUEUED and wanted.not_before is not None and to_microseconds(wanted.not_before) > now:
        raise RunStateError("the run is due already and cannot be put off", where=where, hint="cancel it instead")


def _change(row: _Present, wanted: Amendment, now: int) -> None:
    if wanted.priority is not None:
        row.priority = wanted.priority
    if wanted.is_locked is not None:
        row.is_locked = int(wanted.is_locked)
    if wanted.not_before is not None:
        row.not_before = to_microseconds(wanted.not_before)
        if row.state != QUEUED:
            row.due_at = row.not_before
    if wanted.release or (row.state == SCHEDULED and wanted.not_before is not None):
        row.state = SCHEDULED if row.due_at > now else QUEUED
        if row.state == QUEUED:
            row.due_at = now
            row.ready = int(row.key is None or row.ready == 1)
