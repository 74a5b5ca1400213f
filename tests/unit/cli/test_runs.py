"""``jobhost runs`` against a host behind a real socket."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from host.model.runs import RunState
from tests.unit.cli.conftest import BROKEN, NOW, PRUNE, HostUnderTest, make_run


def ids(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines()[1:]]


def test_list_shows_the_newest_first_with_ids_that_commands_accept(filled: HostUnderTest) -> None:
    text = filled.printed("runs", "list")
    assert ids(text) == ["00001111", "00002222", "00003333", "00004444", "00005555"]
    assert "019a0003-0000-7000-8000-000000003333" in filled.printed("runs", "show", ids(text)[2])


def test_text_of_jobs_neither_steers_the_terminal_nor_is_markup(filled: HostUnderTest) -> None:
    text = filled.printed("runs", "list")
    assert "\x1b" not in text
    assert "\\x1b[2Jdeleting [bold]rows[/bold]" in text


def test_list_narrows(filled: HostUnderTest) -> None:
    assert ids(filled.printed("runs", "list", "--job", "Broken")) == ["00003333", "00004444"]
    assert ids(filled.printed("runs", "list", "--state", "queued", "--state", "failed")) == ["00003333", "00005555"]
    recent = (NOW - timedelta(seconds=150)).isoformat()
    assert ids(filled.printed("runs", "list", "--since", recent)) == ["00001111", "00002222"]
    since = (NOW.replace(year=NOW.year + 1)).isoformat()
    assert filled.printed("runs", "list", "--since", since) == "no run\n"
    assert filled("runs", "list", "--since", "1h").exit_code == 0
    assert filled("runs", "list", "--since", "yesterday").exit_code == 2
    assert filled("runs", "list", "--state", "lost").exit_code == 2


def test_list_pages_by_cursor(filled: HostUnderTest) -> None:
    first = filled.printed("runs", "list", "--limit", "4")
    assert first.endswith("more: --cursor 4\n")
    assert ids(filled.printed("runs", "list", "--limit", "4", "--cursor", "4")) == ["00005555"]
    page = json.loads(filled.printed("runs", "list", "--limit", "4", "--json"))
    assert (len(page["runs"]), page["next_cursor"]) == (4, "4")


def test_secret_parameters_are_hidden_everywhere(filled: HostUnderTest) -> None:
    for command in (("list", "--json"), ("show", "5555"), ("show", "5555", "--json")):
        text = filled.printed("runs", *command)
        assert "hunter2" not in text
        assert "***" in text


def test_show_gives_errors_with_their_tracebacks(filled: HostUnderTest) -> None:
    text = filled.printed("runs", "show", "3333")
    assert "Attempt 1, " in text
    assert "Traceback\nOSError\n" in text


def test_a_run_is_named_by_its_beginning_its_end_or_in_full(filled: HostUnderTest) -> None:
    for name in ("019a0003", "3333", "00003333", "019A-0003", "019a0003-0000-7000-8000-000000003333"):
        assert json.loads(filled.printed("runs", "show", name, "--json"))["job_type"] == BROKEN.job_type


@pytest.mark.parametrize(
    ("name", "status", "says"),
    [
        ("019a", 2, "019a may be any of"),
        ("333", 2, "is no run id"),
        ("xyzxyz", 2, "is no run id"),
        ("abcdef", 3, "none of the 5 newest runs"),
        (str(UUID(int=5)), 3, "there is no run"),
    ],
)
def test_other_names_are_refused(filled: HostUnderTest, name: str, status: int, says: str) -> None:
    result = filled("runs", "show", name)
    assert (result.exit_code, says in result.stderr) == (status, True), result.stderr


def test_log_prints_every_line_and_shows_control_characters(filled: HostUnderTest) -> None:
    first, second = filled.printed("runs", "log", "2222").splitlines()
    assert first.endswith(" info    begun days=30")
    assert second.endswith(" error   bad \\x1b[31mnews")
    lines = json.loads(filled.printed("runs", "log", "2222", "--json"))
    assert [line["number"] for line in lines] == [1, 2]


def test_log_follow_ends_with_the_run_and_misses_no_line(filled: HostUnderTest) -> None:
    lines = filled.printed("runs", "log", "2222", "--follow").splitlines()
    assert [line.split()[3] for line in lines] == ["begun", "bad"]


@pytest.mark.slow
def test_follow_of_a_run_ends_when_it_is_final(host: HostUnderTest) -> None:
    host.printed("jobs", "start", PRUNE.name)
    (run_id,) = host.memory.runs
    lines = [json.loads(line) for line in host.printed("runs", "follow", str(run_id), "--json").splitlines()]
    assert lines[-1]["state"] == "completed"
    text = host.printed("runs", "follow", str(run_id))
    assert "Prune run history  completed" in text


@pytest.mark.slow
def test_an_interrupted_follow_ends_with_130_and_no_word(filled: HostUnderTest) -> None:
    command = [sys.executable, "-m", "host", "runs", "log", "1111", "--follow", "--data", str(filled.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "begun" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)
    assert (process.returncode, said) == (130, "")


def test_cancel_says_whether_the_run_ended_at_once(filled: HostUnderTest) -> None:
    assert filled.printed("runs", "cancel", "5555").endswith(" is cancelled\n")
    assert filled.printed("runs", "cancel", "1111").endswith("was asked to stop; it is still running\n")
    result = filled("runs", "cancel", "2222")
    assert result.exit_code == 4
    assert "has finished" in result.stderr
    assert json.loads(filled.printed("runs", "cancel", "5555", "--json"))["state"] == "cancelled"


def test_retry_names_the_new_run(filled: HostUnderTest) -> None:
    assert filled.printed("runs", "retry", "3333").startswith(f"run {UUID(int=99)} repeats 019a0003-")
    assert json.loads(filled.printed("runs", "retry", "3333", "--json"))["id"] == str(UUID(int=99))


def test_a_run_of_an_unregistered_job_is_shown_by_its_class(host: HostUnderTest) -> None:
    run = replace(make_run(9, PRUNE, RunState.QUEUED), job_id=UUID(int=42), job_type="gone.away:OldJob")
    host.memory.runs[run.id] = run
    assert "OldJob" in host.printed("runs", "list")
