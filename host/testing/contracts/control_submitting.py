"""What every run control promises about accepting runs."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from host.errors import InvalidParameterError, InvalidRequestError, JobNotFoundError
from host.kernel.catalogue import type_name
from host.model.runs import DEFAULT_TENANT, RunReason, RunState
from host.model.submissions import RunSubmission
from host.testing.place import JobPlace, NewJobPlace, in_place
from host.testing.place_jobs import Echo, Greet, Lasting

ECHO, GREET, LASTING = type_name(Echo), type_name(Greet), type_name(Lasting)
SECOND = timedelta(seconds=1)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class ControlSubmitting:
    """Part of ``RunControlSuite``."""

    def test_nothing_is_a_submission_too(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            assert list(await place.control.submit([])) == []
            assert list(await place.backstage.runs()) == []

        in_place(new_place, check)

    def test_ids_are_given_in_the_order_of_the_submissions(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            submissions = [RunSubmission(job=ECHO, parameters={"whom": str(n)}, hold=True) for n in range(50)]
            ids = await place.control.submit(submissions)
            assert all(isinstance(run_id, UUID) for run_id in ids)
            assert [(await place.run(run_id)).parameters["whom"] for run_id in ids] == [str(n) for n in range(50)]
            assert [run.id for run in await place.backstage.runs()] == list(ids)

        in_place(new_place, check)

    @pytest.mark.slow
    def test_thousands_are_accepted_at_once(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            ids = await place.control.submit([RunSubmission(job=ECHO, hold=True)] * 3000)
            assert len(set(ids)) == 3000
            assert [run.id for run in await place.backstage.runs()] == list(ids[-1000:])

        in_place(new_place, check)

    def test_what_says_nothing_is_as_the_job_declares(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            (run_id,) = await place.control.submit([RunSubmission(job=Echo.aliases[0], owner="anna")])
            run = await place.run(run_id)
            assert (run.job_id, run.job_type, run.tenant, run.owner) == (Echo.id, ECHO, DEFAULT_TENANT, "anna")
            declared = (Echo.timeout, Echo.priority, Echo.max_attempts, Echo.recovery, Echo.overlap)
            assert (run.timeout, run.priority, run.max_attempts, run.recovery, run.overlap) == declared
            assert (run.expires_at, run.origin_run_id) == (None, None)
            assert len(run.trace_id) == 32
            assert (await place.reaches(run_id)).state is RunState.COMPLETED

        in_place(new_place, check)

    def test_everything_that_is_said_is_kept(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            now = await place.backstage.now()
            said = RunSubmission(
                job=ECHO,
                parameters=["ž☃", 5],
                tenant="Žižkov / 3",
                owner="Žofie & co.",
                priority=-7,
                not_before=now + timedelta(days=1, microseconds=1),
                expires_at=now + timedelta(days=2, microseconds=3),
                timeout=timedelta(hours=30, microseconds=5),
                idempotency_key='klíč "1" / ?',
                trace_id=TRACE,
                hold=True,
            )
            (run_id,) = await place.control.submit([said])
            run = await place.run(run_id)
            assert (run.parameters["whom"], run.parameters["times"]) == ("ž☃", 5)
            for field in ("tenant", "owner", "priority", "not_before", "expires_at", "timeout", "idempotency_key"):
                assert getattr(run, field) == getattr(said, field), field
            assert (run.trace_id, run.state) == (TRACE, RunState.PENDING)

        in_place(new_place, check)

    def test_each_submission_has_its_own_owner_and_tenant(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            people = [("anna", "one"), ("boris", "two"), ("anna", "two")]
            submissions = [RunSubmission(job=ECHO, owner=owner, tenant=tenant) for owner, tenant in people]
            runs = [await place.run(run_id) for run_id in await place.control.submit(submissions)]
            assert [(run.owner, run.tenant) for run in runs] == people

        in_place(new_place, check)

    def test_a_whole_traceparent_is_taken_too(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            parent = f"00-{TRACE}-00f067aa0ba902b7-01"
            (run_id,) = await place.control.submit([RunSubmission(job=ECHO, trace_id=parent)])
            assert (await place.run(run_id)).trace_id == TRACE

        in_place(new_place, check)

    def test_a_run_starts_no_earlier_than_it_may(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            at = await place.backstage.now() + 90 * SECOND
            (run_id,) = await place.control.submit([RunSubmission(job=ECHO, not_before=at)])
            assert (await place.run(run_id)).state is RunState.SCHEDULED
            await place.backstage.advance(89)
            assert (await place.run(run_id)).state is RunState.SCHEDULED
            await place.backstage.advance(1)
            run = await place.run(run_id)
            assert (run.state, run.not_before) == (RunState.COMPLETED, at)

        in_place(new_place, check)

    def test_a_run_that_waited_too_long_fails(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            now = await place.backstage.now()
            late = RunSubmission(job=ECHO, not_before=now + 60 * SECOND, expires_at=now + 30 * SECOND)
            (run_id,) = await place.control.submit([late])
            await place.backstage.advance(61)
            run = await place.run(run_id)
            assert (run.state, run.reason) == (RunState.FAILED, RunReason.EXPIRED)

        in_place(new_place, check)

    def test_a_held_run_waits(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            (run_id,) = await place.control.submit([RunSubmission(job=ECHO, hold=True)])
            await place.backstage.advance(3600)
            assert (await place.run(run_id)).state is RunState.PENDING

        in_place(new_place, check)

    def test_if_one_job_is_unknown_none_is_accepted(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            for name in ("nobody", "Twin", ""):
                with pytest.raises(JobNotFoundError):
                    await place.control.submit([_held(), RunSubmission(job=name), _held()])
            assert list(await place.backstage.runs()) == []

        in_place(new_place, check)

    def test_if_one_has_wrong_parameters_none_is_accepted(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            for wrong in ({"times": 10}, {"nobody": 1}, ["a", "b"]):
                with pytest.raises(InvalidParameterError) as refused:
                    await place.control.submit([_held(), RunSubmission(job=ECHO, parameters=wrong), _held()])
                assert refused.value.problems
            with pytest.raises(InvalidParameterError):
                await place.control.submit([_held(), RunSubmission(job=GREET)])
            assert list(await place.backstage.runs()) == []

        in_place(new_place, check)

    def test_what_is_no_trace_is_refused(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            for trace in ("", "x", TRACE.upper(), "0" * 32, f"{TRACE}0"):
                with pytest.raises(InvalidRequestError):
                    await place.control.submit([_held(), RunSubmission(job=ECHO, trace_id=trace)])
            assert list(await place.backstage.runs()) == []

        in_place(new_place, check)

    def test_a_known_key_gives_the_run_accepted_for_it(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            keyed = RunSubmission(job=ECHO, parameters={"whom": "first"}, idempotency_key="k")
            (first,) = await place.control.submit([keyed])
            assert list(await place.control.submit([keyed])) == [first]
            await place.reaches(first)
            other = RunSubmission(job=ECHO, idempotency_key="other")
            again, second, third = await place.control.submit([keyed, RunSubmission(job=ECHO), other])
            assert again == first
            assert [run.id for run in await place.backstage.runs()] == [first, second, third]
            assert (await place.run(first)).parameters["whom"] == "first"

        in_place(new_place, check)

    def test_one_key_twice_in_a_submission_is_one_run(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            keyed = RunSubmission(job=ECHO, idempotency_key="k")
            first, second = await place.control.submit([keyed, keyed])
            assert first == second
            assert len(await place.backstage.runs()) == 1

        in_place(new_place, check)

    def test_a_key_outlasts_a_restart(self, new_place: NewJobPlace) -> None:
        keyed = RunSubmission(job=ECHO, idempotency_key="k")
        seen: list[UUID] = []

        async def check(place: JobPlace) -> None:
            seen.extend(await place.control.submit([keyed]))
            assert set(seen) == {run.id for run in await place.backstage.runs()}
            assert len(set(seen)) == 1

        in_place(new_place, check, check)


def _held() -> RunSubmission:
    return RunSubmission(job=ECHO, hold=True)
