"""The claim: what is due becomes this node's, fairly, one run an exclusive key."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import zip_longest

import msgspec

from host.local.run_rows import FAILED, claimed_key, error_text, json_text, read_claimed
from host.local.run_work import UNKNOWN, RunWork
from host.model.ids import from_microseconds
from host.model.runs import AttemptError, Claim, ClaimedRun, RunReason

PROMOTED_AT_ONCE = 5000
EXPIRED_AT_ONCE = 1000
SKIPPED_AT_ONCE = 1000
_PARKED_AT_ONCE = 5000


def claim(
    work: RunWork, free: Mapping[str, int], job_types: Collection[str], after_tenant: str | None, alone_from: int
) -> Claim:
    """Do one claim; the steps are bounded, and ``next_due`` is past when there is more to do at once."""
    since = work.memory.change
    runs: tuple[ClaimedRun, ...] = ()
    last_tenant = after_tenant
    if _expire(work):
        _promote(work)
        _offer(work, job_types)
        picked = _pick_suspect(work, free, alone_from)
        if not picked:
            picked, last_tenant = _pick(work, free, after_tenant)
        runs = _take(work, picked)
        _skip(work)
        due = _next_due(work)
    else:
        due = work.now
    return Claim(
        runs=runs,
        last_tenant=last_tenant,
        next_due=None if due is None else from_microseconds(due),
        changed=work.memory.change > since,
    )


def _expire(work: RunWork) -> bool:
    """Fail what is past its ``expires_at``; say whether nothing such is left."""
    memory = work.memory
    if memory.next_expiry is None or memory.next_expiry > work.now:
        return True
    since = memory.change
    expired = work.items("expired", int, work.now, EXPIRED_AT_ONCE)
    if expired:
        change = work.numbers(len(expired))
        work.execute("fail_waiting", RunReason.EXPIRED.value, change, work.now, json_text(expired))
        work.release_keys(since)
        memory.next_due = UNKNOWN
    memory.next_expiry = work.one("expiry_earliest")
    return memory.next_expiry is None or memory.next_expiry > work.now


def _promote(work: RunWork) -> None:
    memory = work.memory
    if memory.next_due is None or memory.next_due > work.now:
        return
    due = work.items("due", int, work.now, PROMOTED_AT_ONCE)
    if due:
        text = json_text(due)
        work.execute("promote", work.numbers(len(due)), work.now, text)
        work.queue_keys(text)
    memory.next_due = work.one("due_earliest")


def _offer(work: RunWork, job_types: Collection[str]) -> None:
    """Learn which job types this node offers; runs parked for lack of them are due again."""
    memory = work.memory
    if job_types is memory.offered:
        return
    types = frozenset(job_types)
    if memory.offered is None or types != memory.offered_types:
        work.execute("offered_clear")
        work.execute("offered_fill", json_text(list(types)))
        parked = work.items("parked_offered", int)
        if parked:
            text = json_text(parked)
            work.execute("unpark", text)
            work.execute("rehold", text)
            work.queue_keys(text)
        memory.offered_types = types
    memory.offered = job_types


def _pick_suspect(work: RunWork, free: Mapping[str, int], alone_from: int) -> list[int]:
    """Choose the due run that is to be alone because of its crashes, if there is one."""
    if not work.memory.has_suspects:
        return []
    executors = json_text([name for name, slots in free.items() if slots > 0])
    found = work.items("suspect", int, alone_from, executors)
    if not found:
        work.memory.has_suspects = bool(work.one("has_suspects"))
    return found


def _pick(work: RunWork, free: Mapping[str, int], after_tenant: str | None) -> tuple[list[int], str | None]:
    picked: list[int] = []
    last_tenant = after_tenant
    for executor, slots in free.items():
        if slots > 0:
            turns = _pick_for(work, executor, slots, after_tenant)
            picked += [seq for seq, _ in turns]
            last_tenant = turns[-1][1] if turns else last_tenant
    return picked, last_tenant


def _pick_for(work: RunWork, executor: str, slots: int, after_tenant: str | None) -> list[tuple[int, str]]:
    """Choose due runs, tenants taking turns; as many as there are slots, if so many are due."""
    tenants = _tenants(work, executor, slots, after_tenant)
    quota = -(-slots // max(1, len(tenants)))
    while tenants:
        found = work.items("candidates", tuple[list[int], list[int]], executor, json_text(tenants), quota)
        if any(unknown for _, unknown in found):
            _park(work, [seq for _, unknown in found for seq in unknown])
            tenants = _tenants(work, executor, slots, after_tenant)
            quota = _PARKED_AT_ONCE
            continue
        full = sum(len(due) == quota for due, _ in found)
        missing = slots - sum(len(due) for due, _ in found)
        if missing <= 0 or not full:
            return _take_turns(tenants, [due for due, _ in found], slots)
        quota += -(-missing // full)
    return []


def _tenants(work: RunWork, executor: str, slots: int, after_tenant: str | None) -> list[str]:
    """Give the tenants that have due runs, at most ``slots``, beginning after ``after_tenant``."""
    first = work.items("tenants", str, executor, after_tenant or "", slots)
    if not after_tenant or len(first) >= slots:
        return first
    again = work.items("tenants", str, executor, "", slots - len(first))
    return first + [tenant for tenant in again if tenant <= after_tenant]


def _take_turns(tenants: Sequence[str], queues: Sequence[list[int]], slots: int) -> list[tuple[int, str]]:
    turns = [
        (seq, tenant)
        for turn in zip_longest(*queues)
        for seq, tenant in zip(turn, tenants, strict=True)
        if seq is not None
    ]
    return turns[:slots]


def _park(work: RunWork, seqs: list[int]) -> None:
    """Set aside runs of job types nobody offers here, so that they neither slow nor block the others."""
    text = json_text(seqs)
    work.execute("park", text)
    if work.memory.has_keys:
        keys = work.items("keys_of", str, text)
        work.execute("settle", json_text(keys))


def _take(work: RunWork, seqs: list[int]) -> tuple[ClaimedRun, ...]:
    if not seqs:
        return ()
    text = json_text(seqs)
    work.execute("claim", work.node, work.lease_until, work.now, work.numbers(len(seqs)), text)
    runs = []
    for row in work.items("claimed", list[object], text):
        key = claimed_key(row)
        if key is not None:
            work.memory.keys_to_check.add(key)
        try:
            runs.append(read_claimed(row))
        except (ValueError, TypeError, KeyError) as error:
            _refuse(work, row, error)
    return tuple(runs)


def _refuse(work: RunWork, row: Sequence[object], error: Exception) -> None:
    """Fail a run whose row cannot be read, so that it is shown and blocks nobody."""
    since = work.memory.change
    entry = error_text(
        AttemptError(
            attempt=int(str(row[7])),
            at=from_microseconds(work.now),
            node=work.node,
            error=f"the row cannot be read: {error}",
        )
    )
    identity = bytes.fromhex(str(row[0]))
    token = row[4]
    values = (
        work.numbers(1),
        identity,
        token,
        FAILED,
        RunReason.INVALID_PARAMETERS.value,
        None,
        None,
        entry,
        None,
        None,
        False,
        None,
    )
    work.execute_for("finish_final", [values], work.now, work.now, work.now)
    work.release_keys(since)


def _skip(work: RunWork) -> None:
    """Skip the due runs whose key is held by a run that has started, where their policy says so."""
    memory = work.memory
    if not memory.keys_to_check:
        return
    keys = msgspec.json.encode(memory.keys_to_check).decode()
    skipped = work.execute("skip_overlapping", memory.change, work.now, keys, SKIPPED_AT_ONCE)
    memory.change += skipped
    if skipped < SKIPPED_AT_ONCE:
        memory.keys_to_check.clear()


def _next_due(work: RunWork) -> int | None:
    memory = work.memory
    if memory.next_due == UNKNOWN:
        memory.next_due = work.one("due_earliest")
    return memory.next_due
