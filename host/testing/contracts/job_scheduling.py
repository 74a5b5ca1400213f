"""What every job manager promises about the schedules of a job."""

from __future__ import annotations

from datetime import timedelta

import pytest

from host.errors import InvalidParameterError, InvalidScheduleError, ScheduleVersionError
from host.kernel.catalogue import type_name
from host.model.runs import RunState
from host.model.schedules import JobSchedule, ScheduleKind, schedule_ids
from host.testing.contracts.schedules import EVERY_KIND, HOURLY, IMPOSSIBLE
from host.testing.place import JobPlace, NewJobPlace, in_place
from host.testing.place_jobs import Echo, Failing, Greet, Lasting, Planned

ECHO, GREET, PLANNED = type_name(Echo), type_name(Greet), type_name(Planned)
MINUTE = timedelta(minutes=1)
HOURS = 3600.0
EVERY_MINUTE = JobSchedule.every(MINUTE)


class JobScheduling:
    """Part of ``JobManagerSuite``."""

    def test_a_job_without_schedules_has_an_empty_entry(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            entry = await place.manager.get_job_schedules(ECHO)
            assert (entry.job_type, entry.schedules, entry.version) == (ECHO, (), "")

        in_place(new_place, check)

    def test_a_fallback_is_in_force_and_says_where_it_stands(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            entry = await place.manager.get_job_schedules("Planned")
            assert (entry.job_type, entry.version) == (PLANNED, "")
            assert [schedule.interval for schedule in entry.schedules] == [timedelta(hours=6)]
            assert entry.source
            await place.backstage.advance(10 * HOURS)
            runs = await place.runs_of(PLANNED)
            assert [run.schedule_id for run in runs] == [*schedule_ids(PLANNED, entry.schedules)] * 2
            assert [run.parameters for run in runs] == [{"whom": "everybody"}] * 2

        in_place(new_place, check)

    def test_what_is_set_is_in_force_instead_of_the_fallback(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            wanted = JobSchedule(kind=ScheduleKind.INTERVAL, interval=4 * MINUTE, parameters={"whom": "you"})
            entry = await place.manager.set_job_schedule(PLANNED, [wanted])
            assert (entry.job_type, entry.schedules) == (PLANNED, (wanted,))
            assert entry.version
            found = await place.manager.get_job_schedules(PLANNED)
            assert (found.schedules, found.version) == (entry.schedules, entry.version)
            await place.backstage.settle()
            began = await place.backstage.now()
            await place.backstage.advance(5 * 60)
            (run,) = await place.runs_of(PLANNED)
            assert (run.fire_time, run.parameters) == (began + 4 * MINUTE, {"whom": "you"})
            assert run.schedule_id == schedule_ids(PLANNED, [wanted])[0]
            await place.backstage.advance(3 * HOURS)
            assert {each.schedule_id for each in await place.runs_of(PLANNED)} == {run.schedule_id}

        in_place(new_place, check)

    def test_what_is_set_is_there_for_good(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            await place.manager.set_job_schedule(ECHO, [HOURLY])

        async def check_again(place: JobPlace) -> None:
            assert (await place.manager.get_job_schedules(ECHO)).schedules == (HOURLY,)

        in_place(new_place, check, check_again)

    def test_every_kind_of_schedule_is_given_back_equal(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            kinds = tuple(schedule for schedule in EVERY_KIND if not schedule.parameters)
            entry = await place.manager.set_job_schedule(Echo.name, kinds)
            assert (entry.job_type, entry.schedules) == (ECHO, kinds)
            found = await place.manager.get_job_schedules(str(Echo.id))
            assert (found.schedules, found.version) == (kinds, entry.version)

        in_place(new_place, check)

    def test_an_equal_list_changes_nothing(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            first = await place.manager.set_job_schedule(ECHO, [HOURLY])
            again = await place.manager.set_job_schedule(ECHO, [HOURLY], expected_version=first.version)
            assert again.version == first.version

        in_place(new_place, check)

    def test_a_cleared_job_has_no_schedule_for_good(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            for job in (ECHO, PLANNED):
                await place.manager.set_job_schedule(job, [HOURLY])
                entry = await place.manager.clear_job_schedule(job)
                assert (entry.job_type, entry.schedules) == (job, ())
                assert (await place.manager.get_job_schedules(job)).schedules == ()

        async def check_again(place: JobPlace) -> None:
            for job in (ECHO, PLANNED):
                assert (await place.manager.get_job_schedules(job)).schedules == ()
            await place.backstage.advance(8 * HOURS)
            assert list(await place.backstage.runs()) == []

        in_place(new_place, check, check_again)

    def test_an_empty_list_clears(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            entry = await place.manager.set_job_schedule(PLANNED, [])
            assert entry.schedules == ()
            assert entry.version
            assert (await place.manager.get_job_schedules(PLANNED)).schedules == ()

        in_place(new_place, check)

    def test_the_version_that_was_read_is_accepted(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            for job in (ECHO, PLANNED):
                found = await place.manager.get_job_schedules(job)
                first = await place.manager.set_job_schedule(job, [HOURLY], expected_version=found.version)
                second = await place.manager.set_job_schedule(job, [EVERY_MINUTE], expected_version=first.version)
                third = await place.manager.clear_job_schedule(job, expected_version=second.version)
                assert len({found.version, first.version, second.version, third.version}) == 4
                assert (await place.manager.get_job_schedules(job)).version == third.version

        in_place(new_place, check)

    def test_another_version_is_refused_and_changes_nothing(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            old = await place.manager.set_job_schedule(ECHO, [HOURLY])
            now = await place.manager.set_job_schedule(ECHO, [EVERY_MINUTE])
            for job, version in ((ECHO, old.version), (ECHO, ""), (PLANNED, now.version), (ECHO, 'x"y,ž')):
                before = await place.manager.get_job_schedules(job)
                with pytest.raises(ScheduleVersionError):
                    await place.manager.set_job_schedule(job, [HOURLY], expected_version=version)
                with pytest.raises(ScheduleVersionError):
                    await place.manager.clear_job_schedule(job, expected_version=version)
                assert await place.manager.get_job_schedules(job) == before

        in_place(new_place, check)

    def test_a_schedule_that_can_never_work_is_refused_and_changes_nothing(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            before = await place.manager.set_job_schedule(ECHO, [HOURLY])
            named = JobSchedule(kind=ScheduleKind.CRON, expression="@daily", id="a")
            for bad in ([HOURLY, IMPOSSIBLE], [JobSchedule.every(timedelta(0))], [named, named]):
                with pytest.raises(InvalidScheduleError):
                    await place.manager.set_job_schedule(ECHO, bad)
            assert (await place.manager.get_job_schedules(ECHO)).version == before.version

        in_place(new_place, check)

    def test_a_schedule_whose_parameters_do_not_fit_is_refused(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            wrong = JobSchedule(kind=ScheduleKind.CRON, expression="@daily", parameters={"times": 99})
            for job, schedule in ((ECHO, wrong), (GREET, HOURLY)):
                with pytest.raises(InvalidParameterError):
                    await place.manager.set_job_schedule(job, [schedule])
                assert (await place.manager.get_job_schedules(job)).schedules == ()

        in_place(new_place, check)

    def test_a_job_that_never_starts_by_itself_runs_as_its_schedule_says(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            for job in (type_name(Failing), ECHO):
                await place.manager.set_job_schedule(job, [JobSchedule.once(await place.backstage.now() + MINUTE)])
            await place.backstage.advance(120)
            (failed,), (done,) = await place.runs_of(type_name(Failing)), await place.runs_of(ECHO)
            assert (failed.state, done.state) == (RunState.FAILED, RunState.COMPLETED)

        in_place(new_place, check)

    def test_the_schedules_of_one_job_leave_the_others_alone(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            other = await place.manager.set_job_schedule(type_name(Lasting), [HOURLY])
            await place.manager.set_job_schedule(ECHO, [EVERY_MINUTE])
            await place.manager.clear_job_schedule(ECHO)
            found = await place.manager.get_job_schedules(type_name(Lasting))
            assert (found.schedules, found.version) == (other.schedules, other.version)
            assert (await place.manager.get_job_schedules(PLANNED)).version == ""

        in_place(new_place, check)
