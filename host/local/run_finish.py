"""What a node reports about its claims: renewals, progress, outcomes; and the end of claims whose node is gone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from host.errors import InvalidRequestError
from host.local.run_rows import CODES, clean, error_text, json_text, microseconds, read_run
from host.local.run_work import UNKNOWN, RunWork
from host.model.ids import to_microseconds
from host.model.runs import (
    FINAL_STATES,
    MAX_CRASHES,
    MAX_FORGIVEN,
    TRANSITIONS,
    JobRun,
    RunOutcome,
    RunSignal,
    RunState,
    RunUpdate,
    SignalKind,
)

_IS_CRASH = 10
"""Where a row of ``finish_again`` says so."""
_OUTCOME_STATES = (TRANSITIONS[RunState.STARTING] | TRANSITIONS[RunState.RUNNING]) - {RunState.RUNNING}


@dataclass(frozen=True, slots=True)
class Prepared:
    """An outcome ready to be written."""

    run_id: UUID
    is_final: bool
    values: tuple[object, ...]


def check_claims(work: RunWork, claims: Sequence[tuple[UUID, int]]) -> list[RunSignal]:
    """Tell about claims that are no longer the node's, or that somebody asked to cancel, in their order."""
    rows = [(number, run.bytes, token) for number, (run, token) in enumerate(claims)]
    found = sorted(work.items_for("check_claims", tuple[int, int], rows, work.now))
    return [
        RunSignal(id=claims[number][0], kind=SignalKind.CANCEL if is_ours else SignalKind.LOST)
        for number, is_ours in found
    ]


def renew(work: RunWork, claims: Mapping[UUID, int]) -> list[RunSignal]:
    """Extend leases, where there are any, and tell about the claims."""
    signals = check_claims(work, list(claims.items()))
    if work.lease_until is not None:
        rows = [(0, run.bytes, token) for run, token in claims.items()]
        work.execute_for("renew", rows, work.lease_until, work.now)
    return signals


def update(work: RunWork, updates: Sequence[RunUpdate]) -> list[RunSignal]:
    """Record progress; of several updates of one claim the later values count."""
    merged = _merge(updates)
    change = work.numbers(len(merged))
    rows = [_update_row(change + number, entry) for number, entry in enumerate(merged.values())]
    started = [row for row in rows if row[3] is not None]
    others = [row for row in rows if row[3] is None]
    written = work.execute_for("update_started", started, work.now, work.now)
    written += work.execute_for("update_progress", others, work.now, work.now)
    if written == len(merged) and not work.memory.has_cancels:
        return []
    return check_claims(work, list(merged))


def finish(work: RunWork, outcomes: Sequence[Prepared]) -> list[RunSignal]:
    """Record outcomes; LOST for those not written, repetitions within the batch included."""
    since = work.memory.change
    first: dict[tuple[object, ...], Prepared] = {}
    for outcome in outcomes:
        first.setdefault(outcome.values[:2], outcome)
    change = work.numbers(len(first))
    rows = [(change + number, *outcome.values) for number, outcome in enumerate(first.values())]
    final = [row for row, outcome in zip(rows, first.values(), strict=True) if outcome.is_final]
    again = [row for row, outcome in zip(rows, first.values(), strict=True) if not outcome.is_final]
    written = work.execute_for("finish_final", final, work.now, work.now, work.now)
    written += work.execute_for("finish_again", again, work.now, work.now, work.now)
    if again:
        work.memory.next_due = UNKNOWN
        work.memory.has_suspects |= any(row[_IS_CRASH] for row in again)
    work.release_keys(since)
    if written == len(outcomes):
        return []
    asked = [(number, outcome.values[0], change + number) for number, outcome in enumerate(first.values())]
    refused = set(work.items_for("refused", int, asked))
    accepted = {id(outcome) for number, outcome in enumerate(first.values()) if number not in refused}
    return [RunSignal(id=outcome.run_id, kind=SignalKind.LOST) for outcome in outcomes if id(outcome) not in accepted]


def rescue(work: RunWork, *, by_lease: bool, isolating: Collection[str]) -> list[JobRun]:
    """End the claims of nodes that are gone."""
    since = work.memory.change
    name = "suspects_by_lease" if by_lease else "suspects_by_node"
    suspects = work.items(name, int, work.node, *((work.now,) if by_lease else ()))
    if not suspects:
        return []
    text = json_text(suspects)
    executors = json_text(sorted(isolating))
    work.execute("rescue", work.now, work.numbers(len(suspects)), MAX_CRASHES, text, executors, MAX_FORGIVEN)
    work.memory.has_suspects = True
    work.release_keys(since)
    return [read_run(row) for row in work.items("by_seq", list[object], text)]


def prepare(outcomes: Sequence[RunOutcome], now: int) -> list[Prepared]:
    """Give outcomes as values of ``finish_final`` or ``finish_again``.

    Raises InvalidRequestError for one that no claim can have, before anything is written.
    """
    return [_prepare(outcome, now) for outcome in outcomes]


def _prepare(outcome: RunOutcome, now: int) -> Prepared:
    if outcome.state not in _OUTCOME_STATES:
        raise InvalidRequestError(
            f"a claim cannot end as {outcome.state}",
            where=f"run {outcome.id}",
            hint=f"use one of {', '.join(sorted(_OUTCOME_STATES))}",
        )
    try:
        return Prepared(outcome.id, outcome.state in FINAL_STATES, _values(outcome, now))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequestError(
            f"the outcome cannot be kept: {error}", where=f"run {outcome.id}", hint="results are JSON values"
        ) from error


def _merge(updates: Sequence[RunUpdate]) -> Mapping[tuple[UUID, int], RunUpdate]:
    merged: dict[tuple[UUID, int], RunUpdate] = {}
    for entry in updates:
        key = (entry.id, entry.fencing_token)
        merged[key] = _over(merged[key], entry) if key in merged else entry
    return merged


def _over(earlier: RunUpdate, later: RunUpdate) -> RunUpdate:
    return RunUpdate(
        id=later.id,
        fencing_token=later.fencing_token,
        started_at=earlier.started_at or later.started_at,
        progress=earlier.progress if later.progress is None else later.progress,
        status_text=earlier.status_text if later.status_text is None else later.status_text,
        is_stuck=earlier.is_stuck if later.is_stuck is None else later.is_stuck,
    )


def _update_row(change: int, entry: RunUpdate) -> tuple[object, ...]:
    return (
        change,
        entry.id.bytes,
        entry.fencing_token,
        None if entry.started_at is None else to_microseconds(entry.started_at),
        entry.progress,
        clean(entry.status_text),
        entry.is_stuck,
    )


def _values(outcome: RunOutcome, now: int) -> tuple[object, ...]:
    """Give the values after the change number; the fifth is the result of a final outcome, else when it is due."""
    value: object = None
    if outcome.state is RunState.SCHEDULED:
        value = now if outcome.not_before is None else to_microseconds(outcome.not_before)
    elif outcome.result is not None and outcome.state in FINAL_STATES:
        value = json_text(outcome.result)
    return (
        outcome.id.bytes,
        outcome.fencing_token,
        CODES[outcome.state],
        None if outcome.reason is None else outcome.reason.value,
        None if outcome.started_at is None else to_microseconds(outcome.started_at),
        value,
        error_text(outcome.error),
        outcome.progress,
        clean(outcome.status_text),
        outcome.is_crash,
        microseconds(outcome.took),
    )
