"""One action on every run that a filter finds: counted first, done only to as many as were counted.

Programs may do it in one step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Response
from pydantic import Field, StrictBool, StrictInt

from host.errors import InvalidRequestError
from host.model.runs import BulkAction, BulkReport, RunFilter, RunState
from host.model.security import Policy
from host_rest.api.answers import answer
from host_rest.api.demands import demand
from host_rest.api.errors import CountExceededError
from host_rest.api.inputs import LONGEST_SEARCH, Body, Instant, Text
from host_rest.api.programs import demand_program
from host_rest.api.runs import job_id_of
from host_rest.api.services import By, Call, Host, Services
from host_rest.api.strict import new_router

router = new_router("runs")
MOST_RUNS = 100_000


class Where(Body):
    """Which runs are meant; each member narrows. Without any: all that the action is for."""

    job: Annotated[Text, Field(min_length=1, description="Id, type name, alias or name.")] | None = None
    states: list[RunState] = Field([], max_length=len(RunState))
    tenant: Text | None = None
    schedule_id: UUID | None = None
    created_from: Instant | None = Field(None, description="Inclusive.")
    created_until: Instant | None = Field(None, description="Exclusive; never later than the count.")
    text: Annotated[str, Field(min_length=1, max_length=LONGEST_SEARCH)] | None = None

    async def to_model(self, host: Services) -> RunFilter:
        """Give the filter; raises JobNotFoundError."""
        return RunFilter(
            job_id=None if self.job is None else await job_id_of(host, self.job),
            states=frozenset(self.states),
            tenant=self.tenant,
            schedule_id=self.schedule_id,
            created_from=self.created_from,
            created_until=self.created_until,
            text=self.text,
        )


class Bulk(Body):
    """What to do to which runs: first with ``dry_run``, then with what that answered."""

    action: BulkAction
    where: Where
    at_most: Annotated[StrictInt, Field(ge=1, le=MOST_RUNS)] = Field(10_000, description="So many, the newest.")
    dry_run: StrictBool = Field(False, description="Only count.")
    expected_count: Annotated[StrictInt, Field(ge=0, le=MOST_RUNS)] | None = Field(
        None, description="The count that the dry run gave; demanded without dry_run."
    )
    counted_at: Instant | None = Field(
        None, description="When the dry run counted; demanded without dry_run. Runs created since are not touched."
    )


class DirectBulk(Body):
    """What to do to which runs, in one step."""

    action: BulkAction
    where: Where
    at_most: Annotated[StrictInt, Field(ge=1, le=MOST_RUNS)] = Field(MOST_RUNS, description="So many, the newest.")
    dry_run: StrictBool = Field(False, description="Only count.")


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkAnswer:
    """What an action on many runs did, or would do."""

    matched: int
    """Runs that the filter found and the action is for."""
    changed: int
    """Of these, how many it reached; 0 when it was only asked about."""
    is_more: bool
    """Whether more matched than ``at_most``."""
    expected_count: int
    """To be sent with the action itself."""
    counted_at: datetime
    """To be sent with the action itself."""


@router.post("/bulk", response_model=BulkAnswer, openapi_extra=demand(Policy.START_SYSTEM_JOB))
async def bulk(host: Host, by: By, call: Call, body: Bulk) -> Response:
    """Cancel, retry or release every run that a filter finds.

    Ask with ``dry_run`` first; then repeat the request with the ``expected_count`` and ``counted_at`` of its answer.
    It is refused (409) if more runs match by then, and touches no run that was created since.
    """
    call.audit.update(action=body.action.value, dry_run=str(body.dry_run).lower())
    counted_at, expected = (host.now(), None) if body.dry_run else _agreed(body, host.now())
    where = await body.where.to_model(host)
    # Invariant: what is created after the count is not touched, so no more happens than was agreed to.
    where = replace(where, created_until=min(where.created_until or counted_at, counted_at))
    count = await host.control.bulk(body.action, where, at_most=body.at_most, dry_run=True, by=by)
    if expected is None:
        return answer(_answered(count.matched, 0, counted_at, is_more=count.is_more))
    if count.matched > expected:
        hint = "ask with dry_run again"
        raise CountExceededError(f"{count.matched} runs match by now, {expected} were expected", hint=hint)
    if not count.matched:
        return answer(_answered(0, 0, counted_at, is_more=False))
    report = await host.control.bulk(body.action, where, at_most=expected, by=by)
    call.audit["changed"] = str(report.changed)
    return answer(_answered(report.matched, report.changed, counted_at, is_more=count.is_more))


@router.post("/bulk/direct", response_model=BulkReport, openapi_extra=demand(Policy.START_SYSTEM_JOB))
async def bulk_directly(host: Host, by: By, call: Call, body: DirectBulk) -> Response:
    """Do the same in one step, to at most so many runs; for programs alone, which asked somebody before.

    What a failure interrupts has been done as far as it came, and doing it again finishes it.
    """
    demand_program(call, "do this without counting first", hint="ask POST /bulk with dry_run, then repeat it")
    call.audit.update(action=body.action.value, dry_run=str(body.dry_run).lower())
    where = await body.where.to_model(host)
    report = await host.control.bulk(body.action, where, at_most=body.at_most, dry_run=body.dry_run, by=by)
    call.audit["changed"] = str(report.changed)
    return answer(report)


def _agreed(body: Bulk, now: datetime) -> tuple[datetime, int]:
    if body.expected_count is None or body.counted_at is None:
        hint = "send dry_run: true first, then expected_count and counted_at from its answer"
        raise InvalidRequestError("the action was not counted first", hint=hint)
    if body.counted_at > now:
        raise InvalidRequestError("counted_at is in the future", hint="send it as the dry run gave it")
    return body.counted_at, body.expected_count


def _answered(matched: int, changed: int, counted_at: datetime, *, is_more: bool) -> BulkAnswer:
    return BulkAnswer(matched=matched, changed=changed, is_more=is_more, expected_count=matched, counted_at=counted_at)
