"""What every job manager promises about starting jobs and cancelling their runs."""

from __future__ import annotations

import json

import pytest

from host.errors import InvalidParameterError, InvalidRequestError, JobNotFoundError
from host.kernel.catalogue import type_name
from host.model.json import JsonObject, JsonValue
from host.model.runs import JobRun, RunReason, RunState
from host.model.submissions import RunSubmission
from host.testing.place import JobPlace, NewJobPlace, in_place
from host.testing.place_jobs import Echo, Failing, Greet, Lasting, Planned

ECHO, GREET, LASTING = type_name(Echo), type_name(Greet), type_name(Lasting)
DEFAULTS: JsonObject = {
    "whom": "world",
    "times": 1,
    "rate": None,
    "loud": False,
    "at": None,
    "mood": None,
    "anything": None,
}
VALUES: tuple[JsonValue, ...] = (
    1,
    1.0,
    True,
    "",
    'größe ☃ 🚀 \x00\x7f " \\ \n',
    [],
    {},
    -(2**63),
    2**63 - 1,
    2**70,
    -(10**30),
    1e-300,
    0.1,
    {"deep": [1, 1.5, None, {"": [[], {}]}], "$type": "x", "žlutý": "kůň"},
)
WRONG: tuple[tuple[str, JsonObject | list[JsonValue]], ...] = (
    (ECHO, {"nobody": 1}),
    (ECHO, {"times": 10}),
    (ECHO, {"times": 0}),
    (ECHO, {"times": "many"}),
    (ECHO, {"times": 1.5}),
    (ECHO, {"whom": 5}),
    (ECHO, {"loud": "perhaps"}),
    (ECHO, {"at": "tomorrow"}),
    (ECHO, {"mood": "indifferent"}),
    (ECHO, ["a", 1, 1.0, False, None, "glad", None, "one too many"]),
    (GREET, {}),
    (GREET, []),
    (GREET, [None, 3]),
    (type_name(Failing), ["it takes none"]),
)


class JobStarting:
    """Part of ``JobManagerSuite``."""

    def test_a_started_job_runs_at_once(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            run = await _started(place, "Greet", ["you"])
            assert (run.job_type, run.schedule_id, run.fire_time) == (GREET, None, None)
            ended = await place.reaches(run.id)
            assert (ended.state, ended.created_at) == (RunState.COMPLETED, run.created_at)

        in_place(new_place, check)

    def test_a_job_is_started_by_any_of_its_names(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            for name in (str(Echo.id), ECHO, *Echo.aliases, Echo.name):
                run = await _started(place, name)
                assert (run.job_id, run.job_type) == (Echo.id, ECHO)

        in_place(new_place, check)

    def test_a_run_follows_its_jobs_policies(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            run = await _started(place, ECHO)
            declared = (Echo.timeout, Echo.priority, Echo.max_attempts, Echo.recovery, Echo.overlap)
            assert (run.timeout, run.priority, run.max_attempts, run.recovery, run.overlap) == declared

        in_place(new_place, check)

    def test_parameters_by_name_have_their_defaults(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            await _check_given(place, {}, DEFAULTS)
            await _check_given(place, {"times": 3}, {**DEFAULTS, "times": 3})
            given: JsonObject = {
                "whom": "ž☃",
                "times": 9,
                "rate": 2.5,
                "loud": True,
                "at": "2026-01-01T00:00:00.000001+01:00",
                "mood": "sad",
                "anything": [None],
            }
            await _check_given(place, given, given)
            await _check_given(place, {"times": None}, DEFAULTS)

        in_place(new_place, check)

    def test_parameters_by_position_have_their_defaults(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            await _check_given(place, [], DEFAULTS)
            await _check_given(place, (), DEFAULTS)
            await _check_given(place, ["you"], {**DEFAULTS, "whom": "you"})
            await _check_given(place, [None, 5, None, True], {**DEFAULTS, "times": 5, "loud": True})
            await _check_given(place, ("a", 2, 0.5), {**DEFAULTS, "whom": "a", "times": 2, "rate": 0.5})

        in_place(new_place, check)

    def test_numbers_and_truths_may_come_as_text(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            given: JsonObject = {"times": "4", "rate": "1.5", "loud": "true"}
            await _check_given(place, given, {**DEFAULTS, "times": 4, "rate": 1.5, "loud": True})

        in_place(new_place, check)

    def test_configured_parameters_are_what_a_run_has_unless_told_otherwise(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            assert (await _started(place, type_name(Planned))).parameters == {"whom": "everybody"}
            assert (await _started(place, type_name(Planned), ["you"])).parameters == {"whom": "you"}

        in_place(new_place, check)

    def test_a_value_of_any_kind_reaches_the_job_as_it_was_given(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            runs = [await _started(place, ECHO, {"anything": value}) for value in VALUES]
            for run, value in zip(runs, VALUES, strict=True):
                ended = await place.reaches(run.id)
                assert isinstance(ended.result, dict)
                for told in (run.parameters, ended.parameters, ended.result["given"]):
                    assert json.dumps(told) == json.dumps({**DEFAULTS, "anything": value})

        in_place(new_place, check)

    @pytest.mark.parametrize(("job", "given"), WRONG)
    def test_wrong_parameters_are_refused_and_nothing_is_submitted(
        self, new_place: NewJobPlace, job: str, given: JsonObject | list[JsonValue]
    ) -> None:
        async def check(place: JobPlace) -> None:
            with pytest.raises(InvalidParameterError) as refused:
                await place.manager.start_job(job, given)
            assert refused.value.problems
            assert list(await place.backstage.runs()) == []

        in_place(new_place, check)

    def test_text_that_is_none_is_refused_and_nothing_is_submitted(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            for value in ("\ud800", ["\udfff"], {"\ud800": 1}):
                with pytest.raises(InvalidRequestError):
                    await place.manager.start_job(ECHO, {"anything": value})
            assert list(await place.backstage.runs()) == []

        in_place(new_place, check)

    def test_every_wrong_parameter_is_named(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            with pytest.raises(InvalidParameterError) as refused:
                await place.manager.start_job(ECHO, {"whon": "x", "times": 99, "loud": 7})
            messages = [problem.message for problem in refused.value.problems]
            assert len(messages) == 3
            for name in ("whon", "times", "loud"):
                assert any(name in message for message in messages)
            assert any("whom" in (problem.hint or "") for problem in refused.value.problems)

        in_place(new_place, check)

    def test_an_unknown_job_is_not_started(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            with pytest.raises(JobNotFoundError):
                await place.manager.start_job("nobody", {"no": "matter"})
            assert list(await place.backstage.runs()) == []

        in_place(new_place, check)

    @pytest.mark.parametrize("by", ["anna", "Žofie Nováková", "a b%c&d=e/f?", "x" * 200])
    def test_who_started_a_run_is_kept(self, new_place: NewJobPlace, by: str) -> None:
        async def check(place: JobPlace) -> None:
            run = await _started(place, ECHO, by=by)
            assert run.owner == by
            assert (await place.run(run.id)).owner == by

        in_place(new_place, check)

    def test_a_run_that_nobody_says_to_be_theirs_is_nobodys(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            run = await place.manager.start_job(GREET, ["you"])
            assert run is not None
            (submitted,) = await place.control.submit([RunSubmission(job=GREET, parameters=["you"])])
            assert [(await place.run(run_id)).owner for run_id in (run.id, submitted)] == [None, None]

        in_place(new_place, check)

    def test_what_waits_of_a_job_is_cancelled_at_once(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            held = [RunSubmission(job=ECHO, hold=True) for _ in range(3)]
            ids = await place.control.submit([*held, RunSubmission(job=LASTING, hold=True)])
            results = await place.manager.cancel_job(Echo.aliases[0], by="anna")
            assert {result.run_id: result.state for result in results} == dict.fromkeys(ids[:3], RunState.CANCELLED)
            for run_id in ids[:3]:
                run = await place.run(run_id)
                assert (run.state, run.reason) == (RunState.CANCELLED, RunReason.REQUESTED)
                assert run.cancel_requested_by == "anna"
            assert (await place.run(ids[3])).state is RunState.PENDING

        in_place(new_place, check)

    def test_what_runs_of_a_job_is_asked_to_stop(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            running = await _started(place, LASTING)
            await place.reaches(running.id, RunState.RUNNING)
            (waiting,) = await place.control.submit([RunSubmission(job=LASTING, hold=True)])
            results = await place.manager.cancel_job(LASTING, by="anna")
            assert {result.run_id: result.state for result in results} == {
                running.id: RunState.RUNNING,
                waiting: RunState.CANCELLED,
            }
            ended = await place.reaches(running.id)
            assert (ended.state, ended.reason) == (RunState.CANCELLED, RunReason.REQUESTED)
            assert ended.cancel_requested_by == "anna"

        in_place(new_place, check)

    def test_a_job_without_unfinished_runs_has_nothing_to_cancel(self, new_place: NewJobPlace) -> None:
        async def check(place: JobPlace) -> None:
            assert list(await place.manager.cancel_job(ECHO)) == []
            run = await place.reaches((await _started(place, ECHO)).id)
            assert list(await place.manager.cancel_job(ECHO)) == []
            assert await place.run(run.id) == run

        in_place(new_place, check)


async def _started(
    place: JobPlace, job: str, parameters: JsonObject | tuple[JsonValue, ...] | list[JsonValue] = (), by: str = "me"
) -> JobRun:
    run = await place.manager.start_job(job, parameters, by=by)
    assert run is not None
    return run


async def _check_given(
    place: JobPlace, given: JsonObject | tuple[JsonValue, ...] | list[JsonValue], expected: JsonObject
) -> None:
    run = await _started(place, ECHO, given)
    assert json.dumps(run.parameters) == json.dumps(expected)
    assert json.dumps((await place.run(run.id)).parameters) == json.dumps(expected)
