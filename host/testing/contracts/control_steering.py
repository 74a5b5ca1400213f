"""What every run control promises about one run: cancel, retry, amend, release."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from host.errors import InvalidRequestError, RunNotFoundError, RunStateError
from host.kernel.catalogue import type_name
from host.model.runs import JobRun, RunReason, RunState
from host.model.submissions import RunSubmission
from host.testing.place import JobPlace, NewJobPlace, in_place
from host.testing.place_jobs import Deadly, Echo, Failing, Lasting

ECHO, FAILING, LASTING, DEADLY = type_name(Echo), type_name(Failing), type_name(Lasting), type_name(Deadly)
HOUR = timedelta(hours=1)
S = RunState


class ControlSteering:
    """Part of ``RunControlSuite``."""

    def test_what_waits_is_cancelled_at_once(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            later = await place.backstage.now() + HOUR
            for waiting in (RunSubmission(job=ECHO, hold=True), RunSubmission(job=ECHO, not_before=later)):
                (run_id,) = await place.control.submit([waiting])
                result = await place.control.cancel(run_id, by="Žofie")
                assert (result.run_id, result.state) == (run_id, S.CANCELLED)
                run = await place.run(run_id)
                assert (run.state, run.reason, run.cancel_requested_by) == (S.CANCELLED, RunReason.REQUESTED, "Žofie")
                assert run.cancel_requested_at == await place.backstage.now()

        in_place(new_place, check)

    def test_what_runs_is_asked_to_stop(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            run_id = await _active(place)
            result = await place.control.cancel(run_id, by="anna")
            assert (result.run_id, result.state) == (run_id, S.RUNNING)
            ended = await place.reaches(run_id)
            assert (ended.state, ended.cancel_requested_by) == (S.CANCELLED, "anna")

        in_place(new_place, check)

    def test_what_has_finished_or_is_unknown_cannot_be_cancelled(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            before = await _ended(place, ECHO)
            with pytest.raises(RunStateError):
                await place.control.cancel(before.id)
            assert await place.run(before.id) == before
            with pytest.raises(RunNotFoundError):
                await place.control.cancel(uuid4())

        in_place(new_place, check)

    def test_a_finished_run_is_run_anew_as_it_was(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            said = RunSubmission(
                job=ECHO,
                parameters={"whom": "ž", "anything": [1.0, None]},
                tenant="t",
                priority=9,
                owner="anna",
                idempotency_key="k",
            )
            (run_id,) = await place.control.submit([said])
            first = await place.reaches(run_id)
            again = await place.control.retry(run_id, by="boris")
            assert again != run_id
            second = await place.reaches(again)
            assert (second.state, second.origin_run_id, second.owner) == (S.COMPLETED, run_id, "boris")
            assert (second.parameters, second.tenant, second.priority) == (first.parameters, "t", 9)
            assert await place.run(run_id) == first

        in_place(new_place, check)

    def test_each_retry_is_another_run(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            failed = await _ended(place, FAILING)
            assert failed.state is S.FAILED
            again = [await place.control.retry(failed.id) for _ in range(3)]
            assert len({failed.id, *again}) == 4
            assert {(await place.run(run_id)).origin_run_id for run_id in again} == {failed.id}

        in_place(new_place, check)

    def test_what_has_not_finished_or_is_unknown_cannot_be_run_anew(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            (held,) = await place.control.submit([RunSubmission(job=ECHO, hold=True)])
            for run_id in (held, await _active(place)):
                with pytest.raises(RunStateError):
                    await place.control.retry(run_id)
            with pytest.raises(RunNotFoundError):
                await place.control.retry(uuid4())
            assert len(await place.backstage.runs()) == 2

        in_place(new_place, check)

    def test_priority_and_time_of_what_waits_can_be_changed(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            now = await place.backstage.now()
            (run_id,) = await place.control.submit([RunSubmission(job=ECHO, not_before=now + HOUR)])
            at = now + 2 * HOUR + timedelta(microseconds=1)
            changed = await place.control.amend(run_id, priority=-5)
            assert (changed.priority, changed.not_before) == (-5, now + HOUR)
            changed = await place.control.amend(run_id, not_before=at, is_locked=True)
            assert (changed.priority, changed.not_before, changed.is_locked) == (-5, at, True)
            assert changed == await place.run(run_id)
            await place.control.amend(run_id, not_before=now)
            assert (await place.reaches(run_id)).state is S.COMPLETED

        in_place(new_place, check)

    def test_a_change_of_nothing_changes_nothing(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            (run_id,) = await place.control.submit([RunSubmission(job=ECHO, hold=True)])
            before = await place.run(run_id)
            after = await place.control.amend(run_id)
            assert (after.id, after.priority, after.not_before) == (run_id, before.priority, before.not_before)

        in_place(new_place, check)

    def test_a_run_that_has_started_can_only_be_locked(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            active, done = await _active(place), (await _ended(place, ECHO)).id
            for run_id in (active, done):
                for change in ({"priority": 1}, {"not_before": await place.backstage.now()}):
                    before = await place.run(run_id)
                    with pytest.raises(RunStateError):
                        await place.control.amend(run_id, is_locked=True, **change)
                    assert await place.run(run_id) == before
                for is_locked in (True, False):
                    assert (await place.control.amend(run_id, is_locked=is_locked)).is_locked is is_locked

        in_place(new_place, check)

    def test_a_time_without_offset_or_a_run_that_is_unknown_is_refused(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            (run_id,) = await place.control.submit([RunSubmission(job=ECHO, hold=True)])
            with pytest.raises(InvalidRequestError):
                await place.control.amend(run_id, not_before=datetime.fromisoformat("2030-01-01T00:00:00"))
            assert (await place.run(run_id)).not_before is None
            with pytest.raises(RunNotFoundError):
                await place.control.amend(uuid4(), priority=1)

        in_place(new_place, check)

    def test_a_held_run_that_is_released_goes(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            later = await place.backstage.now() + HOUR
            held = [RunSubmission(job=ECHO, hold=True), RunSubmission(job=ECHO, hold=True, not_before=later)]
            now, then = await place.control.submit(held)
            released = await place.control.release(now, by="anna")
            assert (released.id, released.state) == (now, S.QUEUED)
            assert (await place.control.release(then)).state is S.SCHEDULED
            await place.reaches(now)
            assert (await place.run(then)).state is S.SCHEDULED
            await place.backstage.advance(HOUR.total_seconds())
            assert (await place.run(then)).state is S.COMPLETED

        in_place(new_place, check)

    def test_only_what_is_held_or_quarantined_can_be_released(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            later = await place.backstage.now() + HOUR
            (scheduled,) = await place.control.submit([RunSubmission(job=ECHO, not_before=later)])
            for run_id in (scheduled, await _active(place), (await _ended(place, ECHO)).id):
                before = await place.run(run_id)
                with pytest.raises(RunStateError):
                    await place.control.release(run_id)
                assert await place.run(run_id) == before
            with pytest.raises(RunNotFoundError):
                await place.control.release(uuid4())

        in_place(new_place, check)

    @pytest.mark.slow
    def test_a_quarantined_run_that_is_released_has_another_chance(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            await place.manager.register_job(DEADLY)
            (run_id,) = await place.control.submit([RunSubmission(job=DEADLY, owner="anna")])
            first = await place.reaches(run_id)
            assert (first.state, first.reason) == (S.QUARANTINED, RunReason.CRASHES)
            await place.backstage.settle()
            (pause,) = await place.backstage.pauses()
            assert pause.scope == f"job:{DEADLY}"
            second = await place.control.release(run_id, by="boris")
            assert (second.origin_run_id, second.owner) == (run_id, "boris")
            assert second.id != run_id
            assert await place.run(run_id) == first
            assert list(await place.backstage.pauses()) == []
            assert (await place.reaches(second.id)).state is S.QUARANTINED
            await place.backstage.settle()

        in_place(new_place, check)

    def test_another_pause_than_the_quarantines_stays(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            await place.control.pause(f"job:{ECHO}", reason="mine", by="anna")
            (run_id,) = await place.control.submit([RunSubmission(job=ECHO, hold=True)])
            await place.control.release(run_id)
            await place.backstage.settle()
            assert (await place.run(run_id)).state is S.QUEUED
            assert [pause.reason for pause in await place.backstage.pauses()] == ["mine"]

        in_place(new_place, check)


async def _active(place: JobPlace) -> UUID:
    (run_id,) = await place.control.submit([RunSubmission(job=LASTING)])
    await place.reaches(run_id, S.RUNNING)
    return run_id


async def _ended(place: JobPlace, job: str) -> JobRun:
    (run_id,) = await place.control.submit([RunSubmission(job=job)])
    return await place.reaches(run_id)
