"""``jobhost jobs`` against a host behind a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from host.model.runs import RunReason, RunState
from tests.unit.cli.conftest import BROKEN, NOW, PRUNE, Control, HostUnderTest, Runs, make_run


def test_list_shows_jobs_and_their_latest_runs(filled: HostUnderTest) -> None:
    head, broken, prune = filled.printed("jobs", "list").splitlines()
    assert head.split() == ["NAME", "JOB", "LATEST", "RUN", "WHEN"]
    assert broken.split()[:4] == ["Broken", "demo:Broken", "failed", "3"]
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
@pytest.mark.parametrize("options", [["--wait"], ["--follow"], []])
def test_a_start_that_loses_its_host_names_the_run_that_was_accepted(
    host: HostUnderTest, monkeypatch: pytest.MonkeyPatch, options: Sequence[str]
) -> None:
    async def die(*_: object, **__: object) -> None:
        host.stop()
        await asyncio.Event().wait()

    monkeypatch.setattr(Runs, "run", die)
    result = host("jobs", "start", PRUNE.name, *options)
    (run_id,) = host.memory.runs
    assert result.exit_code == 5
    assert f"run {run_id} was accepted" in result.stderr
    assert f"jobhost runs show {run_id}" in result.stderr


def test_a_start_that_loses_its_host_before_the_answer_does_not_say_more_than_is_known(
    host: HostUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: object, **__: object) -> None:
        host.stop()
        await asyncio.Event().wait()

    monkeypatch.setattr(Control, "submit", die)
    result = host("jobs", "start", PRUNE.name, "--wait")
    assert result.exit_code == 5
    assert "it is not known whether the run was accepted" in result.stderr
    assert f"jobhost runs list --job {PRUNE.id}" in result.stderr


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


def test_pauses_are_listed_with_names_and_marked(host: HostUnderTest) -> None:
    assert host.printed("jobs", "pauses") == "nothing is paused\n"
    host.printed("jobs", "pause", "Broken", "--reason", "repair")
    host.memory.pauses["job:gone:Away"] = "old"
    rows = [line.split() for line in host.printed("jobs", "pauses").splitlines()]
    assert (rows[1][:2], rows[1][-2:]) == (["Broken", "kim"], ["repair", "job:demo:Broken"])
    assert (rows[2][:2], rows[2][-2:]) == (["job:gone:Away", "kim"], ["old", "job:gone:Away"])
    (first, _) = json.loads(host.printed("jobs", "pauses", "--json"))
    assert (first["scope"], first["reason"], first["by"]) == ("job:demo:Broken", "repair", "kim")
    listed = host.printed("jobs", "list")
    assert [line.split("  ")[1] for line in listed.splitlines() if "PAUSED" in line] == ["PAUSED"]
    assert "repair" in host.printed("jobs", "show", "Broken")
    assert "2 jobs or schedules" in host.printed("status")


def test_a_pause_of_everything_is_told_above_the_list(host: HostUnderTest) -> None:
    host.printed("jobs", "pause", "--all", "--reason", "moving house")
    assert host.printed("jobs", "list").startswith("everything is paused: moving house (by kim, ")
    assert "everything: moving house" in host.printed("status")
    assert "everything: moving house" in host.printed("jobs", "show", "Broken")


def test_the_pause_of_a_job_that_is_gone_can_be_ended(host: HostUnderTest) -> None:
    host.memory.pauses["job:gone:Away"] = "old"
    assert host.printed("jobs", "resume", "gone:Away") == "resumed gone:Away\n"
    assert host("jobs", "resume", "gone:Away").exit_code == 3


def test_show_says_what_cancel_can_do_and_how_the_job_fares(filled: HostUnderTest) -> None:
    filled.printed("schedule", "set", "Broken", "--cron", "0 3 * * *")
    text = filled.printed("jobs", "show", "Broken")
    facts = {line[:16].strip(): line[16:].strip() for line in text.splitlines()}
    assert facts["cancel, timeout"] == "raises at the next await"
    assert facts["attempts"] == "1 attempt"
    assert facts["schedules"] == "cron 0 3 * * * (at 03:00 every day), Europe/Prague"
    assert ":00:00 " in facts["next fire time"]
    again = make_run(2, BROKEN, RunState.FAILED, reason=RunReason.ERROR)
    filled.memory.runs[again.id] = again
    assert "2 runs in a row" in filled.printed("jobs", "show", "Broken")


def test_show_of_a_job_whose_executor_is_missing_says_so(host: HostUnderTest) -> None:
    host.memory.jobs.append(replace(BROKEN, name="Far", id=UUID(int=9), job_type="a:Far", executor="dask"))
    assert "dask, which this host has not" in host.printed("jobs", "show", "Far")


def test_start_takes_all_that_a_submission_can_say(host: HostUnderTest) -> None:
    later = ("--not-before", "2099-01-01T00:00Z", "--expires", "2099-01-02T00:00Z")
    more = ("--timeout", "90s", "--idempotency-key", "k", "--hold")
    host.printed("jobs", "start", PRUNE.name, *later, *more)
    (submitted,) = host.memory.submitted
    assert submitted.not_before == datetime(2099, 1, 1, tzinfo=UTC)
    assert submitted.expires_at == datetime(2099, 1, 2, tzinfo=UTC)
    assert (submitted.timeout, submitted.idempotency_key, submitted.hold) == (timedelta(seconds=90), "k", True)


def test_expires_may_be_how_long_from_now_and_a_start_has_one_time(host: HostUnderTest) -> None:
    assert host("jobs", "start", PRUNE.name, "--in", "1h", "--not-before", "2099-01-01").exit_code == 2
    host.printed("jobs", "start", PRUNE.name, "--expires", "2h", "--in", "1h")
    (submitted,) = host.memory.submitted
    assert submitted.expires_at is not None
    assert timedelta(hours=2) <= submitted.expires_at - NOW < timedelta(hours=3)


@pytest.mark.slow
def test_follow_prints_the_log_and_then_how_it_ended(host: HostUnderTest) -> None:
    lines = host.printed("jobs", "start", PRUNE.name, "--follow").splitlines()
    assert lines[0].endswith(" begun days=30")
    assert lines[-1].endswith("completed after 2 s: done")
    objects = [
        json.loads(line) for line in host.printed("jobs", "start", PRUNE.name, "--follow", "--json").splitlines()
    ]
    assert objects[-1]["state"] == "completed"
    assert host("jobs", "start", "Broken", "--follow").exit_code == 1


def test_tables_fit_80_columns(filled: HostUnderTest) -> None:
    for command in (("jobs", "list"), ("runs", "list"), ("jobs", "show", PRUNE.name), ("status",)):
        assert max(map(len, filled.printed(*command, columns=80).splitlines())) <= 80


def test_a_long_name_takes_lines_and_cuts_no_other_column(host: HostUnderTest) -> None:
    host.memory.jobs.append(replace(BROKEN, id=UUID(int=9), name="a name that goes on " * 3, job_type="demo:Long"))
    head, *lines = host.printed("jobs", "list", columns=80).splitlines()
    assert head.split() == ["NAME", "JOB", "LATEST", "RUN", "WHEN"]
    assert any("demo:Long" in line for line in lines)


@pytest.mark.slow
def test_a_failure_without_a_traceback_is_told_once(host: HostUnderTest) -> None:
    host.memory.error = replace(host.memory.error, error="done", traceback=None)
    assert host("jobs", "start", "Broken", "--wait").stdout.count("done") == 1


def test_the_memory_host_steps_runs(host: HostUnderTest) -> None:
    host.printed("jobs", "start", PRUNE.name)
    assert {run.state for run in host.memory.runs.values()} == {RunState.RUNNING}
