"""``jobhost runs cancel|retry|release|amend``, of one run and of many."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from host.model.runs import BulkAction, RunReason, RunState
from tests.unit.cli.conftest import NOW, PRUNE, HostUnderTest, make_run


def test_cancel_says_whether_the_run_ended_at_once(filled: HostUnderTest) -> None:
    assert filled.printed("runs", "cancel", "5555").endswith(" is cancelled\n")
    assert filled.printed("runs", "cancel", "1111").endswith("was asked to stop; it is still running\n")
    result = filled("runs", "cancel", "2222")
    assert result.exit_code == 4
    assert "has finished" in result.stderr
    assert json.loads(filled.printed("runs", "cancel", "5555", "--json"))["state"] == "cancelled"
    assert filled.memory.bulk == []


def test_retry_names_the_new_run(filled: HostUnderTest) -> None:
    assert filled.printed("runs", "retry", "3333").startswith(f"run {UUID(int=99)} repeats 019a0003-")
    assert json.loads(filled.printed("runs", "retry", "3333", "--json"))["id"] == str(UUID(int=99))


def test_release_says_what_goes(host: HostUnderTest) -> None:
    for number, state, reason in ((6, RunState.PENDING, None), (7, RunState.QUARANTINED, RunReason.CRASHES)):
        run = make_run(number, PRUNE, state, reason=reason)
        host.memory.runs[run.id] = run
    assert host.printed("runs", "release", "6666").endswith("is released; it is queued\n")
    assert host.printed("runs", "release", "7777").endswith(f"gets another chance as run {UUID(int=98)}\n")
    assert json.loads(host.printed("runs", "release", "7777", "--json"))["origin_run_id"]


def test_amend_changes_what_is_named_and_nothing_else(filled: HostUnderTest) -> None:
    text = filled.printed("runs", "amend", "5555", "--priority", "7", "--not-before", "2099-01-01T00:00Z", "--lock")
    assert "queued, priority 7, not before " in text
    assert text.endswith(", kept by retention\n")
    assert filled.printed("runs", "amend", "5555", "--unlock").count("kept") == 0
    run = next(run for run in filled.memory.runs.values() if run.id.hex.endswith("5555"))
    assert (run.priority, run.is_locked, run.not_before is not None) == (7, False, True)


def test_secret_parameters_stay_hidden(filled: HostUnderTest) -> None:
    held = make_run(8, PRUNE, RunState.PENDING, parameters={"token": "hunter2"})
    filled.memory.runs[held.id] = held
    for command in (("amend", "5555", "--lock"), ("release", "8888")):
        text = filled.printed("runs", *command, "--json")
        assert "hunter2" not in text
        assert "***" in text


def test_amend_needs_to_know_what(filled: HostUnderTest) -> None:
    result = filled("runs", "amend", "5555")
    assert result.exit_code == 2
    assert "say what to change" in result.stderr


def test_many_are_asked_about_first_and_nobody_to_ask_is_a_refusal(filled: HostUnderTest) -> None:
    result = filled("runs", "cancel", "--job", PRUNE.name)
    assert result.exit_code == 2
    assert "cancel 2 runs of Prune run history?" in result.stderr
    assert "--yes" in result.stderr
    assert filled.memory.bulk == []


def test_the_question_names_everything_that_narrows(filled: HostUnderTest) -> None:
    narrowing = ("--state", "queued", "--tenant", "acme", "--since", "2026-01-01T00:00Z", "--text", "disk")
    said = filled("runs", "cancel", *narrowing).stderr
    assert "cancel 1 queued run of tenant acme from " in said
    assert "with 'disk'?" in said


def test_yes_does_it_to_those_there_were(filled: HostUnderTest) -> None:
    text = filled.printed("runs", "cancel", "--job", PRUNE.name, "--yes")
    assert text == "2 runs cancelled or asked to stop\n"
    ((action, where),) = filled.memory.bulk
    assert (action, where.job_id) == (BulkAction.CANCEL, PRUNE.id)
    assert where.created_until is not None
    assert where.created_until >= NOW


def test_retry_in_bulk_means_failed_ones_unless_a_state_is_named(filled: HostUnderTest) -> None:
    text = filled.printed("runs", "retry", "--all", "--yes")
    assert text.startswith("0 runs submitted anew; 1 not: ")
    filled.printed("runs", "retry", "--state", "completed", "--yes")
    assert [where.states for _, where in filled.memory.bulk] == [{RunState.FAILED}, {RunState.COMPLETED}]


def test_nothing_to_do_needs_no_answer(filled: HostUnderTest) -> None:
    assert filled.printed("runs", "release", "--all") == "no run to release\n"
    assert filled.memory.bulk == []


def test_a_limit_that_is_reached_is_told(filled: HostUnderTest) -> None:
    assert "the newest 1 of more" in filled("runs", "cancel", "--all", "--at-most", "1").stderr
    assert filled.printed("runs", "cancel", "--all", "--at-most", "1", "--yes").endswith(
        "there are more: say it again\n"
    )
    report = json.loads(filled.printed("runs", "cancel", "--all", "--yes", "--json"))
    assert report == {"matched": 2, "changed": 2, "is_more": False}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "name a RUN"),
        (("5555", "--all"), "not both"),
        (("5555", "--job", "Broken"), "not both"),
        (("--all", "--tenant", "t"), "--all goes without"),
        (("--state", "completed"), "is not one of"),
        (("--job", "nonsense", "--yes"), "no job is called"),
    ],
)
def test_what_contradicts_is_refused(filled: HostUnderTest, arguments: tuple[str, ...], says: str) -> None:
    result = filled("runs", "cancel", *arguments)
    assert result.exit_code in {2, 3}
    assert says in result.stderr
    assert filled.memory.bulk == []
