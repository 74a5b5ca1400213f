"""What every run store promises about claiming: order, fairness, overlap."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest

from host.model.jobs import OverlapPolicy
from host.model.runs import Claim, ClaimedRun, RunReason, RunRequest, RunState
from host.testing.run_desk import JOB, JOB_TYPE, Desk, request

S = RunState


class RunClaiming:
    """Part of ``JobRunSuite``."""

    def test_a_claim_takes_a_run_for_this_node(self, desk: Desk) -> None:
        run_id = desk.add(parameters={"a": 1}, max_attempts=3, owner="o", priority=4, timeout=None)
        claimed = desk.claim_one()
        assert (claimed.id, claimed.job_id, claimed.job_type, claimed.parameters) == (run_id, JOB, JOB_TYPE, {"a": 1})
        assert (claimed.attempt, claimed.max_attempts, claimed.crashes) == (1, 3, 0)
        run = desk.run(run_id)
        assert (run.state, run.attempt, run.fencing_token) == (S.STARTING, 1, claimed.fencing_token)
        assert run.node
        assert run.claimed_at == claimed.claimed_at
        assert (claimed.owner, claimed.priority, claimed.trace_id) == (run.owner, run.priority, run.trace_id)
        assert desk.claim().runs == ()

    def test_a_claim_gives_the_submitters_span_and_the_run_its_trace_id(self, desk: Desk) -> None:
        trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
        run_id = desk.add(trace_id=f"00-{trace_id}-00f067aa0ba902b7-01")
        assert desk.claim_one().trace_id == f"00-{trace_id}-00f067aa0ba902b7-01"
        assert desk.run(run_id).trace_id == trace_id

    def test_a_claim_called_after_a_submission_sees_it_before_it_is_awaited(self, desk: Desk) -> None:
        kind = type(desk.store)

        async def both() -> tuple[UUID, Claim]:
            accepted = kind.submit(desk.store, [request()])
            claiming = kind.claim(desk.store, {"loop": 1}, desk.types)
            return (await accepted)[0], await claiming

        run_id, claim = desk(both())
        assert [run.id for run in claim.runs] == [run_id]

    def test_no_more_are_taken_than_are_free_of_each_executor(self, desk: Desk) -> None:
        desk.submit(*(request(executor=name) for name in ("loop", "thread", "process") for _ in range(3)))
        claim = desk.claim({"loop": 2, "thread": 1, "process": 0, "other": 5})
        assert Counter(run.executor for run in claim.runs) == {"loop": 2, "thread": 1}
        assert desk.claim({}).runs == ()

    def test_runs_of_a_type_nobody_offers_wait_and_block_nobody(self, desk: Desk) -> None:
        unknown = desk.submit(*(request(job_type="gone:Job", priority=9, exclusive_key=key) for key in (None, "k")))
        known = desk.submit(request(exclusive_key="k", overlap=OverlapPolicy.QUEUE), request())
        assert {run.id for run in desk.claim(2).runs} == set(known)
        assert desk.states(*unknown) == [S.QUEUED, S.QUEUED]
        for run in known:
            desk.cancel(run)
        desk.types = frozenset({"gone:Job"})
        assert unknown[0] in {run.id for run in desk.claim().runs}

    def test_offered_types_count_anew_after_a_restart(self, desk: Desk) -> None:
        (run_id,) = desk.submit(request(job_type="gone:Job"))
        assert desk.claim().runs == ()
        desk.crash()
        desk.types = frozenset({"gone:Job"})
        assert desk.claim_one().id == run_id

    def test_higher_priority_comes_first_then_the_earlier(self, desk: Desk) -> None:
        first, second, urgent = desk.submit(request(), request(), request(priority=1))
        low = desk.add(priority=-1)
        assert [run.id for run in desk.claim().runs] == [urgent, first, second, low]

    def test_what_became_due_earlier_comes_first(self, desk: Desk) -> None:
        late, early = desk.submit(request(not_before=desk.after(20)), request(not_before=desk.after(10)))
        desk.advance(30)
        fresh = desk.add()
        assert [run.id for run in desk.claim().runs] == [early, late, fresh]

    def test_a_waiting_run_is_claimed_when_its_time_has_come_and_not_before(self, desk: Desk) -> None:
        at = desk.after(60)
        run_id = desk.add(not_before=at)
        claim = desk.claim()
        assert (claim.runs, claim.next_due) == ((), at)
        desk.advance(30)
        assert desk.claim().runs == ()
        desk.advance(31)
        claim = desk.claim()
        assert [run.id for run in claim.runs] == [run_id]
        assert claim.next_due is None

    def test_next_due_is_that_of_the_earliest_waiting_run(self, desk: Desk) -> None:
        late, early = desk.after(60), desk.after(30)
        first, _ = desk.submit(request(not_before=early), request(not_before=late))
        assert desk.claim().next_due == early
        desk.cancel(first)
        assert desk.claim().next_due == late

    def test_an_expired_run_fails_instead_of_starting(self, desk: Desk) -> None:
        queued, waiting, held, lasting = desk.submit(
            request(expires_at=desk.after(10)),
            request(expires_at=desk.after(10), not_before=desk.after(50)),
            request(expires_at=desk.after(10), hold=True),
            request(expires_at=desk.after(99)),
        )
        desk.advance(11)
        claim = desk.claim()
        assert [run.id for run in claim.runs] == [lasting]
        assert claim.next_due is None
        assert desk.states(queued, waiting, held) == [S.FAILED] * 3
        assert desk.run(queued).reason is RunReason.EXPIRED
        assert desk.run(queued).finished_at is not None

    def test_an_expired_holder_frees_its_key(self, desk: Desk) -> None:
        desk.add(exclusive_key="k", expires_at=desk.after(10))
        following = desk.add(exclusive_key="k", overlap=OverlapPolicy.QUEUE)
        desk.advance(11)
        assert desk.claim_one().id == following

    def test_changed_says_whether_any_row_changed(self, desk: Desk) -> None:
        assert not desk.claim().changed
        desk.add(expires_at=desk.after(1))
        desk.advance(2)
        claim = desk.claim()
        assert (claim.runs, claim.changed) == ((), True)
        assert not desk.claim().changed

    def test_tenants_take_turns(self, desk: Desk) -> None:
        desk.submit(*(request(tenant="flood", priority=9) for _ in range(50)), request(tenant="a"), request(tenant="b"))
        claim = desk.claim(4)
        assert Counter(run.tenant for run in claim.runs) == {"flood": 2, "a": 1, "b": 1}
        assert [run.tenant for run in claim.runs] == ["a", "b", "flood", "flood"]

    def test_a_turn_begins_after_the_tenant_served_last(self, desk: Desk) -> None:
        desk.submit(*(request(tenant=tenant) for tenant in "abc" for _ in range(4)))
        served, after = [], None
        for _ in range(6):
            claim = desk.claim(1, after=after)
            after = claim.last_tenant
            served += [run.tenant for run in claim.runs]
        assert served == ["a", "b", "c", "a", "b", "c"]
        assert [run.tenant for run in desk.claim(6, after="a").runs] == ["b", "c", "a", "b", "c", "a"]

    def test_the_last_tenant_is_passed_on_when_nothing_is_due(self, desk: Desk) -> None:
        assert desk.claim(1, after="b").last_tenant == "b"

    def test_more_tenants_than_slots_are_all_served_in_time(self, desk: Desk) -> None:
        desk.submit(*(request(tenant=f"t{number:02}") for number in range(30)))
        served, after = set[str](), None
        while claim := desk.claim(4, after=after):
            if not claim.runs:
                break
            after = claim.last_tenant
            served |= {run.tenant for run in claim.runs}
        assert len(served) == 30

    def test_of_one_key_only_the_oldest_is_taken(self, desk: Desk) -> None:
        first, second = desk.submit(*(request(exclusive_key="k", overlap=OverlapPolicy.QUEUE) for _ in range(2)))
        assert desk.claim_one().id == first
        assert desk.states(second) == [S.QUEUED]

    def test_of_one_key_the_oldest_due_counts_not_the_first_submitted(self, desk: Desk) -> None:
        delayed = desk.add(exclusive_key="k", overlap=OverlapPolicy.QUEUE, not_before=desk.after(10))
        desk.advance(20)
        desk.add(exclusive_key="k", overlap=OverlapPolicy.QUEUE)
        assert desk.claim_one().id == delayed

    def test_a_waiting_run_does_not_hold_its_key(self, desk: Desk) -> None:
        desk.add(exclusive_key="k", not_before=desk.after(10))
        desk.add(exclusive_key="k", hold=True)
        due = desk.add(exclusive_key="k")
        assert desk.claim_one().id == due

    def test_different_keys_do_not_wait_for_each_other(self, desk: Desk) -> None:
        desk.submit(request(exclusive_key="a"), request(exclusive_key="b"), request(), request())
        assert len(desk.claim().runs) == 4

    def test_overlap_skip_is_decided_by_the_claim(self, desk: Desk) -> None:
        first, second, third = desk.submit(*(self._keyed(OverlapPolicy.SKIP) for _ in range(3)))
        assert desk.states(first, second, third) == [S.QUEUED] * 3
        claimed = desk.claim_one()
        assert claimed.id == first
        assert desk.states(second, third) == [S.SKIPPED] * 2
        assert desk.run(second).reason is RunReason.OVERLAP
        later = desk.add(exclusive_key="k", overlap=OverlapPolicy.SKIP)
        assert desk.claim().changed
        assert desk.states(later) == [S.SKIPPED]

    def test_overlap_skip_spares_what_is_not_due_yet(self, desk: Desk) -> None:
        desk.submit(self._keyed(OverlapPolicy.SKIP))
        later = desk.add(exclusive_key="k", overlap=OverlapPolicy.SKIP, not_before=desk.after(10))
        active = desk.claim_one()
        assert desk.states(later) == [S.SCHEDULED]
        desk.finish(active)
        desk.advance(11)
        assert desk.claim_one().id == later

    def test_overlap_skip_waits_for_the_claim_of_the_older_one(self, desk: Desk) -> None:
        desk.submit(*(self._keyed(OverlapPolicy.SKIP, executor="thread") for _ in range(2)))
        assert desk.claim({"loop": 9}).runs == ()
        assert Counter(run.state for run in desk(desk.store.runs()).runs) == {S.QUEUED: 2}
        assert len(desk.claim({"thread": 1}).runs) == 1
        assert Counter(run.state for run in desk(desk.store.runs()).runs) == {S.STARTING: 1, S.SKIPPED: 1}

    def test_overlap_skip_holds_between_attempts(self, desk: Desk) -> None:
        desk.submit(self._keyed(OverlapPolicy.SKIP, max_attempts=2))
        active = desk.claim_one()
        desk.finish(active, S.SCHEDULED, reason=RunReason.RETRY, not_before=desk.after(60))
        later = desk.add(exclusive_key="k", overlap=OverlapPolicy.SKIP)
        assert desk.claim().runs == ()
        assert desk.states(later, active.id) == [S.SKIPPED, S.SCHEDULED]
        desk.advance(61)
        again = desk.claim_one()
        assert (again.id, again.attempt) == (active.id, 2)

    def test_overlap_queue_runs_one_after_the_other(self, desk: Desk) -> None:
        ids = desk.submit(*(self._keyed(OverlapPolicy.QUEUE) for _ in range(5)))
        done: list[UUID] = []
        while runs := desk.claim().runs:
            (run,) = runs
            done.append(run.id)
            desk.finish(run)
        assert done == ids

    def test_overlap_queue_waits_between_attempts_too(self, desk: Desk) -> None:
        first, second = desk.submit(*(self._keyed(OverlapPolicy.QUEUE, max_attempts=2) for _ in range(2)))
        desk.finish(desk.claim_one(), S.SCHEDULED, not_before=desk.after(60))
        assert desk.claim().runs == ()
        desk.advance(61)
        again = desk.claim_one()
        assert again.id == first
        desk.finish(again, S.FAILED)
        assert desk.claim_one().id == second

    @pytest.mark.parametrize("how", ["retry", "snoozed", "crashed"])
    def test_a_run_between_attempts_keeps_its_key_while_its_type_is_not_offered(self, desk: Desk, how: str) -> None:
        first, second = desk.submit(*(self._keyed(OverlapPolicy.QUEUE, max_attempts=2) for _ in range(2)))
        active = desk.claim_one()
        if how == "crashed":
            desk.crash()
        else:
            desk.finish(active, S.SCHEDULED, reason=RunReason(how), not_before=desk.after(60))
            desk.advance(61)
        offered, desk.types = desk.types, frozenset({"jobs:Two"})
        desk.add(exclusive_key="k", overlap=OverlapPolicy.QUEUE, job_type="jobs:Two")
        assert desk.claim().runs == ()
        desk.types = offered
        again = desk.claim_one()
        assert (again.id, desk.states(second)) == (first, [S.QUEUED])
        desk.finish(again)
        assert desk.claim_one().id == second

    def test_a_cancelled_holder_frees_its_key(self, desk: Desk) -> None:
        first, second = desk.submit(*(self._keyed(OverlapPolicy.QUEUE) for _ in range(2)))
        desk.cancel(first)
        assert desk.claim_one().id == second

    def test_a_key_is_free_again_after_every_end(self, desk: Desk) -> None:
        for state in (S.COMPLETED, S.FAILED, S.CANCELLED, S.QUARANTINED):
            desk.submit(self._keyed(OverlapPolicy.SKIP))
            run = desk.claim_one()
            assert run.id
            assert desk.finish(run, state)

    def test_keys_are_exclusive_over_tenants_executors_and_jobs(self, desk: Desk) -> None:
        desk.submit(
            self._keyed(OverlapPolicy.QUEUE, tenant="a"),
            self._keyed(OverlapPolicy.QUEUE, tenant="b"),
            self._keyed(OverlapPolicy.QUEUE, executor="thread"),
            self._keyed(OverlapPolicy.QUEUE, job_type="jobs:Two"),
        )
        seen: list[ClaimedRun] = []
        while runs := desk.claim({"loop": 9, "thread": 9}).runs:
            (run,) = runs
            seen.append(run)
            desk.finish(run)
        assert len(seen) == 4

    def test_every_due_run_is_claimed_once(self, desk: Desk) -> None:
        ids = desk.submit(*(request(tenant=f"t{number % 7}", priority=number % 3) for number in range(1000)))
        claimed: list[UUID] = []
        while runs := desk.claim(97).runs:
            claimed += [run.id for run in runs]
        assert sorted(claimed) == sorted(ids)

    def _keyed(self, overlap: OverlapPolicy, **fields: object) -> RunRequest:
        return request(exclusive_key="k", overlap=overlap, **fields)
