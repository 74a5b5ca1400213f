"""The command line against a real host: many runs at once, held runs, questions on a terminal, the doctor."""

from __future__ import annotations

import json
import os
import pty
import sys
import time
from collections.abc import Callable

import pytest

from tests.acceptance.hostprocess import HostProcess

pytestmark = pytest.mark.slow

FREE = "probe_jobs:Free"


def hold(host: HostProcess, number: int, *options: str) -> None:
    for _ in range(number):
        host.run("jobs", "start", FREE, "--hold", *options)


def states(host: HostProcess) -> list[str]:
    return sorted(run["state"] for run in host.json("runs", "list")["runs"])


def wait_until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.1)


def on_terminal(host: HostProcess, *arguments: str, answer: str) -> tuple[int, str]:
    """Run a command on a terminal of its own, answer its question, and give its exit status and what it showed."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(host.folder)
        command = [sys.executable, "-m", "host", *arguments, "--config", str(host.config)]
        os.execve(sys.executable, command, host.environment)
    shown = b""
    try:
        while b"[y/N]" not in shown:
            shown += os.read(terminal, 4096)
        os.write(terminal, f"{answer}\n".encode())
        while True:
            try:
                more = os.read(terminal, 4096)
            except OSError:  # EIO: the other end is closed
                break
            if not more:
                break
            shown += more
    finally:
        _, status = os.waitpid(child, 0)
        os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown.decode()


def test_held_runs_wait_until_they_are_released_one_by_one_or_together(host: HostProcess) -> None:
    hold(host, 3)
    assert states(host) == ["pending"] * 3
    first = host.json("runs", "list")["runs"][0]["id"]

    assert host.run("runs", "release", first).stdout == f"run {first} is released; it is queued\n"
    assert host.run("runs", "release", "--job", FREE, "--yes").stdout == "2 runs released\n"

    wait_until(lambda: states(host) == ["completed"] * 3)


def test_many_are_cancelled_after_a_yes_and_not_after_a_no(host: HostProcess) -> None:
    hold(host, 2, "--tenant", "acme")
    hold(host, 1)

    status, shown = on_terminal(host, "runs", "cancel", "--tenant", "acme", answer="n")
    assert (status, states(host)) == (1, ["pending"] * 3)
    assert "cancel 2 runs of tenant acme? [y/N]" in shown

    status, shown = on_terminal(host, "runs", "cancel", "--tenant", "acme", answer="y")
    assert (status, states(host)) == (0, ["cancelled", "cancelled", "pending"])
    assert "2 runs cancelled or asked to stop" in shown


def test_without_a_terminal_and_without_yes_nothing_happens(host: HostProcess) -> None:
    hold(host, 1)
    done = host.run("runs", "cancel", "--all", ok=False)
    assert done.returncode == 2
    assert "cancel 1 run?" in done.stderr
    assert states(host) == ["pending"]


def test_running_ones_are_asked_to_stop_in_bulk(host: HostProcess) -> None:
    for _ in range(2):
        host.run("jobs", "start", FREE, "--param", "seconds=60")
    wait_until(lambda: states(host) == ["running"] * 2)

    assert host.json("runs", "cancel", "--state", "running", "--yes")["changed"] == 2

    wait_until(lambda: states(host) == ["cancelled"] * 2)
    runs = host.json("runs", "list")["runs"]
    assert all(run["cancel_requested_by"] for run in runs)


def test_failed_runs_are_submitted_anew_once(host: HostProcess) -> None:
    for _ in range(2):
        host.run("jobs", "start", "probe_jobs:Bad", "--param", "how=raises", "--wait", ok=False)

    first = host.json("runs", "retry", "--job", "probe_jobs:Bad", "--yes")
    assert (first["matched"], first["changed"]) == (2, 2)
    wait_until(lambda: states(host) == ["failed"] * 4)
    again = host.json("runs", "retry", "--job", "probe_jobs:Bad", "--yes")
    assert (again["matched"], again["changed"]) == (4, 2)


def test_a_waiting_run_is_amended_and_kept(host: HostProcess) -> None:
    host.run("jobs", "start", FREE, "--in", "1h")
    run = host.json("runs", "list")["runs"][0]["id"]
    changed = host.json("runs", "amend", run, "--priority", "9", "--lock")
    assert (changed["priority"], changed["is_locked"], changed["state"]) == (9, True, "scheduled")
    assert host.run("runs", "amend", run, "--not-before", "2020-01-01").stdout.startswith(f"run {run}: queued")


def test_the_same_key_gives_the_same_run_and_follow_tells_its_story(host: HostProcess) -> None:
    for _ in range(2):
        host.run("jobs", "start", FREE, "--idempotency-key", "order-7", "--wait")
    assert len(host.json("runs", "list")["runs"]) == 1

    lines = host.run("jobs", "start", "probe_jobs:Progressing", "--param", "steps=2", "--follow").stdout.splitlines()
    assert [line.split(maxsplit=3)[3] for line in lines[:2]] == ["stepping step=0", "stepping step=1"]
    assert " completed after " in lines[-1]


def test_a_schedule_is_paused_and_removed_by_its_id(host: HostProcess) -> None:
    host.run("schedule", "set", FREE, "--every", "1h", "--param", "seconds=0.1")
    host.run("schedule", "set", FREE, "--cron", "H 3 * * *", "--add")
    short = host.run("schedule", "list").stdout.splitlines()[1].split()[0]

    host.run("schedule", "pause", short, "--reason", "moving")
    assert "moving" in host.run("jobs", "pauses").stdout
    host.run("schedule", "resume", short)
    assert host.run("jobs", "pauses").stdout == "nothing is paused\n"

    host.run("schedule", "remove", FREE, short)
    (left,) = host.json("schedule", "show", FREE)["schedules"]
    assert left["expression"] == "H 3 * * *"


def test_the_doctor_finds_a_running_host_well(host: HostProcess) -> None:
    host.data.chmod(0o700)
    done = host.run("doctor", "--json", ok=False)
    found = {each["subject"]: each for each in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert host.process is not None
    assert found["lock"]["message"] == f"owned by process {host.process.pid}"
    wells = ("host", "configuration", "providers", "store runs", "schedules", "stuck runs", "late runs", "clock steps")
    assert {name: found[name]["verdict"] for name in wells} == dict.fromkeys(wells, "ok")


def test_the_doctor_works_after_a_kill_and_says_that_no_host_runs(host: HostProcess) -> None:
    host.run("jobs", "start", FREE, "--wait")
    host.kill()
    done = host.run("doctor", "--json", ok=False)
    found = {each["subject"]: each for each in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert found["host"]["verdict"] == "look"
    assert found["lock"]["message"] == "owned by nobody"
    assert found["store runs"]["verdict"] == "ok"
    host.start()
