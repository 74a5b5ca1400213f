"""The audit trail is pruned in batches, and never of what happened lately."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest

from host.contracts.security import AuditTrail
from host.errors import InvalidParameterError
from host.model.json import JsonValue
from host.model.security import AuditEvent, AuditFilter, AuditPage
from host.testing.clock import FakeClock
from host.testing.context import RecordingContext
from host_maintenance.prune_audit import BATCH, PruneAudit

DAY = timedelta(days=1)


class Trail(AuditTrail):
    """Instants of events; the other operations are none of this job's business."""

    def __init__(self, instants: Sequence[datetime]) -> None:
        self.instants = sorted(instants)
        self.batches: list[int] = []
        self.after_batch: Callable[[], object] = lambda: None

    async def prune(self, *, before: datetime, limit: int = 500) -> int:
        chosen = [instant for instant in self.instants if instant < before][:limit]
        self.instants = self.instants[len(chosen) :]
        self.batches.append(len(chosen))
        self.after_batch()
        return len(chosen)

    async def record(self, events: Sequence[AuditEvent]) -> None:
        raise NotImplementedError

    async def events(
        self, where: AuditFilter | None = None, *, cursor: str | None = None, limit: int = 50
    ) -> AuditPage:
        raise NotImplementedError


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def prune(trail: Trail, clock: FakeClock, **parameters: object) -> JsonValue:
    return asyncio.run(PruneAudit(trail, clock).run(RecordingContext(PruneAudit, parameters))).value


def test_events_stay_for_a_year_by_default(clock: FakeClock) -> None:
    trail = Trail([clock.now() - days * DAY for days in (500, 366, 364, 0)])
    assert prune(trail, clock) == {"deleted": 2}
    assert trail.instants == [clock.now() - 364 * DAY, clock.now()]


def test_events_older_than_the_parameter_says_go(clock: FakeClock) -> None:
    trail = Trail([clock.now() - days * DAY for days in (40, 36, 31)])
    assert prune(trail, clock, days=35.5) == {"deleted": 2}


@pytest.mark.parametrize("days", [0, 29, -1])
def test_less_than_a_month_is_refused(clock: FakeClock, days: int) -> None:
    trail = Trail([clock.now() - 400 * DAY])
    with pytest.raises(InvalidParameterError):
        prune(trail, clock, days=days)
    assert trail.batches == []


def test_events_go_in_batches_until_none_is_left(clock: FakeClock) -> None:
    trail = Trail([clock.now() - 400 * DAY] * (2 * BATCH + 1))
    assert prune(trail, clock) == {"deleted": 2 * BATCH + 1}
    assert trail.batches == [BATCH, BATCH, 1]


def test_a_cancelled_prune_stops_between_batches(clock: FakeClock) -> None:
    trail = Trail([clock.now() - 400 * DAY] * (2 * BATCH))
    context = RecordingContext(PruneAudit, {})
    trail.after_batch = lambda: setattr(context, "is_cancelled", True)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(PruneAudit(trail, clock).run(context))
    assert trail.batches == [BATCH]
