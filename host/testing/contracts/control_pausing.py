"""What every run control promises about pauses."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from host.errors import InvalidRequestError, JobNotFoundError, ScheduleNotFoundError
from host.kernel.catalogue import type_name
from host.model.runs import RunState
from host.model.schedules import JobSchedule, schedule_ids
from host.model.submissions import RunSubmission
from host.testing.place import JobPlace, NewJobPlace, in_place
from host.testing.place_jobs import Echo, Failing, Greet, Lasting

ECHO, FAILING = type_name(Echo), type_name(Failing)
MINUTE = timedelta(minutes=1)
SCHEDULES = (JobSchedule.every(MINUTE), JobSchedule.every(3 * MINUTE))
FIRST, SECOND = (f"schedule:{schedule}" for schedule in schedule_ids(ECHO, SCHEDULES))
S = RunState


class ControlPausing:
    """Part of ``RunControlSuite``."""

    def test_a_pause_of_everything_lets_nothing_start(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            assert await place.control.pause("all", reason="údržba", by="Žofie")
            ids = await place.control.submit([RunSubmission(job=ECHO), RunSubmission(job=FAILING)])
            await place.backstage.advance(60)
            assert {(await place.run(run_id)).state for run_id in ids} == {S.QUEUED}
            (pause,) = await place.backstage.pauses()
            assert (pause.scope, pause.reason, pause.by) == ("all", "údržba", "Žofie")
            assert await place.control.resume("all", by="Žofie")
            for run_id in ids:
                await place.reaches(run_id)
            assert list(await place.backstage.pauses()) == []

        in_place(new_place, check)

    def test_a_pause_of_a_job_leaves_the_others_alone(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            assert await place.control.pause(f"job:{ECHO}", reason="broken", by="anna")
            held, other = await place.control.submit([RunSubmission(job=ECHO), RunSubmission(job=FAILING)])
            await place.reaches(other)
            await place.backstage.settle()
            assert (await place.run(held)).state is S.QUEUED
            assert await place.control.resume(f"job:{ECHO}")
            assert (await place.reaches(held)).state is S.COMPLETED

        in_place(new_place, check)

    def test_what_runs_already_goes_on(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            (run_id,) = await place.control.submit([RunSubmission(job=type_name(Lasting))])
            await place.reaches(run_id, S.RUNNING)
            assert await place.control.pause("all", reason="now")
            await place.backstage.let_end()
            assert (await place.reaches(run_id)).state is S.COMPLETED

        in_place(new_place, check)

    def test_every_name_of_a_job_means_the_same_pause(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            assert await place.control.pause(f"job:{Echo.name}", reason="first", by="anna")
            for name in (ECHO, str(Echo.id), *Echo.aliases):
                assert not await place.control.pause(f"job:{name}", reason="second", by="boris")
            (pause,) = await place.backstage.pauses()
            assert (pause.scope, pause.reason, pause.by) == (f"job:{ECHO}", "first", "anna")
            assert await place.control.resume(f"job:{Echo.aliases[0]}")
            for name in (ECHO, str(Echo.id), Echo.name):
                assert not await place.control.resume(f"job:{name}")

        in_place(new_place, check)

    def test_a_second_pause_and_a_second_resume_say_so(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            await place.manager.set_job_schedule(ECHO, SCHEDULES)
            for scope in ("all", f"job:{type_name(Greet)}", FIRST):
                assert not await place.control.resume(scope)
                assert await place.control.pause(scope, reason="a")
                assert not await place.control.pause(scope, reason="b")
            assert [pause.reason for pause in await place.backstage.pauses()] == ["a"] * 3
            for scope in ("all", f"job:{type_name(Greet)}", FIRST):
                assert await place.control.resume(scope)
                assert not await place.control.resume(scope)

        in_place(new_place, check)

    def test_a_paused_schedule_does_not_fire_and_misses_are_not_made_up_for(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            await place.manager.set_job_schedule(ECHO, SCHEDULES)
            await place.backstage.settle()
            assert await place.control.pause(FIRST, reason="too often", by="anna")
            (pause,) = await place.backstage.pauses()
            assert (pause.scope, pause.by) == (FIRST, "anna")
            await place.backstage.advance(330)
            assert await place.control.resume(FIRST)
            await place.backstage.advance(60)
            runs = [f"schedule:{run.schedule_id}" for run in await place.runs_of(ECHO)]
            assert sorted(runs, key=[FIRST, SECOND].index) == [FIRST, SECOND, SECOND]

        in_place(new_place, check)

    def test_a_paused_schedule_leaves_other_runs_of_its_job_alone(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            await place.manager.set_job_schedule(ECHO, SCHEDULES)
            await place.backstage.settle()
            await place.control.pause(FIRST, reason="too often")
            (run_id,) = await place.control.submit([RunSubmission(job=ECHO)])
            assert (await place.reaches(run_id)).state is S.COMPLETED

        in_place(new_place, check)

    def test_pauses_outlast_a_restart(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            for scope in ("all", f"job:{ECHO}"):
                assert await place.control.pause(scope, reason="for long", by="anna")

        async def check_again(place: JobPlace) -> None:
            (run_id,) = await place.control.submit([RunSubmission(job=ECHO)])
            await place.backstage.settle()
            assert (await place.run(run_id)).state is S.QUEUED
            assert await place.control.resume("all")
            await place.backstage.settle()
            assert (await place.run(run_id)).state is S.QUEUED
            assert await place.control.resume(f"job:{ECHO}")
            await place.reaches(run_id)

        in_place(new_place, check, check_again)

    @pytest.mark.parametrize(
        "scope", ["", "everything", "job:", "schedule:", "schedule:x", "ALL", "all:", "jobs:Echo", "\x00", "a/b?c#d"]
    )
    def test_what_is_no_scope_is_refused(self, new_place: NewJobPlace, scope: str) -> None:
        async def check(place: JobPlace) -> None:
            with pytest.raises(InvalidRequestError):
                await place.control.pause(scope, reason="why not")
            with pytest.raises(InvalidRequestError):
                await place.control.resume(scope)
            assert list(await place.backstage.pauses()) == []

        in_place(new_place, check)

    def test_what_is_unknown_cannot_be_paused(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            for job in ("nobody", "Twin", "a/b"):
                with pytest.raises(JobNotFoundError):
                    await place.control.pause(f"job:{job}", reason="why not")
                with pytest.raises(JobNotFoundError):
                    await place.control.resume(f"job:{job}")
            with pytest.raises(ScheduleNotFoundError):
                await place.control.pause(f"schedule:{uuid4()}", reason="why not")
            assert not await place.control.resume(f"schedule:{uuid4()}")
            assert list(await place.backstage.pauses()) == []

        in_place(new_place, check)
