"""Submitting runs to the upstream, and steering them there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from host.contracts.jobs import RunControl
from host.errors import InvalidRequestError, RunNotFoundError
from host.model.runs import BulkAction, BulkReport, CancelResult, JobRun, RunFilter
from host.model.submissions import RunSubmission
from host_upstream.jobhost.client import JobhostClient, segment
from host_upstream.jobhost.keys import new_key
from host_upstream.jobhost.memory import Memory
from host_upstream.jobhost.names import check_name, scope_segment

MOST_AT_ONCE = 10_000
"""Runs that an upstream accepts in one transaction."""
BULK_SECONDS = 900.0
"""How long an action on many runs may take."""
SUBMISSION_SECONDS = 60.0
"""The same of a submission of many."""
FEW = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class _Accepted:
    ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Repeat:
    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class _PauseChange:
    changed: bool


class RestRunControl(RunControl):
    """Runs of a jobhost. What is not sure to have been heard is never sent twice, unless that is the same as once."""

    def __init__(self, client: JobhostClient, memory: Memory) -> None:
        self._client, self._memory = client, memory

    async def submit(self, submissions: Sequence[RunSubmission]) -> Sequence[UUID]:
        """Accept runs, all or none, at most 10 000; one that has no idempotency key is given one of ours."""
        if not submissions:
            return ()
        if len(submissions) > MOST_AT_ONCE:
            hint = "submit them in several calls"
            raise InvalidRequestError(f"{len(submissions)} runs; at most {MOST_AT_ONCE} go at once", hint=hint)
        for each in submissions:
            check_name(each.job)
        body = {"runs": [_submission(each) for each in submissions]}
        # May be repeated: every run has a key, which the upstream keeps with it.
        accepted = await self._client.send(
            "POST",
            "/submissions",
            _Accepted,
            body,
            may_repeat=True,
            timeout_seconds=SUBMISSION_SECONDS if len(submissions) > FEW else None,
        )
        return accepted.ids

    async def cancel(self, run_id: UUID, *, by: str | None = None) -> CancelResult:
        """Cancel a run, or ask it to stop."""
        # Once only: the second answer would be that the run has finished, for that is what the first one did.
        return await self._client.send("POST", f"/runs/{run_id}/cancel", CancelResult, by=by)

    async def retry(self, run_id: UUID, *, by: str | None = None) -> UUID:
        """Submit a finished run anew."""
        # Once only: each request makes another run.
        return (await self._client.send("POST", f"/runs/{run_id}/retry", _Repeat, by=by)).id

    async def amend(
        self,
        run_id: UUID,
        *,
        priority: int | None = None,
        not_before: datetime | None = None,
        is_locked: bool | None = None,
    ) -> JobRun:
        """Change a waiting run, or lock a run against retention."""
        values = {"priority": priority, "not_before": not_before, "is_locked": is_locked}
        changes = {name: value for name, value in values.items() if value is not None}
        if not changes:
            return await self._existing(run_id)
        # Once only: between the two somebody else may have changed it, or it may have started.
        return await self._client.send("PATCH", f"/runs/{run_id}", JobRun, changes)

    async def release(self, run_id: UUID, *, by: str | None = None) -> JobRun:
        """Let a PENDING run go, or give a QUARANTINED one another chance."""
        # Once only: of a quarantined run each request makes another one.
        return await self._client.send("POST", f"/runs/{run_id}/release", JobRun, by=by)

    async def bulk(
        self,
        action: BulkAction,
        where: RunFilter,
        *,
        at_most: int = 100_000,
        dry_run: bool = False,
        by: str | None = None,
    ) -> BulkReport:
        """Do something to every run that a filter finds, in one request; once only, for retries add up."""
        body = {"action": action, "where": _where(where), "at_most": at_most, "dry_run": dry_run}
        return await self._client.send(
            "POST", "/bulk/direct", BulkReport, body, may_repeat=dry_run, by=by, timeout_seconds=BULK_SECONDS
        )

    async def pause(self, scope: str, *, reason: str, by: str | None = None) -> bool:
        """Start nothing more of ``all``, a job or a schedule; after a fault it may say False of a pause of its own."""
        body = {"scope": scope, "reason": reason}
        return await self._paused("POST", "/pauses", body, by=by)

    async def resume(self, scope: str, *, by: str | None = None) -> bool:
        """End a pause; after a fault it may say False of one that it ended itself."""
        return await self._paused("DELETE", f"/pauses/{segment(await scope_segment(self._client, scope))}", by=by)

    async def _paused(self, method: str, path: str, body: object = None, *, by: str | None) -> bool:
        try:
            # May be repeated: what is paused stays paused as it was, and what is not stays so.
            change = await self._client.send(method, path, _PauseChange, body, may_repeat=True, by=by)
        finally:
            self._memory.forget()
        return change.changed

    async def _existing(self, run_id: UUID) -> JobRun:
        run = await self._client.find(f"/runs/{run_id}", JobRun, missing=RunNotFoundError.code)
        if run is None:
            raise RunNotFoundError(f"no run has the id {run_id}", hint="jobhost runs list shows the latest")
        return run


def _submission(given: RunSubmission) -> Mapping[str, object]:
    # Members that are null are said: left out, owner and trace would be the request's.
    return {
        "job": given.job,
        "parameters": given.parameters,
        "tenant": given.tenant,
        "owner": given.owner,
        "priority": given.priority,
        "not_before": given.not_before,
        "expires_at": given.expires_at,
        "timeout": given.timeout,
        "idempotency_key": given.idempotency_key or new_key(),
        "trace_id": given.trace_id,
        "hold": given.hold,
    }


def _where(where: RunFilter) -> Mapping[str, object]:
    members = {
        "job": where.job_id,
        "states": sorted(where.states),
        "tenant": where.tenant,
        "schedule_id": where.schedule_id,
        "created_from": where.created_from,
        "created_until": where.created_until,
        "text": where.text,
    }
    return {name: value for name, value in members.items() if value is not None}
