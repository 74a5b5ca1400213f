"""What every run store promises about work on runs: reports, outcomes, leases, rescue."""

from __future__ import annotations

from uuid import uuid4

import pytest

from host.errors import InvalidRequestError
from host.model.jobs import OverlapPolicy, RecoveryPolicy
from host.model.runs import (
    FINAL_STATES,
    MAX_CRASHES,
    TRANSITIONS,
    AttemptError,
    RunOutcome,
    RunReason,
    RunState,
    RunUpdate,
    SignalKind,
)
from host.testing.run_desk import SECOND, Desk, request

S = RunState
OUTCOMES = sorted((TRANSITIONS[S.STARTING] | TRANSITIONS[S.RUNNING]) - {S.RUNNING})


class RunOutcomes:
    """Part of ``JobRunSuite``."""

    def test_started_code_makes_the_run_running(self, desk: Desk) -> None:
        desk.add()
        run = desk.claim_one()
        assert desk.report(run, started_at=run.claimed_at + SECOND, progress=0.25, status_text="on") == []
        row = desk.run(run.id)
        assert (row.state, row.started_at) == (S.RUNNING, run.claimed_at + SECOND)
        assert (row.progress, row.status_text) == (0.25, "on")

    def test_what_an_update_leaves_out_stays(self, desk: Desk) -> None:
        desk.add()
        run = desk.claim_one()
        desk.start(run)
        desk.report(run, progress=0.5, status_text="half")
        desk.report(run, is_stuck=True)
        desk.report(run, started_at=run.claimed_at + 9 * SECOND)
        row = desk.run(run.id)
        assert (row.progress, row.status_text, row.is_stuck) == (0.5, "half", True)
        assert row.started_at == run.claimed_at + SECOND

    def test_several_updates_of_one_run_count_together(self, desk: Desk) -> None:
        desk.add()
        run = desk.claim_one()
        token = run.fencing_token
        updates = [
            RunUpdate(id=run.id, fencing_token=token, started_at=run.claimed_at, progress=0.1),
            RunUpdate(id=run.id, fencing_token=token, progress=0.2),
            RunUpdate(id=run.id, fencing_token=token, status_text="x"),
        ]
        assert list(desk(desk.store.update(updates))) == []
        row = desk.run(run.id)
        assert (row.state, row.progress, row.status_text) == (S.RUNNING, 0.2, "x")

    @pytest.mark.parametrize("state", sorted(FINAL_STATES - {S.SKIPPED}))
    def test_a_final_outcome_ends_the_run(self, desk: Desk, state: RunState) -> None:
        desk.add()
        run = desk.claim_one()
        desk.start(run)
        desk.report(run, is_stuck=True)
        error = AttemptError(attempt=1, at=run.claimed_at, node="n", error="E: x", traceback="t\n")
        given = {"result": {"a": [1, None]}, "error": error, "progress": 1.0, "status_text": "end"}
        assert desk.finish(run, state, reason=RunReason.ERROR, **given)
        row = desk.run(run.id)
        assert (row.state, row.reason, row.attempt) == (state, RunReason.ERROR, 1)
        assert (row.result, row.errors, row.progress, row.status_text) == ({"a": [1, None]}, (error,), 1.0, "end")
        assert row.finished_at is not None
        assert row.lease_until is None
        assert not row.is_stuck
        assert desk.claim().runs == ()

    def test_an_outcome_with_started_at_passes_through_running(self, desk: Desk) -> None:
        desk.add()
        run = desk.claim_one()
        assert desk.finish(run)
        row = desk.run(run.id)
        assert (row.state, row.started_at) == (S.COMPLETED, run.claimed_at + SECOND)

    @pytest.mark.parametrize("state", OUTCOMES)
    @pytest.mark.parametrize("is_running", [False, True])
    def test_only_legal_outcomes_are_taken(self, desk: Desk, state: RunState, *, is_running: bool) -> None:
        desk.add()
        run = desk.claim_one()
        if is_running:
            desk.start(run)
        before = desk.run(run.id)
        is_legal = state in TRANSITIONS[before.state]
        assert desk.finish(run, state, started_at=None) is is_legal
        assert (desk.run(run.id) == before) is not is_legal

    @pytest.mark.parametrize("state", sorted(set(S) - set(OUTCOMES)))
    def test_an_outcome_no_claim_can_have_is_refused_whole(self, desk: Desk, state: RunState) -> None:
        desk.submit(request(), request())
        first, second = desk.claim().runs
        with pytest.raises(InvalidRequestError):
            desk(desk.store.finish([desk.outcome(first), desk.outcome(second, state)]))
        assert desk.states(first.id, second.id) == [S.STARTING] * 2

    def test_a_duplicate_of_a_recorded_outcome_is_lost(self, desk: Desk) -> None:
        desk.add()
        run = desk.claim_one()
        assert desk.finish(run, status_text="first")
        before = desk.run(run.id)
        assert not desk.finish(run, S.FAILED, status_text="second")
        assert desk.run(run.id) == before

    def test_the_first_of_two_outcomes_in_a_batch_counts(self, desk: Desk) -> None:
        desk.submit(request(), request())
        first, second = desk.claim().runs
        outcomes = [desk.outcome(first), desk.outcome(first, S.FAILED), desk.outcome(second)]
        assert [signal.id for signal in desk(desk.store.finish(outcomes))] == [first.id]
        assert desk.states(first.id, second.id) == [S.COMPLETED] * 2

    def test_in_a_batch_only_the_lost_are_told(self, desk: Desk) -> None:
        desk.submit(*(request() for _ in range(300)))
        runs = desk.claim(300).runs
        lost = {runs[5].id, runs[255].id, runs[299].id}
        outcomes = [
            RunOutcome(
                id=run.id,
                fencing_token=run.fencing_token + (run.id in lost),
                state=S.SCHEDULED if number % 2 else S.COMPLETED,
                started_at=run.claimed_at,
            )
            for number, run in enumerate(runs)
        ]
        signals = desk(desk.store.finish(outcomes))
        assert {signal.id for signal in signals} == lost
        assert {signal.kind for signal in signals} == {SignalKind.LOST}
        assert all(desk.run(run).state is S.STARTING for run in lost)

    def test_a_stale_token_is_refused_everywhere(self, desk: Desk) -> None:
        desk.add()
        old = desk.claim_one()
        desk.finish(old, S.QUEUED, started_at=None)
        new = desk.claim_one()
        assert new.fencing_token > old.fencing_token
        before = desk.run(new.id)
        assert not desk.finish(old)
        assert desk.report(old, progress=0.9) == [SignalKind.LOST]
        signals = desk(desk.store.renew({old.id: old.fencing_token}))
        assert [(signal.id, signal.kind) for signal in signals] == [(old.id, SignalKind.LOST)]
        assert desk.run(new.id) == before

    def test_an_unknown_run_is_lost(self, desk: Desk) -> None:
        desk.add()
        run = desk.claim_one()
        ghost = RunUpdate(id=uuid4(), fencing_token=1, progress=0.5)
        mine = RunUpdate(id=run.id, fencing_token=run.fencing_token, progress=0.5)
        assert [signal.id for signal in desk(desk.store.update([ghost, mine]))] == [ghost.id]
        assert [signal.id for signal in desk(desk.store.renew({ghost.id: 1, run.id: run.fencing_token}))] == [ghost.id]

    def test_another_attempt_waits_for_its_time(self, desk: Desk) -> None:
        desk.add(max_attempts=3)
        run = desk.claim_one()
        error = AttemptError(attempt=1, at=run.claimed_at, node="n", error="E: [1]")
        desk.start(run)
        desk.report(run, progress=0.7, status_text="x")
        at = desk.after(30)
        assert desk.finish(run, S.SCHEDULED, reason=RunReason.RETRY, not_before=at, error=error)
        row = desk.run(run.id)
        assert (row.state, row.reason, row.attempt, row.not_before) == (S.SCHEDULED, RunReason.RETRY, 1, at)
        assert (row.errors, row.finished_at) == ((error,), None)
        assert desk.claim().next_due == at
        desk.advance(31)
        again = desk.claim_one()
        assert (again.id, again.attempt) == (run.id, 2)
        row = desk.run(run.id)
        assert (row.reason, row.started_at, row.progress, row.status_text) == (None, None, None, None)

    def test_errors_are_kept_oldest_first(self, desk: Desk) -> None:
        desk.add(max_attempts=9)
        for attempt in range(1, 5):
            run = desk.claim_one()
            error = AttemptError(attempt=attempt, at=run.claimed_at, node="n", error=f"]{attempt}]", traceback="]")
            desk.finish(run, S.SCHEDULED if attempt < 4 else S.FAILED, not_before=desk.now(), error=error)
        row = desk(desk.store.runs()).runs[0]
        assert [error.error for error in row.errors] == ["]1]", "]2]", "]3]", "]4]"]

    def test_what_an_outcome_says_is_never_refused_for_its_letters(self, desk: Desk) -> None:
        desk.add()
        run = desk.claim_one()
        error = AttemptError(attempt=1, at=run.claimed_at, node="n", error="\ud800 x", traceback="\0")
        assert desk.finish(run, S.FAILED, error=error, status_text="\udfff y")
        row = desk.run(run.id)
        assert row.errors[0].error.endswith(" x")
        assert row.status_text is not None
        assert row.status_text.endswith(" y")

    def test_a_result_that_is_no_json_is_refused(self, desk: Desk) -> None:
        desk.add()
        run = desk.claim_one()
        with pytest.raises(InvalidRequestError):
            desk.finish(run, result=object())
        assert desk.states(run.id) == [S.STARTING]

    def test_what_is_given_back_counts_no_attempt_and_keeps_its_place(self, desk: Desk) -> None:
        desk.add()
        run = desk.claim_one()
        desk.start(run)
        desk.advance(5)
        desk.add()
        assert desk.finish(run, S.QUEUED, reason=RunReason.DRAINED)
        row = desk.run(run.id)
        assert (row.state, row.reason, row.attempt) == (S.QUEUED, RunReason.DRAINED, 0)
        again = desk.claim(1).runs[0]
        assert (again.id, again.attempt) == (run.id, 1)

    def test_what_is_given_back_competes_for_its_key(self, desk: Desk) -> None:
        first, second = desk.submit(
            *(request(exclusive_key="k", overlap=OverlapPolicy.QUEUE, executor=name) for name in ("loop", "thread"))
        )
        desk.finish(desk.claim_one(), S.QUEUED, started_at=None)
        assert [run.id for run in desk.claim({"loop": 1, "thread": 1}).runs] == [first]
        assert desk.states(second) == [S.QUEUED]

    def test_what_is_given_back_between_attempts_keeps_its_key(self, desk: Desk) -> None:
        first, second = desk.submit(*(request(exclusive_key="k", overlap=OverlapPolicy.QUEUE) for _ in range(2)))
        desk.finish(desk.claim_one(), S.SCHEDULED, not_before=desk.after(10))
        desk.advance(11)
        desk.finish(desk.claim_one(), S.QUEUED, started_at=None)
        again = desk.claim_one()
        assert (again.id, again.attempt) == (first, 2)
        assert desk.states(second) == [S.QUEUED]

    @pytest.mark.parametrize("state", [S.COMPLETED, S.SCHEDULED, S.QUEUED])
    def test_a_cancel_recorded_before_the_outcome_counts(self, desk: Desk, state: RunState) -> None:
        desk.add()
        run = desk.claim_one()
        desk.start(run)
        desk.cancel(run.id)
        assert desk.finish(run, state)
        row = desk.run(run.id)
        assert (row.state, row.reason) == (S.CANCELLED, RunReason.REQUESTED)
        assert row.finished_at is not None

    @pytest.mark.parametrize("state", [S.FAILED, S.QUARANTINED])
    def test_a_cancel_does_not_hide_a_failure(self, desk: Desk, state: RunState) -> None:
        desk.add()
        run = desk.claim_one()
        desk.cancel(run.id)
        assert desk.finish(run, state, reason=RunReason.ERROR)
        assert (desk.run(run.id).state, desk.run(run.id).reason) == (state, RunReason.ERROR)

    def test_a_cancelled_run_frees_its_key(self, desk: Desk) -> None:
        _, second = desk.submit(*(request(exclusive_key="k", overlap=OverlapPolicy.QUEUE) for _ in range(2)))
        run = desk.claim_one()
        desk.cancel(run.id)
        desk.finish(run, S.SCHEDULED, not_before=desk.after(60))
        assert desk.claim_one().id == second

    def test_the_holder_learns_of_a_cancel_by_renewing_and_by_reporting(self, desk: Desk) -> None:
        desk.submit(request(), request())
        first, second = desk.claim().runs
        desk.cancel(first.id)
        signals = desk(desk.store.renew({run.id: run.fencing_token for run in (first, second)}))
        assert [(signal.id, signal.kind) for signal in signals] == [(first.id, SignalKind.CANCEL)]
        assert desk.report(first, progress=0.5) == [SignalKind.CANCEL]
        assert desk.report(second, progress=0.5) == []
        assert desk.run(first.id).progress == 0.5

    def test_a_dead_nodes_runs_are_queued_again(self, desk: Desk) -> None:
        desk.submit(request(), request())
        first, second = desk.claim().runs
        desk.start(second)
        rescued = desk.crash()
        assert {run.id for run in rescued} == {first.id, second.id}
        for run in rescued:
            assert (run.state, run.reason) == (S.QUEUED, RunReason.RECOVERED)
            assert (run.crashes, run.attempt) == (1, 0)
        assert not desk.finish(first)
        again = desk.claim(alone_from=2).runs
        assert {run.id for run in again} == {first.id, second.id}
        assert {(run.attempt, run.crashes) for run in again} == {(1, 1)}
        assert not desk.finish(second)

    def test_a_dead_nodes_run_that_must_not_be_repeated_is_lost(self, desk: Desk) -> None:
        desk.submit(*(request(recovery=RecoveryPolicy.FAIL) for _ in range(2)))
        first, second = desk.claim().runs
        desk.start(second)
        desk.cancel(second.id)
        desk.crash()
        for run in (first, second):
            assert (desk.run(run.id).state, desk.run(run.id).reason) == (S.FAILED, RunReason.LOST)
            assert desk.run(run.id).finished_at is not None

    def test_a_dead_nodes_run_somebody_cancelled_is_cancelled(self, desk: Desk) -> None:
        desk.add()
        run = desk.claim_one()
        desk.cancel(run.id)
        desk.crash()
        assert (desk.run(run.id).state, desk.run(run.id).reason) == (S.CANCELLED, RunReason.REQUESTED)

    def test_a_run_that_kills_its_node_again_and_again_is_quarantined(self, desk: Desk) -> None:
        run_id = desk.add()
        for _ in range(MAX_CRASHES):
            assert desk.claim_one().id == run_id
            desk.crash()
        row = desk.run(run_id)
        assert (row.state, row.reason, row.crashes) == (S.QUARANTINED, RunReason.CRASHES, MAX_CRASHES)

    def test_a_rescued_run_keeps_its_key(self, desk: Desk) -> None:
        first, second = desk.submit(*(request(exclusive_key="k", overlap=OverlapPolicy.QUEUE) for _ in range(2)))
        desk.claim_one()
        desk.crash()
        skipped = desk.add(exclusive_key="k", overlap=OverlapPolicy.SKIP)
        run = desk.claim_one()
        assert run.id == first
        assert desk.states(second, skipped) == [S.QUEUED, S.SKIPPED]

    def test_a_lost_run_frees_its_key(self, desk: Desk) -> None:
        _, second = desk.submit(
            *(request(exclusive_key="k", overlap=OverlapPolicy.QUEUE, recovery=RecoveryPolicy.FAIL) for _ in range(2))
        )
        desk.claim_one()
        desk.crash()
        assert desk.claim_one().id == second

    def test_rescue_leaves_ones_own_claims_and_what_waits_alone(self, desk: Desk) -> None:
        desk.submit(request(), request(not_before=desk.after(60)))
        run = desk.claim_one()
        assert list(desk(desk.store.rescue())) == []
        assert desk.finish(run)

    def test_a_second_rescue_changes_nothing(self, desk: Desk) -> None:
        desk.add()
        desk.claim_one()
        assert len(desk.crash()) == 1
        assert list(desk(desk.store.rescue())) == []
        assert list(desk.crash()) == []

    def test_a_lease_is_given_and_renewed(self, leased: Desk) -> None:
        leased.add()
        run = leased.claim_one()
        assert run.lease_until is not None
        assert run.lease_until > run.claimed_at
        leased.advance((run.lease_until - run.claimed_at).total_seconds() * 0.6)
        assert list(leased(leased.store.renew({run.id: run.fencing_token}))) == []
        renewed = leased.run(run.id).lease_until
        assert renewed is not None
        assert renewed > run.lease_until
        leased.advance((run.lease_until - run.claimed_at).total_seconds() * 0.6)
        assert list(leased(leased.store.rescue())) == []
        assert leased.finish(run)

    def test_after_the_lease_every_write_is_refused(self, leased: Desk) -> None:
        leased.add()
        run = leased.claim_one()
        assert run.lease_until is not None
        leased.advance((run.lease_until - run.claimed_at).total_seconds() + 1)
        before = leased.run(run.id)
        assert leased.report(run, progress=0.5) == [SignalKind.LOST]
        assert not leased.finish(run)
        assert [signal.kind for signal in leased(leased.store.renew({run.id: run.fencing_token}))] == [SignalKind.LOST]
        assert leased.run(run.id) == before
        (rescued,) = leased(leased.store.rescue())
        assert (rescued.id, rescued.state, rescued.crashes) == (run.id, S.QUEUED, 1)
