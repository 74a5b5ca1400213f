"""What every run control promises about many runs at once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from host.errors import InvalidRequestError
from host.kernel.catalogue import type_name
from host.model.runs import BulkAction, BulkReport, RunFilter, RunState
from host.model.submissions import RunSubmission
from host.testing.place import JobPlace, NewJobPlace, in_place
from host.testing.place_jobs import Echo, Failing, Lasting

ECHO, FAILING, LASTING = type_name(Echo), type_name(Failing), type_name(Lasting)
OF_ECHO = RunFilter(job_id=Echo.id)
S = RunState


class ControlBulk:
    """Part of ``RunControlSuite``."""

    def test_without_runs_there_is_nothing_to_do(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            for action in BulkAction:
                for is_dry in (True, False):
                    report = await place.control.bulk(action, RunFilter(), dry_run=is_dry)
                    assert report == BulkReport(matched=0, changed=0, is_more=False)

        in_place(new_place, check)

    def test_all_that_a_filter_finds_are_cancelled(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            later = await place.backstage.now() + timedelta(hours=1)
            (done,) = await place.control.submit([RunSubmission(job=ECHO)])
            await place.reaches(done)
            held = [RunSubmission(job=ECHO, hold=True), RunSubmission(job=ECHO, not_before=later)]
            other = RunSubmission(job=FAILING, hold=True)
            *mine, kept = await place.control.submit([*held, other])
            report = await place.control.bulk(BulkAction.CANCEL, OF_ECHO, by="Žofie")
            assert report == BulkReport(matched=2, changed=2, is_more=False)
            for run_id in mine:
                run = await place.run(run_id)
                assert (run.state, run.cancel_requested_by) == (S.CANCELLED, "Žofie")
            assert (await place.run(done)).state is S.COMPLETED
            assert (await place.run(kept)).state is S.PENDING

        in_place(new_place, check)

    def test_active_runs_are_asked_to_stop(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            ids = await place.control.submit([RunSubmission(job=LASTING)] * 2)
            for run_id in ids:
                await place.reaches(run_id, S.RUNNING)
            report = await place.control.bulk(BulkAction.CANCEL, RunFilter(states=frozenset({S.RUNNING})), by="anna")
            assert (report.matched, report.changed) == (2, 2)
            for run_id in ids:
                assert (await place.reaches(run_id)).state is S.CANCELLED

        in_place(new_place, check)

    def test_a_dry_run_only_counts(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            await place.control.submit([RunSubmission(job=ECHO, hold=True)] * 5)
            before = await place.backstage.runs()
            for action, matched in ((BulkAction.CANCEL, 5), (BulkAction.RELEASE, 5), (BulkAction.RETRY, 0)):
                report = await place.control.bulk(action, OF_ECHO, dry_run=True)
                assert report == BulkReport(matched=matched, changed=0, is_more=False)
            assert await place.backstage.runs() == before

        in_place(new_place, check)

    def test_no_more_than_allowed_are_changed_and_the_newest_first(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            ids = await place.control.submit([RunSubmission(job=ECHO, hold=True)] * 5)
            for at_most, is_more in ((3, True), (5, False), (9, False)):
                counted = await place.control.bulk(BulkAction.CANCEL, OF_ECHO, at_most=at_most, dry_run=True)
                assert counted == BulkReport(matched=min(at_most, 5), changed=0, is_more=is_more)
            report = await place.control.bulk(BulkAction.CANCEL, OF_ECHO, at_most=3)
            assert report == BulkReport(matched=3, changed=3, is_more=True)
            states = [(await place.run(run_id)).state for run_id in ids]
            assert states == [S.PENDING] * 2 + [S.CANCELLED] * 3

        in_place(new_place, check)

    def test_a_limit_below_one_is_refused(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            await place.control.submit([RunSubmission(job=ECHO, hold=True)])
            before = await place.backstage.runs()
            for at_most in (0, -1):
                with pytest.raises(InvalidRequestError):
                    await place.control.bulk(BulkAction.CANCEL, OF_ECHO, at_most=at_most)
            assert await place.backstage.runs() == before

        in_place(new_place, check)

    def test_finished_runs_are_run_anew_once(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            ids = await place.control.submit([RunSubmission(job=FAILING, tenant="t")] * 3)
            for run_id in ids:
                await place.reaches(run_id)
            failed = RunFilter(states=frozenset({S.FAILED}), tenant="t")
            report = await place.control.bulk(BulkAction.RETRY, failed, by="anna")
            assert report == BulkReport(matched=3, changed=3, is_more=False)
            await place.backstage.settle()
            again = (await place.backstage.runs())[3:]
            assert {run.origin_run_id for run in again} == set(ids)
            assert {(run.owner, run.tenant, run.state) for run in again} == {("anna", "t", S.FAILED)}
            report = await place.control.bulk(BulkAction.RETRY, failed)
            assert (report.matched, report.changed) == (6, 3)  # the repeats, for the others were repeated
            await place.backstage.settle()

        in_place(new_place, check)

    def test_held_runs_are_released(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            later = await place.backstage.now() + timedelta(hours=1)
            held = [RunSubmission(job=ECHO, hold=True)] * 3
            *ids, waiting = await place.control.submit([*held, RunSubmission(job=ECHO, not_before=later)])
            report = await place.control.bulk(BulkAction.RELEASE, RunFilter())
            assert report == BulkReport(matched=3, changed=3, is_more=False)
            for run_id in ids:
                assert (await place.reaches(run_id)).state is S.COMPLETED
            assert (await place.run(waiting)).state is S.SCHEDULED

        in_place(new_place, check)

    @pytest.mark.slow
    def test_more_than_a_page_are_all_reached(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            ids = await place.control.submit([RunSubmission(job=ECHO, hold=True)] * 1203)
            report = await place.control.bulk(BulkAction.CANCEL, OF_ECHO, at_most=1201)
            assert report == BulkReport(matched=1201, changed=1201, is_more=True)
            assert [(await place.run(run_id)).state for run_id in ids[:3]] == [S.PENDING] * 2 + [S.CANCELLED]

        in_place(new_place, check)

    def test_each_part_of_a_filter_narrows(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            first = [RunSubmission(job=ECHO, hold=True, tenant=tenant) for tenant in ("Žižkov & co", "b")]
            await place.control.submit([*first, RunSubmission(job=FAILING, hold=True)])
            await place.backstage.advance(10.000001)
            border = await place.backstage.now()
            await place.control.submit([RunSubmission(job=ECHO, hold=True)])
            for where, matched in (
                (RunFilter(), 4),
                (OF_ECHO, 3),
                (RunFilter(tenant="Žižkov & co"), 1),
                (RunFilter(states=frozenset({S.PENDING, S.QUEUED})), 4),
                (RunFilter(states=frozenset({S.COMPLETED})), 0),
                (RunFilter(created_from=border), 1),
                (RunFilter(created_until=border), 3),
                (RunFilter(text="FAILING"), 1),
                (RunFilter(text="%"), 0),
                (RunFilter(schedule_id=Echo.id), 0),
                (RunFilter(job_id=Echo.id, created_until=border, tenant="b"), 1),
            ):
                assert (await place.control.bulk(BulkAction.CANCEL, where, dry_run=True)).matched == matched, where

        in_place(new_place, check)
