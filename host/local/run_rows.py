"""Rows of the run table as values: state codes, JSON, and the decoding of whole runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from host.model.ids import from_microseconds, to_microseconds
from host.model.jobs import OverlapPolicy, RecoveryPolicy
from host.model.runs import AttemptError, ClaimedRun, JobRun, RunReason, RunState
from host.model.traces import trace_id_of

STATES = (
    RunState.PENDING,
    RunState.SCHEDULED,
    RunState.QUEUED,
    RunState.STARTING,
    RunState.RUNNING,
    RunState.COMPLETED,
    RunState.FAILED,
    RunState.CANCELLED,
    RunState.SKIPPED,
    RunState.QUARANTINED,
)
CODES = {state: code for code, state in enumerate(STATES)}
PENDING, SCHEDULED, QUEUED, STARTING, RUNNING = range(5)
COMPLETED, FAILED, CANCELLED, SKIPPED, QUARANTINED = range(5, 10)

_MICROSECOND = timedelta(microseconds=1)
_REASONS = {reason.value: reason for reason in RunReason}
_OVERLAPS = {policy.value: policy for policy in OverlapPolicy}
_RECOVERIES = {policy.value: policy for policy in RecoveryPolicy}
_encode = msgspec.json.encode
_decode = msgspec.json.decode
_decode_object = msgspec.json.Decoder(dict[str, object]).decode
_shared_instant = lru_cache(maxsize=64)(from_microseconds)


def read_run(row: Sequence[object]) -> JobRun:
    """Give the run of a decoded ``{row}``."""
    return JobRun(**_read(_RUN_FIELDS, row))


def read_runs(text: str) -> list[JobRun]:
    """Give the runs of a JSON array of ``{row}``."""
    return [read_run(row) for row in _decode(text)]


def read_claimed(row: Sequence[Any]) -> ClaimedRun:
    """Give the claimed run of a decoded ``{claimed}``; raises ValueError or KeyError for an unreadable one."""
    return ClaimedRun(
        id=_uuid(row[0]),
        job_id=_shared_uuid(row[1]),
        job_type=row[2],
        parameters=_parameters(row[3]),
        fencing_token=row[4],
        executor=row[5],
        recovery=_RECOVERIES[row[6]],
        attempt=row[7],
        max_attempts=row[8],
        crashes=row[9],
        tenant=row[10],
        owner=row[11],
        priority=row[12],
        trace_id=row[13],
        schedule_id=row[14] and _shared_uuid(row[14]),
        fire_time=None if row[15] is None else from_microseconds(row[15]),
        missed=row[16],
        timeout=None if row[17] is None else _duration(row[17]),
        expires_at=None if row[18] is None else from_microseconds(row[18]),
        due_at=from_microseconds(row[19]),
        claimed_at=_shared_instant(row[20]),
        lease_until=None if row[21] is None else _shared_instant(row[21]),
        cancel_requested=bool(row[22]),
        forgiven=row[23],
    )


def claimed_key(row: Sequence[object]) -> str | None:
    """Give the exclusive key of a decoded ``{claimed}``."""
    return None if row[-1] is None else str(row[-1])


def json_text(value: object) -> str:
    """Encode a JSON value; raises TypeError or ValueError for what is none."""
    return _encode(value).decode()


def error_text(error: AttemptError | None) -> str | None:
    """Encode one entry of ``errors``; what is no valid Unicode is replaced, for an outcome must never be refused."""
    if error is None:
        return None
    return json_text(
        {
            "attempt": error.attempt,
            "at": to_microseconds(error.at),
            "node": clean(error.node),
            "error": clean(error.error),
            "traceback": clean(error.traceback),
        }
    )


def clean(text: str | None) -> str | None:
    """Replace what no database keeps: lone surrogates and NUL."""
    if not text or (text.isascii() and "\0" not in text):
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "�")


def microseconds(duration: timedelta | None) -> int | None:
    """Give a duration as whole microseconds."""
    return None if duration is None else duration // _MICROSECOND


def substitute(statements: Mapping[str, str]) -> dict[str, str]:
    """Fill ``{row}`` and ``{claimed}`` in statements."""
    row = ", ".join(column for _, column, _ in _RUN_FIELDS)
    return {
        name: text.replace("{row}", f"json_array({row})").replace("{claimed}", f"json_array({_CLAIMED_COLUMNS})")
        for name, text in statements.items()
    }


def _read(fields: _Fields, row: Sequence[object]) -> Mapping[str, Any]:
    return {
        name: value if decode is None or value is None else decode(value)
        for (name, _, decode), value in zip(fields, row, strict=False)
    }


@lru_cache(maxsize=4096)
def _shared_uuid(text: str) -> UUID:
    return UUID(int=int(text, 16))


def _uuid(text: str) -> UUID:
    return UUID(int=int(text, 16))


def _duration(value: int) -> timedelta:
    return timedelta(microseconds=value)


def _errors(text: str) -> tuple[AttemptError, ...]:
    try:
        return tuple(AttemptError(**{**entry, "at": from_microseconds(entry["at"])}) for entry in _decode(text))
    except (TypeError, ValueError, KeyError):
        return ()  # unreadable: the row is shown without them


def _parameters(text: str) -> Mapping[str, object]:
    return {} if text == "{}" else _decode_object(text)


def _shown_parameters(text: str) -> Mapping[str, object]:
    try:
        return _parameters(text)
    except ValueError:
        return {"(unreadable)": text}


def _shown_value(text: str) -> object:
    try:
        return _decode(text)
    except ValueError:
        return text


_Fields = Sequence[tuple[str, str, Callable[..., object] | None]]

_RUN_FIELDS: _Fields = (
    ("id", "hex(run.id)", _uuid),
    ("job_id", "hex(run.job_id)", _shared_uuid),
    ("job_type", "run.job_type", None),
    ("state", "run.state", STATES.__getitem__),
    ("reason", "run.reason", _REASONS.get),
    ("parameters", "run.parameters", _shown_parameters),
    ("schedule_id", "CASE WHEN run.schedule_id IS NOT NULL THEN hex(run.schedule_id) END", _shared_uuid),
    ("schedule_version", "run.schedule_version", None),
    ("fire_time", "run.fire_time", from_microseconds),
    ("missed", "run.missed", None),
    ("tenant", "run.tenant", None),
    ("owner", "run.owner", None),
    ("priority", "run.priority", None),
    ("not_before", "run.not_before", from_microseconds),
    ("expires_at", "run.expires_at", from_microseconds),
    ("timeout", "run.timeout", _duration),
    ("attempt", "run.attempt", None),
    ("max_attempts", "run.max_attempts", None),
    ("crashes", "run.crashes", None),
    ("forgiven", "run.forgiven", None),
    ("errors", "coalesce(run.errors, '[]')", _errors),
    ("progress", "run.progress", None),
    ("status_text", "run.status_text", None),
    ("result", "run.result", _shown_value),
    ("executor", "run.executor", None),
    ("overlap", "run.overlap", lambda text: _OVERLAPS.get(text, OverlapPolicy.ALLOW)),
    ("exclusive_key", "run.exclusive_key", None),
    ("recovery", "run.recovery", lambda text: _RECOVERIES.get(text, RecoveryPolicy.FAIL)),
    ("trace_id", "run.trace_id", trace_id_of),
    ("node", "run.node", None),
    ("lease_until", "run.lease_until", from_microseconds),
    ("fencing_token", "run.fencing_token", None),
    ("cancel_requested_at", "run.cancel_requested_at", from_microseconds),
    ("cancel_requested_by", "run.cancel_requested_by", None),
    ("is_locked", "run.is_locked", bool),
    ("is_stuck", "run.is_stuck", bool),
    ("origin_run_id", "CASE WHEN run.origin_run_id IS NOT NULL THEN hex(run.origin_run_id) END", _uuid),
    ("idempotency_key", "run.idempotency_key", None),
    ("change", "run.change", None),
    ("created_at", "run.created_at", from_microseconds),
    ("claimed_at", "run.claimed_at", from_microseconds),
    ("started_at", "run.started_at", from_microseconds),
    ("finished_at", "run.finished_at", from_microseconds),
    ("updated_at", "run.updated_at", from_microseconds),
    ("took", "run.took", _duration),
)

_CLAIMED_COLUMNS = """
  hex(run.id), hex(run.job_id), run.job_type, run.parameters, run.fencing_token, run.executor, run.recovery,
  run.attempt, run.max_attempts, run.crashes, run.tenant, run.owner, run.priority, run.trace_id,
  CASE WHEN run.schedule_id IS NOT NULL THEN hex(run.schedule_id) END, run.fire_time, run.missed, run.timeout,
  run.expires_at, run.due_at, run.claimed_at, run.lease_until, run.cancel_requested_at IS NOT NULL,
  run.forgiven, run.exclusive_key
"""
"""What ``read_claimed`` reads, in its order."""
