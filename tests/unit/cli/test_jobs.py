"""``jobhost jobs`` against a host behind a real socket."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from host.model.runs import RunState
from tests.unit.cli.conftest import NOW, PRUNE, HostUnderTest


def test_list_shows_jobs_and_their_latest_runs(filled: HostUnderTest) -> None:
    head, broken, prune = filled.printed("jobs", "list").splitlines()
    assert head.split() == ["NAME", "JOB", "LATEST", "RUN", "WHEN"]
    assert broken.split()[:4] == ["Broken", "demo:Broken", "failed", "(error)"]
    assert "running 42%" in prune


def test_list_of_nothing_says_so(host: HostUnderTest) -> None:
    host.memory.jobs.clear()
    assert host.printed("jobs", "list") == "no job is registered\n"


def test_json_is_an_array_of_jobs_without_secrets(host: HostUnderTest) -> None:
    jobs = json.loads(host.printed("jobs", "list", "--json"))
    assert [job["name"] for job in jobs] == ["Broken", "Prune run history"]
    assert jobs[1]["parameters"][0] == {
        "name": "days",
        "type": "integer",
        "default": 30,
        "required": False,
        "minimum": 1,
        "maximum": None,
        "choices": [],
        "description": "Age of what is deleted.",
        "secret": False,
    }
    assert jobs[1]["configured_parameters"] == {"token": "***"}


def test_show_gives_parameters_and_hides_secret_values(filled: HostUnderTest) -> None:
    text = filled.printed("jobs", "show", PRUNE.job_type)
    assert "Delete finished runs older than the retention period." in text
    assert "hunter2" not in text
    shown = json.loads(filled.printed("jobs", "show", PRUNE.name, "--json"))
    assert shown["job"]["id"] == str(PRUNE.id)
    assert shown["latest_run"]["state"] == "running"
    assert "hunter2" not in json.dumps(shown)


def test_an_unknown_job_is_exit_3_with_the_hosts_words(host: HostUnderTest) -> None:
    result = host("jobs", "show", "nonsense")
    assert result.exit_code == 3
    assert result.stderr == "error: no job is called 'nonsense'\n  hint: jobhost jobs list shows the registered ones\n"


def test_available_and_register(host: HostUnderTest) -> None:
    assert "host_maintenance.stores:VerifyStores" in host.printed("jobs", "available")
    assert [job["name"] for job in json.loads(host.printed("jobs", "available", "--json"))] == ["Verify stores"]
    assert host.printed("jobs", "register", "x") == "registered Verify stores as host_maintenance.stores:VerifyStores\n"


def test_start_reads_parameters_by_their_declared_types(host: HostUnderTest) -> None:
    arguments = ("--param", "days=3", "--param", "dry=yes", "--param", "token=5", "--tenant", "t", "--priority", "7")
    text = host.printed("jobs", "start", PRUNE.name, *arguments, "--delay", "1h")
    (submitted,) = host.memory.submitted
    assert submitted.parameters == {"days": 3, "dry": True, "token": "5"}
    assert (submitted.tenant, submitted.priority) == ("t", 7)
    assert submitted.owner
    assert submitted.not_before is not None
    assert submitted.not_before - NOW >= timedelta(hours=1)
    assert text.startswith("run 019a")


def test_start_takes_json_as_it_is(host: HostUnderTest) -> None:
    host.printed("jobs", "start", PRUNE.name, "--json-param", 'days={"a": [1, null]}')
    assert host.memory.submitted[0].parameters == {"days": {"a": [1, None]}}


def test_parameters_that_cannot_be_read_are_all_told_and_nothing_is_submitted(host: HostUnderTest) -> None:
    bad = ("--param", "days=soon", "--param", "dry=maybe", "--param", "token", "--json-param", "x={")
    result = host("jobs", "start", PRUNE.name, *bad)
    assert result.exit_code == 2
    assert result.stderr.count("\n  - parameter ") == 4
    assert "'soon' is not a whole number" in result.stderr
    assert host.memory.submitted == []


def test_unknown_parameters_are_refused_by_the_host(host: HostUnderTest) -> None:
    result = host("jobs", "start", PRUNE.name, "--param", "x=1")
    assert result.exit_code == 2
    assert "  - x: unknown parameter" in result.stderr


@pytest.mark.slow
def test_wait_ends_with_0_when_the_run_completed(host: HostUnderTest) -> None:
    result = host("jobs", "start", PRUNE.name, "--wait")
    assert result.exit_code == 0
    assert "completed after 2 s: done" in result.stdout


@pytest.mark.slow
def test_a_terminal_sees_a_bar_while_it_waits(host: HostUnderTest) -> None:
    text = host("jobs", "start", PRUNE.name, "--wait", FORCE_COLOR="1", TERM="xterm").stdout
    assert "running" in text
    assert "40 %" in text


@pytest.mark.slow
def test_wait_ends_with_1_and_the_error_when_it_failed(host: HostUnderTest) -> None:
    result = host("jobs", "start", "Broken", "--wait")
    assert result.exit_code == 1
    assert "failed (error) after 2 s: done\nTraceback:\n  no\n" in result.stdout


@pytest.mark.slow
def test_wait_with_json_prints_the_final_run_without_secrets(host: HostUnderTest) -> None:
    result = host("jobs", "start", PRUNE.name, "--wait", "--json", "--param", "token=hunter2")
    run = json.loads(result.stdout)
    assert run["state"] == "completed"
    assert "hunter2" not in result.stdout


def test_cancel_names_the_runs_it_asked(filled: HostUnderTest) -> None:
    rows = filled.printed("jobs", "cancel", PRUNE.name).splitlines()[1:]
    assert [row.split() for row in rows] == [["00001111", "running"], ["00005555", "queued"]]
    assert json.loads(filled.printed("jobs", "cancel", "Broken", "--json")) == []
    assert filled.printed("jobs", "cancel", "Broken") == "the job has no unfinished run\n"


def test_pause_and_resume_say_whether_anything_changed(host: HostUnderTest) -> None:
    assert host.printed("jobs", "pause", "Broken", "--reason", "repair") == "paused Broken\n"
    assert host.memory.pauses == {"job:demo:Broken": "repair"}
    assert "is paused already" in host.printed("jobs", "pause", "Broken", "--reason", "again")
    assert host.printed("jobs", "resume", "Broken") == "resumed Broken\n"
    assert host.printed("jobs", "resume", "Broken") == "Broken is not paused\n"


def test_pause_needs_a_reason(host: HostUnderTest) -> None:
    assert host("jobs", "pause", "Broken").exit_code == 2
    assert host.memory.pauses == {}


def test_tables_fit_80_columns(filled: HostUnderTest) -> None:
    for command in (("jobs", "list"), ("runs", "list"), ("jobs", "show", PRUNE.name), ("status",)):
        assert max(map(len, filled.printed(*command, columns=80).splitlines())) <= 80


def test_the_memory_host_steps_runs(host: HostUnderTest) -> None:
    host.printed("jobs", "start", PRUNE.name)
    assert {run.state for run in host.memory.runs.values()} == {RunState.RUNNING}
