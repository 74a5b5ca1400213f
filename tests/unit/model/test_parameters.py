"""Parameters: what is given is checked against what the job declares, every problem at once."""

from __future__ import annotations

from uuid import UUID

import pytest

from host.errors import InvalidParameterError
from host.model.jobs import JobInfo, JobParameter, ParameterType
from host.model.parameters import check_parameters


def job(*parameters: JobParameter, **configured: object) -> JobInfo:
    return JobInfo(
        id=UUID(int=1), name="Job", job_type="a:B", parameters=parameters, configured_parameters=dict(configured)
    )


DAYS = JobParameter("days", int, minimum=1, maximum=99)
NAMED = job(DAYS, JobParameter("mode", str, default="all", choices=("all", "some")))


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        (str, "", ""),
        (str, "ž", "ž"),
        (int, 5, 5),
        (int, "5", 5),
        (int, "-5", -5),
        (int, 5.0, 5),
        (int, 2**70, 2**70),
        (float, 5, 5.0),
        (float, "0.5", 0.5),
        (bool, True, True),
        (bool, "false", False),
        (bool, "YES", True),
        (bool, "0", False),
        (ParameterType.DATETIME, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        (object, {"any": [1, None]}, {"any": [1, None]}),
        (dict, [], []),
    ],
)
def test_a_value_that_fits_is_kept_in_its_type(kind: type, given: object, kept: object) -> None:
    found = check_parameters(job(JobParameter("x", kind)), {"x": given})["x"]

    assert (found, type(found)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (str, 5),
        (str, True),
        (int, "five"),
        (int, 5.5),
        (int, True),
        (int, float("nan")),
        (int, float("inf")),
        (int, "1" * 5000),
        (int, [5]),
        (float, "many"),
        (float, True),
        (float, float("inf")),
        (float, "1e999"),
        (float, 10**400),
        (float, None),
        (bool, 1),
        (bool, "perhaps"),
        (ParameterType.DATETIME, "tomorrow"),
        (ParameterType.DATETIME, 5),
    ],
)
def test_a_value_that_does_not_fit_is_refused(kind: type, given: object) -> None:
    with pytest.raises(InvalidParameterError, match="'x'"):
        check_parameters(job(JobParameter("x", kind)), {"x": given})


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({}, "parameter 'days' is required (integer)"),
        ({"days": None}, "parameter 'days' is required (integer)"),
        ({"days": 0}, "parameter 'days' must be at least 1"),
        ({"days": "100"}, "parameter 'days' must be at most 99"),
        ({"days": 1, "mode": "none"}, "parameter 'mode' must be one of 'all', 'some'"),
        ({"days": 1, "dais": 1}, "unknown parameter 'dais' (did you mean 'days'?)"),
        ({"days": 1, "zzz": 1}, "unknown parameter 'zzz' (declared are days, mode)"),
        ((1, "all", 3), "3 values were given by position, at most 2 expected"),
    ],
)
def test_a_problem_is_told_with_what_was_expected(given: object, complaint: str) -> None:
    with pytest.raises(InvalidParameterError) as caught:
        check_parameters(NAMED, given)  # type: ignore[arg-type]

    assert [str(problem) for problem in caught.value.problems] == [complaint]


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(InvalidParameterError) as caught:
        check_parameters(NAMED, {"days": "x", "mode": "y", "z": 1})

    assert len(caught.value.problems) == 3


def test_an_error_stays_short_whatever_was_given() -> None:
    named = job(JobParameter("name", str), JobParameter("count", int))
    unknown = {f"parameter {number}": number for number in range(10_000)}

    for value in ("x" * 100_000, ["x"] * 100_000, {str(number): number for number in range(100_000)}):
        with pytest.raises(InvalidParameterError) as caught:
            check_parameters(named, {"count": value, "name": 1, "y" * 100_000: 1, **unknown})
        assert len(str(caught.value)) < 5_000
        assert "parameter 'count' must be of type integer" in str(caught.value)


def test_a_secret_value_is_not_told() -> None:
    with pytest.raises(InvalidParameterError) as caught:
        check_parameters(job(JobParameter("password", int, secret=True)), {"password": "hunter2"})

    assert "hunter2" not in str(caught.value)


def test_given_values_go_over_configured_ones_and_these_over_defaults() -> None:
    both = (JobParameter("a", int, default=1), JobParameter("b", int, default=1), JobParameter("c", int, default=1))

    assert check_parameters(job(*both, a=2, b=2), {"a": 3}) == {"a": 3, "b": 2, "c": 1}


def test_by_position_the_declared_order_counts() -> None:
    assert check_parameters(NAMED, ["7"]) == {"days": 7, "mode": "all"}


def test_a_job_that_takes_nothing_says_so() -> None:
    assert check_parameters(job(), {}) == {}
    with pytest.raises(InvalidParameterError, match="the job takes none"):
        check_parameters(job(), {"x": 1})


@pytest.mark.parametrize("kind", [set, "int", None, list[int]])
def test_a_parameter_of_no_known_type_cannot_be_declared(kind: object) -> None:
    with pytest.raises(TypeError, match="parameter 'x'"):
        JobParameter("x", kind)  # type: ignore[arg-type]
