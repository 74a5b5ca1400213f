"""A run request as the row it becomes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from host.errors import InvalidRequestError
from host.local.run_rows import PENDING, QUEUED, SCHEDULED, SKIPPED, json_text, microseconds
from host.model.ids import to_microseconds, uuid7
from host.model.jobs import OverlapPolicy
from host.model.runs import LONGEST_TIMEOUT, RunRequest

_RANDOM_BYTES = 24
_INTEGERS = range(-(2**31), 2**31)


@dataclass(slots=True)
class NewRow:
    """A row not yet inserted; ``ready`` and ``change`` are given inside the transaction."""

    id: bytes
    is_chosen: bool
    """Whether the submitter chose the id."""
    job_id: bytes
    state: int
    due_at: int
    expires_at: int | None
    key: str | None
    overlap: OverlapPolicy
    schedule_id: bytes | None
    schedule_version: str | None
    fire_time: int | None
    idempotency_key: str | None
    rest: tuple[object, ...]
    ready: int = 0
    change: int = 0

    @property
    def scoped_key(self) -> tuple[str, bytes] | None:
        """Give the idempotency key with the job that it belongs to."""
        return None if self.idempotency_key is None else (self.idempotency_key, self.job_id)

    def values(self) -> tuple[object, ...]:
        """Give its columns in the order of the statement ``insert``."""
        return (
            self.id,
            self.job_id,
            self.state,
            self.ready,
            self.change,
            self.due_at,
            self.expires_at,
            self.key,
            self.overlap.value,
            self.schedule_id,
            self.schedule_version,
            self.fire_time,
            self.idempotency_key,
            *self.rest,
        )


def new_rows(requests: Sequence[RunRequest], now: int) -> list[NewRow]:
    """Give one row a request, accepted at ``now``.

    Raises InvalidRequestError for one that cannot be kept as it is.
    """
    randomness = os.urandom(len(requests) * _RANDOM_BYTES)
    rows = []
    for number, request in enumerate(requests):
        try:
            rows.append(_new_row(request, now, randomness[number * _RANDOM_BYTES : (number + 1) * _RANDOM_BYTES]))
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise InvalidRequestError(
                f"request {number + 1} of {len(requests)} cannot be kept: {error}",
                where=f"job {request.job_type!r}",
            ) from error
    return rows


def _new_row(request: RunRequest, now: int, randomness: bytes) -> NewRow:
    _check(request)
    due = None if request.not_before is None else to_microseconds(request.not_before)
    state = _first_state(request, due, now)
    identity = request.id or uuid7(now, int.from_bytes(randomness[:8], "big"))
    return NewRow(
        identity.bytes,
        request.id is not None,
        request.job_id.bytes,
        state,
        due if due is not None and state in (PENDING, SCHEDULED) else now,
        None if request.expires_at is None else to_microseconds(request.expires_at),
        request.exclusive_key,
        request.overlap,
        None if request.schedule_id is None else request.schedule_id.bytes,
        request.schedule_version,
        None if request.fire_time is None else to_microseconds(request.fire_time),
        request.idempotency_key,
        _rest(request, due, now, randomness),
    )


def _rest(request: RunRequest, due: int | None, now: int, randomness: bytes) -> tuple[object, ...]:
    return (
        request.job_type,
        request.executor,
        request.tenant,
        request.recovery.value,
        None if request.skip is None else request.skip.value,
        request.max_attempts,
        request.priority,
        request.missed,
        due,
        microseconds(request.timeout),
        now,
        None if request.skip is None else now,
        now,
        request.trace_id or randomness[8:].hex(),
        None if request.origin_run_id is None else request.origin_run_id.bytes,
        request.owner,
        json_text(request.parameters) if request.parameters else "{}",
    )


def _first_state(request: RunRequest, due: int | None, now: int) -> int:
    if request.skip is not None:
        return SKIPPED
    if request.hold:
        return PENDING
    return SCHEDULED if due is not None and due > now else QUEUED


def _check(request: RunRequest) -> None:
    texts = f"{request.job_type}{request.executor}{request.tenant}{request.exclusive_key}{request.owner}"
    texts += f"{request.idempotency_key}{request.trace_id}{request.schedule_version}"
    if "\0" in texts:
        raise ValueError("a text holds a NUL character")
    texts.encode()  # raises for lone surrogates, which no database keeps
    if not (request.job_type and request.executor and request.tenant):
        raise ValueError("job type, executor and tenant must not be empty")
    for number in (request.priority, request.missed, request.max_attempts):
        if number not in _INTEGERS:
            raise ValueError(f"{number} is beyond 32 bits")
    if request.timeout is not None and not timedelta(0) < request.timeout <= LONGEST_TIMEOUT:
        raise ValueError(f"a timeout of {request.timeout} is not more than nothing, or more than can be kept")
