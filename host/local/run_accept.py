"""Accepting runs: submissions and fires, each known one left out, exclusive keys settled, cursors moved."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from host.errors import InvalidRequestError
from host.local.run_new import NewRow
from host.local.run_rows import QUEUED, SCHEDULED, SKIPPED, json_text
from host.local.run_work import UNKNOWN, RunMemory, RunWork
from host.model.ids import from_microseconds, to_microseconds
from host.model.jobs import OverlapPolicy
from host.model.runs import RunReason
from host.model.schedules import ScheduleCursor


def accept(work: RunWork, rows: Sequence[NewRow]) -> list[UUID]:
    """Insert new rows but for those accepted before; returns the id of each row or of the one before it.

    Raises InvalidRequestError, with nothing written, if a chosen id belongs to a run of another job.
    """
    known = _accept_unknown(work, rows)
    return [UUID(bytes=known.get(number, row.id)) for number, row in enumerate(rows)]


def fire(work: RunWork, rows: Sequence[NewRow], cursors: Sequence[ScheduleCursor]) -> int:
    """Insert the rows whose nominal fire was not accepted before, and move the cursors; returns how many."""
    new = _new_fires(work, rows)
    known = _accept_unknown(work, new)
    work.execute_for("cursor_move", [_cursor_row(cursor) for cursor in cursors])
    return len(new) - len(known)


def adopt(work: RunWork, schedules: Mapping[UUID, str]) -> Mapping[UUID, ScheduleCursor]:
    """Give the cursor of each schedule; one of a version first seen starts now."""
    found = _cursors(work, [schedule.bytes for schedule in schedules])
    now = from_microseconds(work.now)
    fresh: list[tuple[object, ...]] = []
    for schedule, version in schedules.items():
        if schedule not in found or found[schedule].version != version:
            fresh.append((schedule.bytes, version, work.now))
            found[schedule] = ScheduleCursor(schedule_id=schedule, version=version, effective_from=now)
    work.execute_for("cursor_adopt", fresh)
    return found


def _accept_unknown(work: RunWork, rows: Sequence[NewRow]) -> dict[int, bytes]:
    known = _known(work, rows)
    for segment in _segments([row for number, row in enumerate(rows) if number not in known]):
        _supersede(work, segment)
        _insert(work, segment)
    return known


def _known(work: RunWork, rows: Sequence[NewRow]) -> dict[int, bytes]:
    """Give the ids of runs accepted before, by the number of the row that asks for them again."""
    by_id = _known_ids(work, rows)
    by_key = _known_keys(work, rows)
    seen: set[bytes] = set()
    known: dict[int, bytes] = {}
    for number, row in enumerate(rows):
        key = row.scoped_key
        earlier = None if key is None else by_key.get(key)
        if earlier is None and (row.id in by_id or row.id in seen):
            earlier = row.id
        if earlier is not None:
            known[number] = earlier
        seen.add(row.id)
        if key is not None:
            by_key.setdefault(key, earlier or row.id)
    return known


def _known_ids(work: RunWork, rows: Sequence[NewRow]) -> set[bytes]:
    asked = [(number, row.id) for number, row in enumerate(rows) if row.is_chosen]
    known = set()
    for number, job in work.items_for("known_ids", tuple[int, str], asked):
        if bytes.fromhex(job) != rows[number].job_id:
            raise InvalidRequestError(
                "the id belongs to a run of another job", where=f"run {UUID(bytes=rows[number].id)}"
            )
        known.add(rows[number].id)
    return known


def _known_keys(work: RunWork, rows: Sequence[NewRow]) -> dict[tuple[str, bytes], bytes]:
    """Give ``{(key, job): run}`` of the rows' keys that are known."""
    asked = list(dict.fromkeys(row.scoped_key for row in rows if row.scoped_key is not None))
    found = work.items_for("known_keys", tuple[int, str], [(number, *each) for number, each in enumerate(asked)])
    return {asked[number]: bytes.fromhex(identity) for number, identity in found}


def _segments(rows: Sequence[NewRow]) -> Iterable[Sequence[NewRow]]:
    """Cut before each row that supersedes an earlier one of the same batch."""
    start = 0
    keys: set[str] = set()
    for number, row in enumerate(rows):
        if row.key is None or row.state == SKIPPED:
            continue
        if row.overlap is OverlapPolicy.CANCEL_RUNNING and row.key in keys:
            yield rows[start:number]
            start, keys = number, set()
        keys.add(row.key)
    if start < len(rows):
        yield rows[start:]


def _supersede(work: RunWork, rows: Sequence[NewRow]) -> None:
    wanted = _keys_of(row for row in rows if row.overlap is OverlapPolicy.CANCEL_RUNNING and row.state != SKIPPED)
    if not wanted:
        return
    keys = json_text(wanted)
    waiting = work.items("superseded_waiting", int, keys)
    if waiting:
        first = work.numbers(len(waiting))
        work.execute("cancel_waiting", RunReason.SUPERSEDED.value, first, work.now, None, json_text(waiting))
        work.memory.next_due = UNKNOWN
    active = work.items("superseded_active", int, keys)
    if active:
        work.execute("cancel_active", work.numbers(len(active)), work.now, None, json_text(active))
        work.memory.has_cancels = True


def _insert(work: RunWork, rows: Sequence[NewRow]) -> None:
    keys = _keys_of(row for row in rows if row.state == QUEUED)
    held = set(work.items("keys_held", str, json_text(keys))) if keys else set()
    change = work.numbers(len(rows))
    for number, row in enumerate(rows):
        row.change = change + number
        row.ready = int(row.state == QUEUED and (row.key is None or row.key not in held))
        if row.key is not None and row.state == QUEUED:
            held.add(row.key)
        work.is_ending |= row.state == SKIPPED
        _remember(work.memory, row)
    work.execute_for("insert", [row.values() for row in rows])


def _remember(memory: RunMemory, row: NewRow) -> None:
    if row.key is not None:
        memory.has_keys = True
        if row.state == QUEUED and not row.ready and row.overlap is OverlapPolicy.SKIP:
            memory.keys_to_check.add(row.key)
    if row.state == SCHEDULED:
        memory.next_due = row.due_at if memory.next_due is None else min(memory.next_due, row.due_at)
    if row.expires_at is not None and row.state != SKIPPED:
        memory.next_expiry = row.expires_at if memory.next_expiry is None else min(memory.next_expiry, row.expires_at)


def _keys_of(rows: Iterable[NewRow]) -> list[str]:
    return list({row.key: None for row in rows if row.key is not None})


def _new_fires(work: RunWork, rows: Sequence[NewRow]) -> list[NewRow]:
    nominal = [(number, row.schedule_id, row.fire_time) for number, row in enumerate(rows) if row.schedule_id]
    done = set(work.items_for("known_fires", int, nominal))
    cursors = _cursors(work, {row.schedule_id for row in rows if row.schedule_id is not None})
    seen: set[tuple[bytes, int]] = set()
    new = []
    for number, row in enumerate(rows):
        if row.schedule_id is not None and row.fire_time is not None:
            fire = (row.schedule_id, row.fire_time)
            if number in done or fire in seen or _is_passed(cursors.get(UUID(bytes=row.schedule_id)), row):
                continue
            seen.add(fire)
        new.append(row)
    return new


def _is_passed(cursor: ScheduleCursor | None, row: NewRow) -> bool:
    """Say whether the schedule was considered up to the row's fire time: its run may have been pruned since."""
    if cursor is None or cursor.last_fire_time is None or cursor.version != row.schedule_version:
        return False
    return row.fire_time is not None and row.fire_time <= to_microseconds(cursor.last_fire_time)


def _cursors(work: RunWork, schedules: Collection[bytes]) -> dict[UUID, ScheduleCursor]:
    entries = work.items_for(
        "cursors",
        tuple[str, str, int, int | None, int],
        [(schedule,) for schedule in schedules],
    )
    return {
        UUID(identity): ScheduleCursor(
            schedule_id=UUID(identity),
            version=version,
            effective_from=from_microseconds(effective_from),
            last_fire_time=None if last is None else from_microseconds(last),
            fire_count=count,
        )
        for identity, version, effective_from, last, count in entries
    }


def _cursor_row(cursor: ScheduleCursor) -> tuple[object, ...]:
    last = None if cursor.last_fire_time is None else to_microseconds(cursor.last_fire_time)
    return (cursor.schedule_id.bytes, cursor.version, to_microseconds(cursor.effective_from), last, cursor.fire_count)
