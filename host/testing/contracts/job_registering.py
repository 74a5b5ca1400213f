"""What every job manager promises about finding, listing and registering jobs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from host.contracts.jobs import JobManagerService
from host.errors import InvalidParameterError, InvalidScheduleError, JobNotFoundError, JobRegisteredError
from host.kernel.catalogue import describe_job, type_name
from host.model.jobs import JobInfo, JobStartType
from host.model.runs import RunState
from host.model.schedules import JobSchedule
from host.testing.place import JobPlace, NewJobPlace, in_place
from host.testing.place_jobs import OFFERED, REGISTERED, Demanding, Echo, Offered, Planned

ECHO, OFFER, DEMANDING = type_name(Echo), type_name(Offered), type_name(Demanding)
MINUTE = timedelta(minutes=1)


class JobRegistering:
    """Part of ``JobManagerSuite``."""

    def test_the_registered_jobs_are_listed_by_name(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            jobs = await place.manager.jobs()
            assert {info.job_type for info in jobs} == {type_name(job) for job in REGISTERED}
            assert _names(jobs) == sorted(_names(jobs))

        in_place(new_place, check)

    def test_the_offered_jobs_are_listed_by_name_and_without_the_registered(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            offered = await place.manager.get_available_jobs()
            types = {info.job_type for info in offered}
            assert types >= {type_name(job) for job in OFFERED}
            assert not types & {type_name(job) for job in REGISTERED}
            assert _names(offered) == sorted(_names(offered))
            assert describe_job(Offered) in offered

        in_place(new_place, check)

    def test_a_job_is_told_as_it_declares_itself(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            for job in REGISTERED:
                info = await place.manager.get_job(type_name(job))
                assert info in await place.manager.jobs()
                assert info.source
                assert replace(info, start_type=JobStartType.SCHEDULE, source=None, configured_parameters={}) == (
                    describe_job(job)
                )

        in_place(new_place, check)

    def test_what_the_configuration_says_of_a_job_is_told(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            info = await place.manager.get_job(type_name(Planned))
            assert info.start_type is JobStartType.SCHEDULE
            assert info.configured_parameters == {"whom": "everybody"}
            assert (await place.manager.get_job(ECHO)).start_type is JobStartType.NEVER

        in_place(new_place, check)

    def test_a_job_is_found_by_id_type_alias_and_name(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            wanted = await place.manager.get_job(ECHO)
            for name in (str(Echo.id), str(Echo.id).upper(), *Echo.aliases, Echo.name):
                assert await place.manager.get_job(name) == wanted, name
                assert await place.manager.is_job_registered(name), name

        in_place(new_place, check)

    @pytest.mark.parametrize("name", ["nobody", "", " ", "..", "a/b", "x?y=z#e", "%2e%2e", "\x00", "\ud800", "x" * 500])
    def test_another_name_finds_nothing(self, new_place: NewJobPlace, name: str) -> None:
        async def check(place: JobPlace) -> None:
            await _check_not_found(place.manager, name)

        in_place(new_place, check)

    def test_a_name_that_two_jobs_have_finds_neither(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            await _check_not_found(place.manager, "Twin")

        in_place(new_place, check)

    def test_a_job_that_is_only_offered_is_not_found(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            for name in (OFFER, str(describe_job(Offered).id), *Offered.aliases):
                await _check_not_found(place.manager, name)

        in_place(new_place, check)

    def test_a_registered_job_is_there_for_good(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            info = await place.manager.register_job(OFFER)
            assert (info.job_type, info.start_type) == (OFFER, JobStartType.NEVER)
            await _check_registered(place.manager, info)

        async def check_again(place: JobPlace) -> None:
            info = await place.manager.get_job(OFFER)
            assert info.start_type is JobStartType.NEVER
            await _check_registered(place.manager, info)

        in_place(new_place, check, check_again)

    @pytest.mark.parametrize("name", [*Offered.aliases, str(describe_job(Offered).id)])
    def test_a_job_is_registered_by_any_of_its_names(self, new_place: NewJobPlace, name: str) -> None:
        async def check(place: JobPlace) -> None:
            assert (await place.manager.register_job(name)).job_type == OFFER

        in_place(new_place, check)

    def test_a_registered_job_is_not_registered_again(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            await place.manager.register_job(OFFER)
            for name in (OFFER, ECHO):
                before = await place.manager.get_job(name)
                with pytest.raises(JobRegisteredError):
                    await place.manager.register_job(name)
                assert await place.manager.get_job(name) == before

        in_place(new_place, check)

    def test_what_is_not_offered_is_not_registered(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            before = await place.manager.jobs()
            for name in ("nobody.jobs:None", "", "a/b"):
                with pytest.raises(JobNotFoundError):
                    await place.manager.register_job(name)
                with pytest.raises(JobNotFoundError):
                    await place.manager.add_job(name, interval=MINUTE)
            assert await place.manager.jobs() == before

        in_place(new_place, check)

    def test_an_added_job_is_there_until_the_host_ends(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            info = await place.manager.add_job(OFFER)
            assert (info.job_type, info.start_type) == (OFFER, JobStartType.SCHEDULE)
            await _check_registered(place.manager, info)
            assert (await place.manager.get_job_schedules(OFFER)).schedules == ()

        async def check_again(place: JobPlace) -> None:
            assert not await place.manager.is_job_registered(OFFER)

        in_place(new_place, check, check_again)

    def test_an_added_job_falls_back_on_its_interval(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            await place.manager.add_job(OFFER, interval=MINUTE)
            assert (await place.manager.get_job_schedules(OFFER)).schedules == (JobSchedule.every(MINUTE),)
            await place.backstage.settle()
            await place.backstage.advance(MINUTE.total_seconds())
            (run,) = await place.runs_of(OFFER)
            assert (run.state, run.fire_time) == (RunState.COMPLETED, await place.backstage.now())

        in_place(new_place, check)

    def test_a_job_that_is_added_again_stays_as_it_is(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            first = await place.manager.add_job(OFFER, interval=MINUTE)
            assert await place.manager.add_job(OFFER, start_type=JobStartType.IMMEDIATE, interval=2 * MINUTE) == first
            assert (await place.manager.get_job_schedules(OFFER)).schedules == (JobSchedule.every(MINUTE),)
            known = await place.manager.get_job(ECHO)
            assert await place.manager.add_job(ECHO, start_type=JobStartType.IMMEDIATE) == known
            await place.backstage.settle()
            assert list(await place.backstage.runs()) == []

        in_place(new_place, check)

    @pytest.mark.parametrize("start_type", [JobStartType.IMMEDIATE, JobStartType.DELAY])
    def test_a_job_added_to_start_by_itself_has_one_run(self, new_place: NewJobPlace, start_type: JobStartType) -> None:
        async def check(place: JobPlace) -> None:
            assert (await place.manager.add_job(OFFER, start_type=start_type)).start_type is start_type
            await place.backstage.settle()
            (run,) = await place.runs_of(OFFER)
            assert run.state is RunState.COMPLETED

        in_place(new_place, check)

    def test_a_job_with_an_impossible_fallback_is_not_added(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            for interval in (timedelta(0), -MINUTE):
                with pytest.raises(InvalidScheduleError):
                    await place.manager.add_job(OFFER, interval=interval)
            with pytest.raises(InvalidParameterError):
                await place.manager.add_job(DEMANDING, interval=MINUTE)
            for name in (OFFER, DEMANDING):
                assert not await place.manager.is_job_registered(name)

        in_place(new_place, check)


def _names(jobs: object) -> list[str]:
    assert isinstance(jobs, list | tuple)
    return [info.name.casefold() for info in jobs]


async def _check_registered(manager: JobManagerService, info: JobInfo) -> None:
    assert await manager.is_job_registered(info.job_type)
    assert await manager.get_job(info.job_type) == info
    assert info in await manager.jobs()
    assert info.job_type not in {each.job_type for each in await manager.get_available_jobs()}


async def _check_not_found(manager: JobManagerService, name: str) -> None:
    assert not await manager.is_job_registered(name)
    for call in (manager.get_job, manager.start_job, manager.cancel_job, manager.get_job_schedules):
        with pytest.raises(JobNotFoundError):
            await call(name)
    with pytest.raises(JobNotFoundError):
        await manager.set_job_schedule(name, [JobSchedule.every(MINUTE)])
    with pytest.raises(JobNotFoundError):
        await manager.clear_job_schedule(name)
