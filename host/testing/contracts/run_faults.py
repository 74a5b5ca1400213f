"""What every run store promises when calls fail before or after they did their work: repeating them is safe."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import uuid4

import pytest

from host.contracts.runs import JobRunClaimer, JobRunReader, JobRunWriter
from host.errors import StoreUnavailableError
from host.model.runs import FINAL_STATES, RunState
from host.model.schedules import ScheduleCursor
from host.testing.faults import FaultPlan, failing
from host.testing.run_desk import SECOND, Desk, RunStore, request

T = TypeVar("T")
SEEDS = range(3)


class RunFaults:
    """Part of ``JobRunSuite``."""

    @pytest.mark.parametrize("seed", SEEDS)
    def test_a_repeated_submit_doubles_nothing(self, desk: Desk, seed: int) -> None:
        plan = FaultPlan(seed)
        store = _failing(desk, plan)
        asked = [
            request(**({"id": uuid4()} if number % 2 else {"idempotency_key": f"key {number}"})) for number in range(20)
        ]
        ids = [desk(_persist(lambda one=one: store.submit([one])))[0] for one in asked]  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        assert plan.faults.total()
        assert len(set(ids)) == len(asked)
        assert {run.id for run in desk(desk.store.runs(limit=1000)).runs} == set(ids)

    @pytest.mark.parametrize("seed", SEEDS)
    def test_a_repeated_fire_doubles_nothing(self, desk: Desk, seed: int) -> None:
        store = _failing(desk, FaultPlan(seed, probability=0.5))
        schedule = uuid4()
        cursor = desk(desk.store.adopt({schedule: "v"}))[schedule]
        for number in range(1, 11):
            at = cursor.effective_from + number * SECOND
            moved = ScheduleCursor(
                schedule_id=schedule,
                version="v",
                effective_from=cursor.effective_from,
                last_fire_time=at,
                fire_count=number,
            )
            fire = request(schedule_id=schedule, schedule_version="v", fire_time=at)
            desk(_persist(lambda fire=fire, moved=moved: store.fire([fire], [moved])))  # type: ignore[misc]  # as above
        assert len(desk(desk.store.runs()).runs) == 10
        assert desk(desk.store.adopt({schedule: "v"}))[schedule].fire_count == 10

    @pytest.mark.parametrize("seed", SEEDS)
    def test_a_repeated_outcome_loses_nothing(self, desk: Desk, seed: int) -> None:
        store = _failing(desk, FaultPlan(seed))
        ids = desk.submit(*(request() for _ in range(20)))
        for run in desk.claim().runs:
            outcome = desk.outcome(run, status_text=str(run.id))
            desk(_persist(lambda outcome=outcome: store.finish([outcome])))  # type: ignore[misc]  # as above
        for run_id in ids:
            row = desk.run(run_id)
            assert (row.state, row.attempt, row.status_text) == (RunState.COMPLETED, 1, str(run_id))

    @pytest.mark.parametrize("seed", SEEDS)
    def test_every_accepted_run_ends_whatever_fails(self, desk: Desk, seed: int) -> None:
        plan = FaultPlan(seed)
        ids = desk.submit(*(request(exclusive_key=f"k{number % 5}") for number in range(30)))
        for _ in range(40):
            store = _failing(desk, plan)
            try:
                claim = desk(store.claim({"loop": 4}, desk.types))
                desk(store.finish([desk.outcome(run) for run in claim.runs]))
            except StoreUnavailableError:
                desk.crash()
        assert plan.faults.total()
        assert set(desk.states(*ids)) <= FINAL_STATES


def _failing(desk: Desk, plan: FaultPlan) -> RunStore:
    return failing(desk.store, JobRunReader, JobRunWriter, JobRunClaimer, plan=plan)


async def _persist(call: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await call()
        except StoreUnavailableError:
            continue
