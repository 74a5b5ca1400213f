"""The run store in three parts: reading, submitting, and working on runs. The row is the truth.

Suite: ``host.testing.contracts.runs``. Due times and leases are judged by the store's own clock.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from host.contracts.contract import Contract
from host.model.runs import (
    CancelResult,
    Claim,
    JobRun,
    RunCounters,
    RunFilter,
    RunOutcome,
    RunPage,
    RunRequest,
    RunSignal,
    RunState,
    RunUpdate,
)
from host.model.schedules import ScheduleCursor
from host.model.statistics import JobStatistics


class JobRunReader(Contract):
    """Reads runs; sees everything that was acknowledged before the call."""

    @abstractmethod
    async def run(self, run_id: UUID) -> JobRun | None:
        """Give one run, or None."""

    @abstractmethod
    async def runs(self, where: RunFilter | None = None, *, cursor: str | None = None, limit: int = 50) -> RunPage:
        """List runs, newest first, at most ``limit`` (1 to 1000) a page; keyset paging, no total.

        A page may be short, even empty, and still have a cursor to go on: a filter that few runs pass is searched for a
        bounded time. Raises InvalidRequestError for a cursor that no page gave.
        """

    @abstractmethod
    async def latest(self, job_ids: Collection[UUID], states: Collection[RunState] = ()) -> Mapping[UUID, JobRun]:
        """Give the newest run of each of these jobs, among the ``states`` if any are named: ``{job id: run}``."""

    @abstractmethod
    async def counters(self) -> RunCounters:
        """Count unfinished runs by state, up to a limit the store sets; states without runs count 0."""

    @abstractmethod
    async def changes(self, after: int, *, limit: int = 500) -> Sequence[JobRun]:
        """Give the runs changed since change number ``after``, each once in its present form, by change number.

        Never skips one: pass the last ``change`` received. ``after=-1`` gives nothing but the newest change,
        to start from now. Raises InvalidRequestError for what is no change number: one of more than 63 bits.
        """

    @abstractmethod
    async def statistics(
        self,
        job_ids: Collection[UUID] = (),
        *,
        since: datetime,
        until: datetime | None = None,
        step: timedelta | None = None,
    ) -> Sequence[JobStatistics]:
        """Give what became of the runs that finished in ``[since, until)``, by job (all if none is named).

        Without ``step`` one entry a job, with it one for each job and step that had any, oldest first. Costs no
        scan of runs; instants are taken to the full minute, older ones than two days to the full hour.
        """

    @abstractmethod
    async def failing(self, job_ids: Collection[UUID], *, at_most: int = 100) -> Mapping[UUID, int]:
        """Give how many runs of each job in a row have failed or were quarantined, newest first: ``{job id: number}``.

        Cancelled and skipped runs neither count nor end a streak. Counted up to ``at_most``.
        """


class JobRunWriter(Contract):
    """Accepts work. What returned without an error is durable and reaches exactly one final state."""

    @abstractmethod
    def submit(self, requests: Sequence[RunRequest]) -> Awaitable[Sequence[UUID]]:
        """Accept runs, all or none; gives their ids in order once they are durable.

        The work begins with the call, not with the await: a ``claim`` called later by the same process sees the
        runs.

        A request becomes PENDING (``hold``), SCHEDULED (``not_before`` in the future), SKIPPED (``skip``) or
        QUEUED. An ``idempotency_key`` is one of its job's: one that is known gives the id of the run of this job
        accepted for it before. With overlap ``cancel_running``, older unfinished runs of the exclusive key are
        cancelled: at once while waiting (CANCELLED, ``superseded``), by request while active. Raises
        InvalidRequestError for what cannot be kept as it is, such as a timeout of nothing or less, and
        StoreUnavailableError if it cannot be written; nothing is accepted then.
        """

    @abstractmethod
    def fire(self, requests: Sequence[RunRequest], cursors: Sequence[ScheduleCursor]) -> Awaitable[int]:
        """Accept runs that schedules asked for, and move those schedules' cursors, in one transaction.

        Begins with the call, as ``submit`` does.
        A request whose (schedule id, fire time) was accepted before, by anybody, is left out; returns how
        many were accepted. A cursor only moves forward in its version.
        """

    @abstractmethod
    async def adopt(self, schedules: Mapping[UUID, str]) -> Mapping[UUID, ScheduleCursor]:
        """Give the cursor of each schedule ``{schedule id: version}``.

        A version seen for the first time starts at the store's now: its cursor has ``effective_from`` = now
        and no fire time. Cursors are never deleted.
        """

    @abstractmethod
    async def request_cancel(self, run_ids: Sequence[UUID], *, by: str | None) -> Sequence[CancelResult]:
        """Cancel runs that have not started (CANCELLED, ``requested``); ask active ones to stop.

        Unknown and finished runs are left out of the result. Asking again changes nothing.
        """

    @abstractmethod
    async def amend(
        self,
        run_id: UUID,
        *,
        priority: int | None = None,
        not_before: datetime | None = None,
        is_locked: bool | None = None,
        release: bool = False,
    ) -> JobRun:
        """Change a waiting run's priority or time, release a PENDING one, or lock one against retention.

        Raises RunNotFoundError, or RunStateError if its state does not allow it (only ``is_locked`` is
        allowed on a run that has started).
        """

    @abstractmethod
    async def prune(
        self, *, finished_before: datetime, states: Collection[RunState] = (), limit: int = 500
    ) -> Sequence[UUID]:
        """Delete at most ``limit`` unlocked finished runs, oldest first, of these final states (all if empty).

        Returns their ids; fewer than ``limit`` means that no more are left.
        """


class JobRunClaimer(Contract):
    """Works on runs. Every write needs the claim's fencing token and a legal transition."""

    @abstractmethod
    def claim(
        self,
        free: Mapping[str, int],
        job_types: Collection[str],
        *,
        after_tenant: str | None = None,
        alone_from: int = 1,
    ) -> Awaitable[Claim]:
        """Take due runs for this node: QUEUED becomes STARTING, with a new fencing token and a lease.

        Begins with the call, as ``JobRunWriter.submit`` does.
        ``free`` is how many may be taken by executor name; ``job_types`` are the types this node offers (pass
        the same object again while it is unchanged). Waiting runs whose time has come become QUEUED first;
        those past ``expires_at`` become FAILED (``expired``). Tenants take turns, beginning after
        ``after_tenant``; within one, higher priority first, then the earliest due. Of the runs with one exclusive key
        only the oldest due one is taken, and none while one is active (STARTING, RUNNING, or between
        attempts); the other due ones with overlap ``skip`` become SKIPPED (``overlap``) in the same
        transaction. A due run that may be taken and has at least ``alone_from`` crashes is a suspect: it comes before
        all others, the one with the fewest crashes and earliest due first, and is the only run of its claim.
        """

    @abstractmethod
    async def renew(self, claims: Mapping[UUID, int]) -> Sequence[RunSignal]:
        """Extend the leases of claims ``{run id: fencing token}``; LOST for those that are no longer ours.

        Also tells which of them somebody asked to cancel.
        """

    @abstractmethod
    async def update(self, updates: Sequence[RunUpdate]) -> Sequence[RunSignal]:
        """Record that code started (RUNNING) and how far it is; LOST for claims that are no longer ours."""

    @abstractmethod
    async def finish(self, outcomes: Sequence[RunOutcome]) -> Sequence[RunSignal]:
        """Record how claims ended; LOST for those that are no longer ours, about which nothing is written.

        An outcome with ``started_at`` for a run still STARTING passes through RUNNING. A cancel request
        recorded before a COMPLETED or retry outcome makes it CANCELLED (``requested``). ``attempt`` counts
        every outcome but QUEUED, ``snoozed`` and crashes, which ``crashes`` counts; QUEUED (``recovered``) without a
        crash counts in ``forgiven``. A duplicate of a recorded outcome is LOST.
        """

    @abstractmethod
    async def rescue(self, *, isolating: Collection[str] = ()) -> Sequence[JobRun]:
        """End the claims of nodes that are gone; returns those runs in their new state.

        Gone: another incarnation under the data-directory lock (embedded), or a lease that ended. Each
        counts a crash; of runs whose executor is one of ``isolating`` the first MAX_FORGIVEN times count in
        ``forgiven`` instead, and such a run competes for its key again. ``recovery=retry``: QUEUED
        (``recovered``), or CANCELLED if that was asked, or QUARANTINED (``crashes``) at MAX_CRASHES.
        ``recovery=fail``: FAILED (``lost``). STARTING counts as RUNNING.
        """
