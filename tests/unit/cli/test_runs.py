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

from host.cli.run_log import log_line
from host.model.logs import LogLevel, RunLogLine
from host.model.runs import AttemptError, RunReason, RunState
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
    assert ids(filled.printed("runs", "list", "--until", recent)) == ["00003333", "00004444", "00005555"]
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


def test_list_reads_on_where_the_hosts_pages_are_short(filled: HostUnderTest) -> None:
    filled.memory.longest_page = 1
    text = filled.printed("runs", "list", "--limit", "4")
    assert ids(text)[:4] == ["00001111", "00002222", "00003333", "00004444"]
    assert text.endswith("more: --cursor 4\n")


def test_secret_parameters_are_hidden_everywhere(filled: HostUnderTest) -> None:
    for command in (("list", "--json"), ("show", "5555"), ("show", "5555", "--json")):
        text = filled.printed("runs", *command)
        assert "hunter2" not in text
        assert "***" in text


def test_show_lists_the_failed_attempts_and_the_traceback_of_the_latest(filled: HostUnderTest) -> None:
    text = filled.printed("runs", "show", "3333")
    attempt = next(line for line in text.splitlines() if line.startswith("1  "))
    assert attempt.rstrip().endswith("node-1  OSError: disk full")
    assert "Attempt 1\nTraceback\nOSError\n" in text


def test_show_gives_all_tracebacks_when_asked(host: HostUnderTest) -> None:
    errors = tuple(
        AttemptError(attempt=n, at=NOW, node=f"vm/boot/{n}{n}", error=f"E{n}\nmore", traceback=f"trace {n}")
        for n in (1, 2)
    )
    run = make_run(7, BROKEN, RunState.SCHEDULED, reason=RunReason.RETRY, errors=errors, attempt=2, max_attempts=5)
    host.memory.runs[run.id] = run
    text = host.printed("runs", "show", "7777")
    assert "scheduled retry" in text
    assert "2 of 5" in text
    assert "vm 11  E1\n" in "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
    assert "trace 1" not in text
    assert "trace 2" in text
    both = host.printed("runs", "show", "7777", "--tracebacks")
    assert both.index("trace 1") < both.index("trace 2")


def test_show_says_that_a_run_is_stuck_and_who_asked_it_to_stop(host: HostUnderTest) -> None:
    run = make_run(7, BROKEN, RunState.RUNNING, is_stuck=True, cancel_requested_at=NOW, cancel_requested_by="lee")
    host.memory.runs[run.id] = run
    text = host.printed("runs", "show", "7777")
    assert "ignores its cancellation" in text
    assert " by lee" in text
    assert "running stuck" in host.printed("runs", "list")


@pytest.mark.parametrize(
    ("state", "reason", "shown"),
    [
        (RunState.FAILED, RunReason.TIMEOUT, "failed timeout"),
        (RunState.FAILED, RunReason.ERROR, "failed"),
        (RunState.SKIPPED, RunReason.OVERLAP, "skipped overlap"),
        (RunState.QUEUED, RunReason.RECOVERED, "queued recovered"),
        (RunState.SCHEDULED, RunReason.RETRY, "scheduled retry"),
        (RunState.CANCELLED, RunReason.REQUESTED, "cancelled"),
        (RunState.CANCELLED, RunReason.SUPERSEDED, "cancelled superseded"),
        (RunState.QUARANTINED, RunReason.CRASHES, "quarantined"),
    ],
)
def test_the_reason_stands_beside_the_state_where_it_says_more(
    host: HostUnderTest, state: RunState, reason: RunReason, shown: str
) -> None:
    run = make_run(7, BROKEN, state, reason=reason)
    host.memory.runs[run.id] = run
    row = host.printed("runs", "list").splitlines()[1]
    assert row.split("  ")[2].strip() == shown


def test_list_says_when_a_waiting_run_is_due(host: HostUnderTest) -> None:
    run = make_run(7, BROKEN, RunState.SCHEDULED, not_before=NOW + timedelta(hours=2, minutes=10))
    host.memory.runs[run.id] = run
    assert "due in 2 h" in host.printed("runs", "list")


def test_a_wide_list_tells_who_asked_and_for_whom(filled: HostUnderTest) -> None:
    assert "TENANT" not in filled.printed("runs", "list", columns=200)
    run = make_run(7, BROKEN, RunState.QUEUED, tenant="acme")
    filled.memory.runs[run.id] = run
    head = filled.printed("runs", "list", columns=200).splitlines()[0].split()
    assert head == ["RUN", "JOB", "STATE", "WHEN", "TENANT", "BY", "TOOK", "STATUS"]
    assert filled.printed("runs", "list", columns=80).splitlines()[0].split() == [
        "RUN",
        "JOB",
        "STATE",
        "WHEN",
        "STATUS",
    ]


def test_a_long_name_and_a_text_of_lines_leave_ids_and_states_whole(filled: HostUnderTest) -> None:
    job = replace(BROKEN, id=UUID(int=9), name="a name that goes on " * 3)
    error = AttemptError(attempt=1, at=NOW, node="n", error="no such secret\n  it is gone")
    run = make_run(8, job, RunState.FAILED, reason=RunReason.INVALID_PARAMETERS, errors=(error,))
    filled.memory.jobs.append(job)
    filled.memory.runs[run.id] = run
    for columns in (80, 200):
        text = filled.printed("runs", "list", columns=columns)
        assert "00008888" in ids(text)
        assert "failed invalid-parameters" in text
        assert len(text.splitlines()) == 1 + len(filled.memory.runs)
    assert "no such secret it is gone" in text


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


def test_log_shows_a_text_of_lines_as_lines() -> None:
    fields = {"run": 1, "stack": "  File a\n    sleep()\x1b\n"}
    line = RunLogLine(number=1, at=NOW, level=LogLevel.INFO, event="stuck", fields=fields)
    assert str(log_line(line)).splitlines()[1:] == ["  stack:", "      File a", "        sleep()\\x1b"]
    assert str(log_line(line)).splitlines()[0].endswith("stuck run=1")


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
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "")


def test_a_run_of_an_unregistered_job_is_shown_by_its_class(host: HostUnderTest) -> None:
    run = replace(make_run(9, PRUNE, RunState.QUEUED), job_id=UUID(int=42), job_type="gone.away:OldJob")
    host.memory.runs[run.id] = run
    assert "OldJob" in host.printed("runs", "list")
