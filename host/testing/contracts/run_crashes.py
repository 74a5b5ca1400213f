"""What every run store promises about code that dies, code that puts itself off, and tenants that flood."""

from __future__ import annotations

from collections import deque

from host.model.jobs import OverlapPolicy, RecoveryPolicy
from host.model.runs import MAX_CRASHES, MAX_FORGIVEN, AttemptError, ClaimedRun, RunReason, RunState
from host.testing.run_desk import Desk, request

S = RunState


class RunCrashes:
    """Part of ``JobRunSuite``."""

    def test_a_suspect_comes_before_all_others_and_alone(self, desk: Desk) -> None:
        desk.submit(request(), request())
        first, second = desk.claim().runs
        desk.crash()
        urgent = desk.add(priority=9)
        assert [run.id for run in desk.claim().runs] == [first.id]
        assert [run.id for run in desk.claim().runs] == [second.id]
        assert [run.id for run in desk.claim().runs] == [urgent]

    def test_suspects_below_the_limit_come_with_all_others(self, desk: Desk) -> None:
        desk.submit(request(), request())
        suspects = {run.id for run in desk.claim().runs}
        desk.crash()
        other = desk.add()
        assert {run.id for run in desk.claim(alone_from=2).runs} == {*suspects, other}

    def test_of_several_suspects_the_one_with_the_fewest_crashes_comes_first(self, desk: Desk) -> None:
        desk.submit(request(), request())
        first, second = desk.claim().runs
        desk.crash()
        assert desk.claim().runs[0].id == first.id
        desk.crash()
        assert [run.id for run in desk.claim().runs] == [second.id]
        (again,) = desk.claim().runs
        assert (again.id, again.crashes) == (first.id, 2)

    def test_a_suspect_whose_executor_has_no_slot_holds_up_nobody(self, desk: Desk) -> None:
        suspect = desk.add(executor="thread")
        assert desk.claim({"thread": 1}).runs[0].id == suspect
        desk.crash()
        other = desk.add()
        assert [run.id for run in desk.claim({"loop": 5}).runs] == [other]
        assert [run.id for run in desk.claim({"loop": 5, "thread": 1}).runs] == [suspect]

    def test_a_suspect_that_has_ended_is_none_any_more(self, desk: Desk) -> None:
        desk.add()
        desk.claim_one()
        desk.crash()
        assert desk.finish(desk.claim_one())
        desk.submit(*(request() for _ in range(3)))
        assert len(desk.claim().runs) == 3

    def test_a_crash_of_the_code_alone_counts_no_attempt(self, desk: Desk) -> None:
        run_id = desk.add(max_attempts=1)
        run = desk.claim_one()
        error = AttemptError(attempt=1, at=desk.now(), node="n", error="killed by SIGSEGV")
        assert desk.finish(run, S.QUEUED, reason=RunReason.RECOVERED, is_crash=True, error=error)
        row = desk.run(run_id)
        assert (row.state, row.reason, row.attempt, row.crashes) == (S.QUEUED, RunReason.RECOVERED, 0, 1)
        assert [entry.error for entry in row.errors] == ["killed by SIGSEGV"]
        assert (desk.claim_one().attempt, desk.run(run_id).crashes) == (1, 1)

    def test_crashes_of_host_and_code_count_together(self, desk: Desk) -> None:
        run_id = desk.add()
        desk.claim_one()
        desk.crash()
        for _ in range(MAX_CRASHES - 2):
            assert desk.finish(desk.claim_one(), S.QUEUED, is_crash=True)
        run = desk.claim_one()
        assert run.crashes == MAX_CRASHES - 1
        assert desk.finish(run, S.QUARANTINED, reason=RunReason.CRASHES, is_crash=True)
        row = desk.run(run_id)
        assert (row.state, row.attempt, row.crashes) == (S.QUARANTINED, 0, MAX_CRASHES)

    def test_a_run_in_a_process_is_not_blamed_for_the_death_of_its_host(self, desk: Desk) -> None:
        inside, outside = desk.add(executor="process"), desk.add(executor="loop")
        assert len(desk.claim({"process": 1, "loop": 1}).runs) == 2
        rescued = {run.id: run for run in desk.crash(isolating=["process"])}
        row = rescued[inside]
        assert (row.state, row.reason, row.attempt, row.crashes, row.forgiven) == (
            S.QUEUED,
            RunReason.RECOVERED,
            0,
            0,
            1,
        )
        assert (rescued[outside].crashes, rescued[outside].forgiven) == (1, 0)
        assert [run.id for run in desk.claim({"process": 1, "loop": 1}).runs] == [outside]
        (again,) = desk.claim({"process": 1, "loop": 1}).runs
        assert (again.id, again.attempt, again.forgiven) == (inside, 1, 1)

    def test_a_run_in_a_process_that_is_there_at_every_death_is_quarantined_all_the_same(self, desk: Desk) -> None:
        run_id = desk.add(executor="process")
        counts = []
        for _ in range(MAX_FORGIVEN + MAX_CRASHES):
            assert [run.id for run in desk.claim({"process": 1}).runs] == [run_id]
            (row,) = desk.crash(isolating=["process"])
            counts.append(row.crashes)
        assert counts == [0] * MAX_FORGIVEN + [1, 2, 3]
        assert (row.state, row.reason) == (S.QUARANTINED, RunReason.CRASHES)

    def test_a_run_in_a_process_that_must_not_run_twice_is_lost_with_its_host(self, desk: Desk) -> None:
        run_id = desk.add(executor="process", recovery=RecoveryPolicy.FAIL)
        desk.start(desk.claim({"process": 1}).runs[0])
        desk.crash(isolating=["process"])
        row = desk.run(run_id)
        assert (row.state, row.reason, row.crashes) == (S.FAILED, RunReason.LOST, 0)

    def test_a_forgiven_run_that_somebody_had_cancelled_is_cancelled(self, desk: Desk) -> None:
        run_id = desk.add(executor="process")
        desk.claim({"process": 1})
        desk.cancel(run_id)
        desk.crash(isolating=["process"])
        assert (desk.run(run_id).state, desk.run(run_id).crashes) == (S.CANCELLED, 0)

    def test_a_run_whose_process_was_lost_with_others_is_given_back_without_blame(self, desk: Desk) -> None:
        run_id = desk.add(max_attempts=1)
        for number in range(2):
            run = desk.claim_one()
            assert run.forgiven == number
            assert desk.finish(run, S.QUEUED, reason=RunReason.RECOVERED)
        row = desk.run(run_id)
        assert (row.state, row.attempt, row.crashes, row.forgiven) == (S.QUEUED, 0, 0, 2)

    def test_neither_a_crash_nor_a_drain_forgives(self, desk: Desk) -> None:
        run_id = desk.add()
        assert desk.finish(desk.claim_one(), S.QUEUED, reason=RunReason.DRAINED)
        assert desk.finish(desk.claim_one(), S.QUEUED, reason=RunReason.RECOVERED, is_crash=True)
        assert desk.run(run_id).forgiven == 0

    def test_a_forgiven_run_competes_for_its_key_again(self, desk: Desk) -> None:
        options = {"exclusive_key": "k", "overlap": OverlapPolicy.QUEUE, "executor": "process"}
        first, second = desk.add(**options), desk.add(**options)
        assert [run.id for run in desk.claim({"process": 5}).runs] == [first]
        desk.crash(isolating=["process"])
        assert [run.id for run in desk.claim({"process": 5}).runs] == [first]
        assert desk.states(second) == [S.QUEUED]

    def test_a_run_whose_code_died_keeps_its_key(self, desk: Desk) -> None:
        first, second = desk.submit(*(request(exclusive_key="k", overlap=OverlapPolicy.QUEUE) for _ in range(2)))
        assert desk.finish(desk.claim_one(), S.QUEUED, is_crash=True)
        assert desk.claim_one().id == first
        assert desk.states(second) == [S.QUEUED]

    def test_a_crash_somebody_had_cancelled_is_cancelled(self, desk: Desk) -> None:
        run_id = desk.add()
        run = desk.claim_one()
        desk.cancel(run_id)
        assert desk.finish(run, S.QUEUED, is_crash=True)
        assert (desk.run(run_id).state, desk.run(run_id).crashes) == (S.CANCELLED, 1)

    def test_a_run_that_puts_itself_off_counts_no_attempt(self, desk: Desk) -> None:
        run_id = desk.add(max_attempts=1)
        for _ in range(3):
            run = desk.claim_one()
            assert run.attempt == 1
            assert desk.finish(run, S.SCHEDULED, reason=RunReason.SNOOZED, not_before=desk.after(60))
            row = desk.run(run_id)
            assert (row.state, row.reason, row.attempt) == (S.SCHEDULED, RunReason.SNOOZED, 0)
            assert desk.claim().runs == ()
            desk.advance(60)
        assert desk.finish(desk.claim_one())
        assert desk.run(run_id).attempt == 1

    def test_a_run_that_puts_itself_off_keeps_its_key(self, desk: Desk) -> None:
        first = desk.add(exclusive_key="k", overlap=OverlapPolicy.QUEUE)
        run = desk.claim_one()
        assert desk.finish(run, S.SCHEDULED, reason=RunReason.SNOOZED, not_before=desk.after(60))
        waiting = desk.add(exclusive_key="k", overlap=OverlapPolicy.QUEUE)
        skipped = desk.add(exclusive_key="k", overlap=OverlapPolicy.SKIP)
        assert desk.claim().runs == ()
        assert desk.states(waiting, skipped) == [S.QUEUED, S.SKIPPED]
        desk.advance(60)
        assert desk.claim_one().id == first

    def test_a_flooding_tenant_delays_a_quiet_one_at_most_twofold(self, desk: Desk) -> None:
        alone = _p95(_waits(desk, flood=0))
        beside = _p95(_waits(desk, flood=400))
        assert beside <= 2 * alone


def _waits(desk: Desk, *, flood: int, slots: int = 4, ticks: int = 60) -> list[int]:
    """Give how many ticks each run of a quiet tenant waited; a slot becomes free each tick."""
    desk.submit(*(request(tenant="flood", priority=9) for _ in range(flood)))
    active: deque[tuple[int, ClaimedRun]] = deque()
    submitted, waits, after = dict[object, int](), list[int](), None
    for tick in range(ticks):
        while active and active[0][0] <= tick:
            assert desk.finish(active.popleft()[1])
        claim = desk.claim(min(slots - len(active), 1), after=after)
        after = claim.last_tenant
        for run in claim.runs:
            active.append((tick + slots, run))
            if run.tenant == "quiet":
                waits.append(tick - submitted[run.id])
        if tick % 3 == 0:
            submitted[desk.add(tenant="quiet")] = tick
    for _, run in active:
        desk.finish(run)
    desk.cancel(*(run.id for run in desk(desk.store.runs(limit=1000)).runs))
    return waits


def _p95(values: list[int]) -> int:
    return sorted(values)[int(len(values) * 0.95)]
