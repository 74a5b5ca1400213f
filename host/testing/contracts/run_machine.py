"""Random histories of a run store, compared with the reference model after every step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from host.model.jobs import OverlapPolicy, RecoveryPolicy
from host.model.runs import TRANSITIONS, RunOutcome, RunReason, RunState
from host.testing.run_desk import Desk, request
from host.testing.run_model import ModelRun, RunModel

OUTCOMES = sorted((TRANSITIONS[RunState.STARTING] | TRANSITIONS[RunState.RUNNING]) - {RunState.RUNNING})
CRASHES = frozenset({RunState.QUEUED, RunState.FAILED, RunState.QUARANTINED})
"""How a claim ends whose code died without an outcome."""
_ANY = st.integers(min_value=0, max_value=1000)


class RunMachine(RuleBasedStateMachine):
    """Does the same to a store and to the model."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk.__enter__()
        self.model = RunModel()
        self.began = desk.now()
        self.ended: dict[UUID, RunState] = {}

    def teardown(self) -> None:
        """Close the store."""
        self.desk.__exit__(None, None, None)

    @rule(
        key=st.sampled_from([None, "a", "b"]),
        overlap=st.sampled_from(OverlapPolicy),
        priority=st.integers(0, 1),
        delay=st.sampled_from([0, 0, 5]),
        hold=st.sampled_from([False, False, False, True]),
        recovery=st.sampled_from(RecoveryPolicy),
    )
    def submit(
        self,
        *,
        key: str | None,
        overlap: OverlapPolicy,
        priority: int,
        delay: int,
        hold: bool,
        recovery: RecoveryPolicy,
    ) -> None:
        """Accept a run."""
        at = self._instant(self.model.now + delay) if delay else None
        asked = request(
            exclusive_key=key, overlap=overlap, priority=priority, not_before=at, hold=hold, recovery=recovery
        )
        self.model.submit(self.desk.submit(asked)[0], asked, delay=delay)

    @rule(slots=st.integers(1, 3), alone_from=st.sampled_from([1, 1, 2]))
    def claim(self, slots: int, alone_from: int) -> None:
        """Claim, and see the same runs come in the same order."""
        claimed = [run.id for run in self.desk.claim(slots, alone_from=alone_from).runs]
        taken = self.model.claim(slots, alone_from=alone_from)
        assert claimed == [self._id_of(run) for run in taken]

    @rule(
        choice=_ANY,
        state=st.sampled_from(OUTCOMES),
        is_started=st.booleans(),
        is_stale=st.sampled_from([False] * 5 + [True]),
        delay=st.sampled_from([0, 5]),
        is_odd=st.booleans(),
    )
    def finish(
        self, *, choice: int, state: RunState, is_started: bool, is_stale: bool, delay: int, is_odd: bool
    ) -> None:
        """End a claim, or try to; an odd one has crashed, or wants to be put off."""
        found = self._choose(choice, active=True)
        if found is None:
            return
        identity, run = found
        token = run.token - is_stale
        is_crash = is_odd and state in CRASHES
        is_snoozed = is_odd and state is RunState.SCHEDULED
        is_recovered = delay > 0 and state is RunState.QUEUED
        outcome = RunOutcome(
            id=identity,
            fencing_token=token,
            state=state,
            started_at=self._instant(self.model.now) if is_started else None,
            not_before=self._instant(self.model.now + delay),
            is_crash=is_crash,
            reason=RunReason.SNOOZED if is_snoozed else RunReason.RECOVERED if is_recovered else None,
        )
        is_taken = not self.desk(self.desk.store.finish([outcome]))
        expected = self.model.finish(
            run,
            token,
            state,
            is_started=is_started,
            delay=delay,
            is_crash=is_crash,
            is_snoozed=is_snoozed,
            is_recovered=is_recovered,
        )
        assert is_taken == expected

    @rule(choice=_ANY)
    def cancel(self, choice: int) -> None:
        """Cancel any run."""
        found = self._choose(choice)
        if found is not None:
            self.desk.cancel(found[0])
            self.model.cancel(found[1])

    @rule(choice=_ANY)
    def release(self, choice: int) -> None:
        """Release a run that is held."""
        found = self._choose(choice)
        if found is not None and found[1].state is RunState.PENDING:
            self.desk(self.desk.store.amend(found[0], release=True))
            self.model.release(found[1])

    @rule(seconds=st.integers(1, 10))
    def advance(self, seconds: int) -> None:
        """Let time pass."""
        self.desk.advance(seconds)
        self.model.now += seconds

    @rule(is_isolated=st.booleans())
    def crash(self, *, is_isolated: bool) -> None:
        """Let the node die and another rescue its runs."""
        self.desk.crash(isolating=["loop"] if is_isolated else [])
        self.model.now += self.desk.crash_seconds
        self.model.rescue(is_isolated=is_isolated)

    @rule()
    def prune(self) -> None:
        """Delete what finished more than a few seconds ago."""
        before = self.model.now - 5
        self.desk(self.desk.store.prune(finished_before=self._instant(before)))
        self.model.prune(before)

    @invariant()
    def rows_agree(self) -> None:
        """Every row stands where the model says, and there is no other."""
        rows = {
            run.id: (run.state, run.attempt, run.crashes, run.forgiven, run.fencing_token)
            for run in self.desk(self.desk.store.runs(limit=1000)).runs
        }
        expected = {
            key: (run.state, run.attempt, run.crashes, run.forgiven, run.token) for key, run in self.model.runs.items()
        }
        assert rows == expected

    @invariant()
    def every_end_is_counted_once(self) -> None:
        """The statistics hold every run that ever ended, pruned or not."""
        self.ended |= {key: run.state for key, run in self.model.runs.items() if run.state and run.state.is_final}
        found = self.desk(self.desk.store.statistics(since=self.began))
        assert sum((Counter(entry.by_state) for entry in found), Counter()) == Counter(self.ended.values())

    def _instant(self, seconds: float) -> datetime:
        return self.began + timedelta(seconds=seconds)

    def _id_of(self, run: ModelRun) -> UUID:
        return next(key for key, other in self.model.runs.items() if other is run)

    def _choose(self, choice: int, *, active: bool = False) -> tuple[UUID, ModelRun] | None:
        found = [item for item in self.model.runs.items() if item[1].is_active or not active]
        return found[choice % len(found)] if found else None


def check_against_model(new_desk: Callable[[], Desk], *, examples: int, steps: int = 40) -> None:
    """Run random histories over new, empty stores; fails with the shortest one that differs from the model."""
    run_state_machine_as_test(
        cast("type[RuleBasedStateMachine]", lambda: RunMachine(new_desk())),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
