"""What every run store promises about reading, and about what operators do: cancel, amend, prune."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from host.errors import InvalidRequestError, RunNotFoundError, RunStateError
from host.model.jobs import OverlapPolicy
from host.model.runs import FINAL_STATES, JobRun, RunFilter, RunReason, RunState
from host.testing.run_desk import JOB, JOB_TYPE, Desk, job_id, request

S = RunState
SCHEDULE = UUID("9f5ad0a4-1f8c-4dd5-8f65-0d3c8f4f2c02")


class RunReading:
    """Part of ``JobRunSuite``."""

    def test_an_unknown_run_is_none(self, desk: Desk) -> None:
        assert desk(desk.store.run(uuid4())) is None

    def test_a_listing_is_newest_first_and_pages_on(self, desk: Desk) -> None:
        ids = desk.submit(*(request() for _ in range(25)))
        seen: list[UUID] = []
        cursor = None
        for size in (10, 10, 5):
            page = desk(desk.store.runs(cursor=cursor, limit=10))
            assert len(page.runs) == size
            seen += [run.id for run in page.runs]
            cursor = page.next_cursor
        assert cursor is None
        assert seen == ids[::-1]

    def test_a_page_that_holds_all_has_no_cursor(self, desk: Desk) -> None:
        assert desk(desk.store.runs()).next_cursor is None
        desk.submit(*(request() for _ in range(10)))
        assert desk(desk.store.runs(limit=10)).next_cursor is None

    def test_paging_is_steady_while_runs_are_added(self, desk: Desk) -> None:
        ids = desk.submit(*(request() for _ in range(6)))
        first = desk(desk.store.runs(limit=3))
        desk.submit(*(request() for _ in range(5)))
        second = desk(desk.store.runs(cursor=first.next_cursor, limit=3))
        assert [run.id for run in (*first.runs, *second.runs)] == ids[::-1]

    @pytest.mark.parametrize("cursor", ["", "x", "r", "r-1", "-1", "r1 OR 1=1", "r" + "9" * 400, "r٣"])
    def test_a_foreign_cursor_is_refused(self, desk: Desk, cursor: str) -> None:
        with pytest.raises(InvalidRequestError):
            desk(desk.store.runs(cursor=cursor))

    @pytest.mark.parametrize("limit", [0, -1, 1001])
    def test_an_impossible_limit_is_refused(self, desk: Desk, limit: int) -> None:
        with pytest.raises(InvalidRequestError):
            desk(desk.store.runs(limit=limit))

    def test_each_filter_narrows(self, desk: Desk) -> None:
        other = job_id("other")
        fired = request(schedule_id=SCHEDULE, fire_time=desk.now())
        desk.submit(request(), request(job_id=other), request(tenant="t"), fired, request(hold=True))
        desk.submit(request(job_id=other, hold=True, tenant="t"))
        for where, count in (
            (RunFilter(), 6),
            (RunFilter(job_id=other), 2),
            (RunFilter(states=frozenset({S.PENDING})), 2),
            (RunFilter(states=frozenset({S.PENDING, S.QUEUED})), 6),
            (RunFilter(tenant="t"), 2),
            (RunFilter(schedule_id=SCHEDULE), 1),
            (RunFilter(schedule_id=SCHEDULE, states=frozenset({S.PENDING})), 0),
            (RunFilter(job_id=other, states=frozenset({S.PENDING}), tenant="t"), 1),
            (RunFilter(job_id=JOB, tenant="t"), 1),
            (RunFilter(job_id=uuid4()), 0),
        ):
            found = desk(desk.store.runs(where)).runs
            assert len(found) == count, where
            assert len({run.id for run in found}) == count

    def test_filtered_listings_page_on_newest_first(self, desk: Desk) -> None:
        ids = desk.submit(*(request(tenant="t" if number % 2 else "u", hold=number % 3 == 0) for number in range(60)))
        for where in (RunFilter(tenant="t"), RunFilter(job_id=JOB), RunFilter(states=frozenset({S.PENDING, S.QUEUED}))):
            wanted = [run.id for run in self._all(desk, where, limit=7)]
            assert wanted == [run for run in reversed(ids) if where.tenant is None or ids.index(run) % 2]

    def test_created_from_is_inclusive_and_created_until_exclusive(self, desk: Desk) -> None:
        ids = []
        for _ in range(3):
            ids.append(desk.add())
            desk.advance(10)
        middle = desk.run(ids[1]).created_at
        assert [run.id for run in self._all(desk, RunFilter(created_from=middle))] == [ids[2], ids[1]]
        assert [run.id for run in self._all(desk, RunFilter(created_until=middle))] == [ids[0]]

    def test_text_is_found_in_status_error_and_type_whatever_its_case(self, desk: Desk) -> None:
        desk.add()
        run = desk.claim_one()
        desk.finish(run, status_text="Größe 100% ERREICHT")
        for text in ("größe", "ERREICHT", "erreicht", "100%", JOB_TYPE.upper()):
            assert len(self._all(desk, RunFilter(text=text))) == 1, text
        for text in ("1_0", "%e", "fehlt", "ö%", "\\", "\0", "100\0", "Größe\0"):
            assert self._all(desk, RunFilter(text=text)) == [], text

    def test_latest_gives_the_newest_of_each_job(self, desk: Desk) -> None:
        other = job_id("other")
        _, first, second = desk.submit(request(), request(job_id=other), request(hold=True))
        found = desk(desk.store.latest([JOB, other, uuid4()]))
        assert {key: run.id for key, run in found.items()} == {JOB: second, other: first}

    def test_latest_looks_at_the_named_states_only(self, desk: Desk) -> None:
        done = desk.add()
        desk.finish(desk.claim_one())
        desk.add()
        found = desk(desk.store.latest([JOB], [S.COMPLETED, S.FAILED]))
        assert found[JOB].id == done
        assert desk(desk.store.latest([JOB], [S.FAILED])) == {}
        assert desk(desk.store.latest([])) == {}

    def test_counters_count_what_is_unfinished(self, desk: Desk) -> None:
        desk.submit(request(), request(), request(hold=True), request(not_before=desk.after(9)), request())
        first, second = desk.claim(2).runs
        desk.start(first)
        desk.finish(second)
        counters = desk(desk.store.counters())
        assert dict(counters.by_state) == {S.PENDING: 1, S.SCHEDULED: 1, S.QUEUED: 1, S.STARTING: 0, S.RUNNING: 1}
        assert not counters.capped

    def test_every_change_is_told_once_in_order(self, desk: Desk) -> None:
        assert list(desk(desk.store.changes(0))) == []
        told: list[JobRun] = []

        def look() -> list[JobRun]:
            after = told[-1].change if told else 0
            news = list(desk(desk.store.changes(after)))
            told.extend(news)
            return news

        ids = desk.submit(*(request(exclusive_key="k", overlap=OverlapPolicy.SKIP) for _ in range(3)))
        assert [run.id for run in look()] == ids
        run = desk.claim_one()
        assert {row.id: row.state for row in look()} == {
            ids[0]: S.STARTING,
            ids[1]: S.SKIPPED,
            ids[2]: S.SKIPPED,
        }
        for change in (
            lambda: desk.start(run),
            lambda: desk.report(run, progress=0.5),
            lambda: desk.cancel(run.id),
            lambda: desk.finish(run),
            lambda: desk(desk.store.amend(run.id, is_locked=True)),
        ):
            change()
            assert [row.id for row in look()] == [run.id]
        assert look() == []
        numbers = [row.change for row in told]
        assert numbers == sorted(set(numbers))

    @pytest.mark.parametrize("after", [2**63, 10**30])
    def test_what_is_no_change_number_is_refused(self, desk: Desk, after: int) -> None:
        with pytest.raises(InvalidRequestError):
            desk(desk.store.changes(after))
        assert list(desk(desk.store.changes(2**62))) == []

    def test_changes_gives_each_run_once_in_its_present_form_by_pages(self, desk: Desk) -> None:
        ids = desk.submit(*(request() for _ in range(10)))
        desk.cancel(ids[0])
        pages = desk(desk.store.changes(0, limit=7))
        assert len(pages) == 7
        pages = [*pages, *desk(desk.store.changes(pages[-1].change, limit=7))]
        assert [run.id for run in pages] == [*ids[1:], ids[0]]
        (last,) = desk(desk.store.changes(-1))
        assert last == pages[-1]

    def test_change_numbers_grow_over_crashes_and_pruning(self, desk: Desk) -> None:
        desk.add()
        desk.finish(desk.claim_one())
        (last,) = desk(desk.store.changes(-1))
        desk.advance(10)
        desk(desk.store.prune(finished_before=desk.now()))
        desk.crash()
        run_id = desk.add()
        assert [run.id for run in desk(desk.store.changes(last.change))] == [run_id]

    def test_cancelling_what_waits_ends_it(self, desk: Desk) -> None:
        ids = desk.submit(request(), request(not_before=desk.after(9)), request(hold=True))
        results = desk.cancel(*ids, by="me")
        assert [(result.run_id, result.state) for result in results] == [(run, S.CANCELLED) for run in ids]
        row = desk.run(ids[0])
        assert (row.state, row.reason, row.cancel_requested_by) == (S.CANCELLED, RunReason.REQUESTED, "me")
        assert row.finished_at is not None
        desk.advance(10)
        assert desk.claim().runs == ()

    def test_cancelling_what_is_active_asks_it_to_stop(self, desk: Desk) -> None:
        desk.add()
        run = desk.claim_one()
        (result,) = desk.cancel(run.id, by="me")
        assert result.state is S.STARTING
        row = desk.run(run.id)
        assert (row.state, row.cancel_requested_by) == (S.STARTING, "me")
        desk.advance(5)
        (again,) = desk.cancel(run.id, by="you")
        assert again == result
        assert desk.run(run.id) == row

    def test_unknown_and_finished_runs_are_left_out_of_a_cancel(self, desk: Desk) -> None:
        done = desk.add()
        desk.finish(desk.claim_one())
        before = desk.run(done)
        waiting = desk.add()
        assert [result.run_id for result in desk.cancel(uuid4(), done, waiting, waiting)] == [waiting]
        assert desk.run(done) == before

    def test_a_released_run_becomes_due(self, desk: Desk) -> None:
        run_id = desk.add(hold=True)
        assert desk(desk.store.amend(run_id, release=True)).state is S.QUEUED
        assert desk.claim_one().id == run_id
        later = desk.add(hold=True, not_before=desk.after(10))
        assert desk(desk.store.amend(later, release=True)).state is S.SCHEDULED

    def test_a_waiting_run_can_be_moved(self, desk: Desk) -> None:
        run_id = desk.add(not_before=desk.after(100))
        at = desk.after(200)
        assert desk(desk.store.amend(run_id, not_before=at)).not_before == at
        assert desk.claim().next_due == at
        assert desk(desk.store.amend(run_id, not_before=desk.now())).state is S.QUEUED
        assert desk.claim_one().id == run_id

    def test_a_moved_run_still_waits_for_its_key(self, desk: Desk) -> None:
        desk.add(exclusive_key="k")
        desk.claim_one()
        run_id = desk.add(exclusive_key="k", overlap=OverlapPolicy.QUEUE, hold=True)
        desk(desk.store.amend(run_id, release=True))
        assert desk.claim().runs == ()
        assert desk.states(run_id) == [S.QUEUED]

    def test_priority_of_a_waiting_run_can_be_changed(self, desk: Desk) -> None:
        first, second = desk.submit(request(), request())
        assert desk(desk.store.amend(second, priority=5)).priority == 5
        assert [run.id for run in desk.claim().runs] == [second, first]

    def test_what_the_state_does_not_allow_is_refused_and_changes_nothing(self, desk: Desk) -> None:
        queued = desk.add()
        with pytest.raises(RunStateError):
            desk(desk.store.amend(queued, release=True))
        with pytest.raises(RunStateError):
            desk(desk.store.amend(queued, priority=9, not_before=desk.after(60)))
        with pytest.raises(RunNotFoundError):
            desk(desk.store.amend(uuid4(), priority=1))
        assert desk.run(queued).priority == 0
        active = desk.claim_one()
        for is_finished in (False, True):
            if is_finished:
                desk.finish(active)
            for change in ({"priority": 1}, {"not_before": desk.now()}, {"release": True}):
                before = desk.run(active.id)
                with pytest.raises(RunStateError):
                    desk(desk.store.amend(active.id, is_locked=True, **change))
                assert desk.run(active.id) == before
            assert desk(desk.store.amend(active.id, is_locked=is_finished)).is_locked is is_finished

    def test_prune_deletes_the_oldest_finished_up_to_the_limit(self, desk: Desk) -> None:
        ids = []
        for state in (S.FAILED, S.COMPLETED, S.CANCELLED, S.COMPLETED, S.QUARANTINED):
            ids.append(desk.add())
            desk.finish(desk.claim_one(), state)
            desk.advance(10)
        border = desk.run(ids[4]).finished_at
        assert border is not None
        waiting = desk.add()
        assert list(desk(desk.store.prune(finished_before=border, limit=3))) == ids[:3]
        assert list(desk(desk.store.prune(finished_before=border, limit=3))) == [ids[3]]
        assert list(desk(desk.store.prune(finished_before=border))) == []
        assert [run.id for run in self._all(desk, RunFilter())] == [waiting, ids[4]]

    def test_prune_keeps_other_states_and_what_is_locked(self, desk: Desk) -> None:
        ids = []
        for state in (S.FAILED, S.COMPLETED, S.COMPLETED):
            ids.append(desk.add())
            desk.finish(desk.claim_one(), state)
        desk(desk.store.amend(ids[1], is_locked=True))
        desk.advance(10)
        assert list(desk(desk.store.prune(finished_before=desk.now(), states=[S.COMPLETED]))) == [ids[2]]
        assert list(desk(desk.store.prune(finished_before=desk.now()))) == [ids[0]]
        desk(desk.store.amend(ids[1], is_locked=False))
        assert list(desk(desk.store.prune(finished_before=desk.now()))) == [ids[1]]

    def test_unfinished_runs_are_never_pruned(self, desk: Desk) -> None:
        desk.submit(request(), request(hold=True), request(not_before=desk.after(1000)))
        desk.claim_one()
        desk.advance(500)
        assert list(desk(desk.store.prune(finished_before=desk.now()))) == []
        for state in sorted(set(S) - FINAL_STATES):
            with pytest.raises(InvalidRequestError):
                desk(desk.store.prune(finished_before=desk.now(), states=[state]))

    def _all(self, desk: Desk, where: RunFilter, limit: int = 50) -> list[JobRun]:
        runs: list[JobRun] = []
        cursor = None
        while True:
            page = desk(desk.store.runs(where, cursor=cursor, limit=limit))
            assert len(page.runs) <= limit
            runs += page.runs
            cursor = page.next_cursor
            if cursor is None:
                return runs
