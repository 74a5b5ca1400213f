"""One execution of a job: what is asked for, the states it passes, and the row that tells its story."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from host.model.jobs import OverlapPolicy, RecoveryPolicy
from host.model.json import JsonObject, JsonValue

LONGEST_TIMEOUT = timedelta(microseconds=2**63 - 1)
"""Of an attempt: what fits a database's integers, some 292,000 years."""
DEFAULT_TENANT = "default"
MAX_CRASHES = 3
"""A run whose host died this many times while it was active is QUARANTINED."""
MAX_FORGIVEN = 3
"""So many deaths of its host count for nothing where a run has a process of its own, which alone it should kill."""


class RunState(StrEnum):
    """Where a run stands."""

    PENDING = "pending"
    """Waits to be released by a person or by its dependencies."""
    SCHEDULED = "scheduled"
    """Waits for ``not_before``: delayed, jittered or between attempts."""
    QUEUED = "queued"
    """Due."""
    STARTING = "starting"
    """Claimed by a node."""
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    QUARANTINED = "quarantined"

    @property
    def is_final(self) -> bool:
        """Say whether a run in this state never changes again."""
        return self in FINAL_STATES

    @property
    def is_active(self) -> bool:
        """Say whether a node works on a run in this state."""
        return self in ACTIVE_STATES


FINAL_STATES = frozenset(
    {RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED, RunState.SKIPPED, RunState.QUARANTINED}
)
ACTIVE_STATES = frozenset({RunState.STARTING, RunState.RUNNING})

TRANSITIONS: Mapping[RunState | None, frozenset[RunState]] = MappingProxyType(
    {
        None: frozenset({RunState.PENDING, RunState.SCHEDULED, RunState.QUEUED, RunState.SKIPPED}),
        RunState.PENDING: frozenset({RunState.SCHEDULED, RunState.QUEUED, RunState.CANCELLED, RunState.FAILED}),
        RunState.SCHEDULED: frozenset({RunState.QUEUED, RunState.CANCELLED, RunState.SKIPPED, RunState.FAILED}),
        RunState.QUEUED: frozenset({RunState.STARTING, RunState.SKIPPED, RunState.CANCELLED, RunState.FAILED}),
        RunState.STARTING: frozenset(
            {RunState.RUNNING, RunState.QUEUED, RunState.CANCELLED, RunState.FAILED, RunState.QUARANTINED}
        ),
        RunState.RUNNING: frozenset(
            {
                RunState.COMPLETED,
                RunState.FAILED,
                RunState.CANCELLED,
                RunState.SCHEDULED,
                RunState.QUEUED,
                RunState.QUARANTINED,
            }
        ),
        **{state: frozenset[RunState]() for state in sorted(FINAL_STATES)},
    }
)
"""The only table of legal state changes; None is "not yet a row". Stores refuse all others."""


class RunReason(StrEnum):
    """Why a run is in its state, where the state alone does not say."""

    OVERLAP = "overlap"
    """SKIPPED: another run with the same exclusive key was active."""
    MISFIRE = "misfire"
    """SKIPPED: the fire time had passed and the schedule's policy is to skip."""
    EXPIRED = "expired"
    """FAILED: ``expires_at`` passed before it started."""
    TIMEOUT = "timeout"
    """FAILED: it ran longer than its timeout."""
    LOST = "lost"
    """FAILED: its host, or its process, died and its recovery policy is to fail."""
    ERROR = "error"
    """FAILED: the job raised."""
    DISCARDED = "discarded"
    """FAILED: the job, or its retry policy, does not want another attempt."""
    INVALID_RESULT = "invalid-result"
    """FAILED: what the job returned is no JobResult of JSON values."""
    INVALID_PARAMETERS = "invalid-parameters"
    """FAILED: the parameters do not fit the job's declaration."""
    UNAVAILABLE = "unavailable"
    """FAILED: the job's class could not be built."""
    REQUESTED = "requested"
    """CANCELLED: somebody asked for it."""
    SUPERSEDED = "superseded"
    """CANCELLED: a newer run with overlap policy ``cancel_running`` took its place."""
    CRASHES = "crashes"
    """QUARANTINED: its host, or its process, died too often while it was active."""
    RECOVERED = "recovered"
    """QUEUED again: its host, or its process, died while it was active."""
    DRAINED = "drained"
    """QUEUED again: its host stopped; the attempt does not count."""
    RETRY = "retry"
    """SCHEDULED again: the attempt failed and another is allowed."""
    SNOOZED = "snoozed"
    """SCHEDULED again: the job asked for it; the attempt does not count, and it keeps its exclusive key."""


@dataclass(slots=True, kw_only=True)  # not frozen: made for every run, and that would cost 1 to 2 us
class RunRequest:
    """What a submitter asks for; the store turns it into a run."""

    job_id: UUID
    job_type: str
    parameters: JsonObject = field(default_factory=dict)
    id: UUID | None = None
    """Chosen by the submitter, or None for one made by the store."""
    schedule_id: UUID | None = None
    schedule_version: str | None = None
    fire_time: datetime | None = None
    """The nominal instant a schedule asked for; with ``schedule_id`` it is unique."""
    missed: int = 0
    """How many older fire times this run stands for."""
    tenant: str = DEFAULT_TENANT
    owner: str | None = None
    """Who asked."""
    priority: int = 0
    """Higher first."""
    not_before: datetime | None = None
    expires_at: datetime | None = None
    timeout: timedelta | None = None
    max_attempts: int = 1
    executor: str = "loop"
    overlap: OverlapPolicy = OverlapPolicy.ALLOW
    exclusive_key: str | None = None
    """Runs with the same key never overlap; None for no exclusion. ``overlap`` says what a due one does."""
    recovery: RecoveryPolicy = RecoveryPolicy.RETRY
    trace_id: str | None = None
    """W3C, 32 hexadecimal digits, or a whole ``traceparent``; None for a new one."""
    origin_run_id: UUID | None = None
    """The finished run that this one repeats."""
    idempotency_key: str | None = None
    """A second request with the same key for the same job gives the first one's run."""
    skip: RunReason | None = None
    """Record the run as SKIPPED for this reason instead of queueing it."""
    hold: bool = False
    """Keep the run PENDING until it is released."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptError:
    """How one attempt ended badly."""

    attempt: int
    at: datetime
    node: str
    error: str
    """One line: exception type and message, or what was observed."""
    traceback: str | None = None
    """Formatted, bounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """One run as its row tells it."""

    id: UUID
    job_id: UUID
    job_type: str
    state: RunState
    reason: RunReason | None = None
    parameters: JsonObject = field(default_factory=dict)
    schedule_id: UUID | None = None
    schedule_version: str | None = None
    fire_time: datetime | None = None
    missed: int = 0
    tenant: str = DEFAULT_TENANT
    owner: str | None = None
    priority: int = 0
    not_before: datetime | None = None
    expires_at: datetime | None = None
    timeout: timedelta | None = None
    attempt: int = 0
    """Outcomes of job code so far; 1 while the first attempt runs."""
    max_attempts: int = 1
    crashes: int = 0
    """Claims that ended without an outcome."""
    forgiven: int = 0
    """Claims that did, too, but hardly by the run's own fault; at most MAX_FORGIVEN."""
    errors: tuple[AttemptError, ...] = ()
    """One an attempt that failed, oldest first."""
    progress: float | None = None
    """0 to 1."""
    status_text: str | None = None
    result: JsonValue = None
    executor: str = "loop"
    overlap: OverlapPolicy = OverlapPolicy.ALLOW
    exclusive_key: str | None = None
    recovery: RecoveryPolicy = RecoveryPolicy.RETRY
    trace_id: str = ""
    """W3C, 32 hexadecimal digits."""
    node: str | None = None
    """Incarnation of the node that claimed it last."""
    lease_until: datetime | None = None
    """None while active means: as long as the node holds the data directory."""
    fencing_token: int = 0
    cancel_requested_at: datetime | None = None
    cancel_requested_by: str | None = None
    is_locked: bool = False
    """Kept by retention."""
    is_stuck: bool = False
    """Ignores its cancellation or timeout."""
    origin_run_id: UUID | None = None
    idempotency_key: str | None = None
    change: int = 0
    """Number of its latest change; grows over all runs."""
    created_at: datetime
    claimed_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    updated_at: datetime
    took: timedelta | None = None
    """How long the code of the last attempt ran, measured by a clock that nobody sets; None while it runs."""

    @property
    def duration(self) -> timedelta | None:
        """Give how long the last attempt took, once it has finished: measured, or else between its two instants."""
        if self.took is not None or self.finished_at is None or self.started_at is None:
            return self.took
        return max(timedelta(0), self.finished_at - self.started_at)


@dataclass(slots=True, kw_only=True)  # not frozen: made for every run, and that would cost 1 to 2 us
class ClaimedRun:
    """What a node needs to perform a run it has claimed."""

    id: UUID
    job_id: UUID
    job_type: str
    parameters: JsonObject
    fencing_token: int
    executor: str
    recovery: RecoveryPolicy
    attempt: int
    """Number of the attempt now starting, from 1."""
    max_attempts: int
    crashes: int
    tenant: str
    owner: str | None
    priority: int
    trace_id: str
    """W3C, 32 hexadecimal digits, or the whole ``traceparent`` that the submitter gave."""
    schedule_id: UUID | None
    fire_time: datetime | None
    missed: int
    timeout: timedelta | None
    expires_at: datetime | None
    due_at: datetime
    """Since when it could have started."""
    claimed_at: datetime
    lease_until: datetime | None
    cancel_requested: bool
    forgiven: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one claim brought."""

    runs: tuple[ClaimedRun, ...]
    """In the order they should start."""
    last_tenant: str | None
    """Pass it as ``after_tenant`` next time."""
    next_due: datetime | None
    """When the next waiting run becomes due; None if none waits for time alone."""
    changed: bool
    """Whether any row changed, claimed or skipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunUpdate:
    """What a node reports about a run it holds."""

    id: UUID
    fencing_token: int
    started_at: datetime | None = None
    """Set: the job's code has started; STARTING becomes RUNNING."""
    progress: float | None = None
    status_text: str | None = None
    is_stuck: bool | None = None


@dataclass(slots=True, kw_only=True)  # not frozen: made for every run, and that would cost 1 to 2 us
class RunOutcome:
    """How a node's work on a run ended.

    ``state`` is final, or SCHEDULED (another attempt at ``not_before``; with reason SNOOZED this one does not
    count), or QUEUED (given back; the attempt does not count).
    """

    id: UUID
    fencing_token: int
    state: RunState
    reason: RunReason | None = None
    started_at: datetime | None = None
    """When the job's code started; None if it never did."""
    took: timedelta | None = None
    """How long it ran, by the monotonic clock."""
    result: JsonValue = None
    error: AttemptError | None = None
    is_crash: bool = False
    """Whether the code died without an outcome: counted in ``crashes``, not in ``attempt``."""
    not_before: datetime | None = None
    progress: float | None = None
    status_text: str | None = None


class SignalKind(StrEnum):
    """What a store tells a node about a run it reported on."""

    CANCEL = "cancel"
    """Somebody asked to cancel it."""
    LOST = "lost"
    """The claim is no longer the node's; nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSignal:
    """Something the holder of a claim must know about one run."""

    id: UUID
    kind: SignalKind


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs a listing shows; each field narrows, empty fields do not."""

    job_id: UUID | None = None
    states: frozenset[RunState] = frozenset()
    tenant: str | None = None
    schedule_id: UUID | None = None
    created_from: datetime | None = None
    """Inclusive."""
    created_until: datetime | None = None
    """Exclusive."""
    text: str | None = None
    """Part of the status text, the last error or the job type, case-insensitive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """One page of a listing, newest first."""

    runs: tuple[JobRun, ...]
    next_cursor: str | None
    """Pass it to get the page after; None at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCounters:
    """How many unfinished runs there are by state; ``capped`` when counting stopped at the limit."""

    by_state: Mapping[RunState, int]
    capped: bool = False
    oldest_due_at: datetime | None = None
    """Since when the first accepted of the QUEUED runs that nothing holds back has been due; None if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelResult:
    """What a request to cancel did."""

    run_id: UUID
    state: RunState
    """State after the request: CANCELLED at once if it had not started, else its active state."""


class BulkAction(StrEnum):
    """What can be done to many runs at once."""

    CANCEL = "cancel"
    """Cancel those that wait, ask active ones to stop."""
    RETRY = "retry"
    """Submit finished ones anew."""
    RELEASE = "release"
    """Let PENDING ones go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkReport:
    """What an action on many runs did, or would do."""

    matched: int
    """Runs that the filter found and the action is for."""
    changed: int
    """Of these, how many it reached; 0 when it was only asked about."""
    is_more: bool
    """Whether more matched than the limit allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """What a job returns when it has something to say: a JSON value and a closing status text."""

    value: JsonValue = None
    status_text: str | None = None
