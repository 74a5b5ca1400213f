"""A real host process, as an operator meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.hostprocess import ROOT, HostProcess

pytestmark = pytest.mark.slow
MakeHost = Callable[..., HostProcess]


def started(host: HostProcess, name: str, *parameters: str) -> dict:
    options = [part for parameter in parameters for part in ("--param", parameter)]
    return json.loads(host.run("jobs", "start", name, *options, "--wait", "--json", ok=False).stdout)


def test_the_shipped_configuration_is_clean_and_completes_a_run_within_thirty_seconds(tmp_path: Path) -> None:
    environment = {**os.environ, "JOBHOST_DATA": str(tmp_path / "data"), "JOBHOST_XCRON": str(tmp_path / "xcron.xml")}
    command = [sys.executable, "-m", "host"]
    check = subprocess.run([*command, "check", "--json"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert check.returncode == 0, check.stdout + check.stderr
    log = tmp_path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen([*command, "serve"], cwd=ROOT, env=environment, stdout=file, stderr=file)
    try:
        end = time.monotonic() + 60
        while "run completed" not in log.read_text() and time.monotonic() < end:
            time.sleep(0.1)
        assert "run completed" in log.read_text()
        listed = subprocess.run(
            [*command, "runs", "list", "--json"], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert any(run["state"] == "completed" for run in json.loads(listed.stdout)["runs"])
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_an_interval_schedule_in_xcron_fires_and_leaves_history(make_host: MakeHost) -> None:
    host = make_host()
    host.start()
    host.run("schedule", "set", "probe_jobs:Free", "--every", "PT0.5S")
    host.wait_probes("end", 2)
    host.run("schedule", "clear", "probe_jobs:Free")

    runs = host.json("runs", "list", "--job", "probe_jobs:Free")["runs"]
    assert len(runs) >= 2
    assert all(run["schedule_id"] and run["fire_time"] for run in runs)
    assert len({run["fire_time"] for run in runs}) == len(runs)


def test_sigterm_lets_active_runs_end(make_host: MakeHost) -> None:
    host = make_host(drain="PT60S")
    host.start()
    host.run("jobs", "start", "probe_jobs:Gated")
    host.wait_probes("start")
    host.process.send_signal(signal.SIGTERM)
    host.wait_for("host draining")
    host.open_gate()

    assert host.process.wait(60) == 0
    assert [row[0] for row in host.probes()] == ["start", "end"]
    host.start()
    assert [run["state"] for run in host.json("runs", "list")["runs"]] == ["completed"]


def test_what_does_not_end_in_the_drain_time_is_given_back_and_runs_again(make_host: MakeHost) -> None:
    host = make_host(drain="PT0.5S")
    host.start()
    host.run("jobs", "start", "probe_jobs:Gated")
    host.wait_probes("start")

    assert host.terminate() == 0
    host.open_gate()
    host.start()
    run = _finished(host)
    assert run["state"] == "completed"
    assert run["attempt"] == 1
    assert run["crashes"] == 0


def test_a_killed_hosts_run_is_run_again_by_the_next(host: HostProcess) -> None:
    host.run("jobs", "start", "probe_jobs:Gated")
    host.wait_probes("start")
    host.kill()
    host.open_gate()
    host.start()

    run = _finished(host)
    assert run["state"] == "completed"
    assert run["crashes"] == 1
    assert [row[0] for row in host.probes()] == ["start", "start", "end"]


def test_a_killed_hosts_at_most_once_run_fails_as_lost(host: HostProcess) -> None:
    host.run("jobs", "start", "probe_jobs:AtMostOnce", "--param", "seconds=600")
    host.wait_probes("start")
    host.kill()
    host.start()

    run = _finished(host)
    assert (run["state"], run["reason"]) == ("failed", "lost")
    assert [row[0] for row in host.probes()] == ["start"]


def test_a_second_host_on_the_same_directory_refuses_to_start(host: HostProcess) -> None:
    second = host.run("serve", ok=False)

    assert second.returncode == 4
    assert str(host.process.pid) in second.stderr
    assert "Traceback" not in second.stderr


def test_without_a_host_commands_say_so(make_host: MakeHost) -> None:
    done = make_host().run("jobs", "list", ok=False)

    assert done.returncode == 5
    assert "no host is running" in done.stderr
    assert "jobhost serve" in done.stderr


def test_progress_log_and_result_are_seen_through_the_command_line(host: HostProcess) -> None:
    run = started(host, "probe_jobs:Progressing", "steps=3", "seconds=0.05")

    assert run["state"] == "completed"
    assert run["result"] == {"steps": 3}
    assert run["progress"] == 1.0
    lines = host.json("runs", "log", run["id"])
    assert [line["fields"]["step"] for line in lines if line["event"] == "stepping"] == [0, 1, 2]


def test_a_plain_function_runs_in_a_thread(host: HostProcess) -> None:
    run = started(host, "probe_jobs:Threaded")

    assert (run["state"], run["executor"], run["result"]) == ("completed", "thread", {"thread": True})


def test_cancel_stops_a_run(host: HostProcess) -> None:
    host.run("jobs", "start", "probe_jobs:Free", "--param", "seconds=600")
    host.wait_probes("start")
    run = host.json("runs", "list")["runs"][0]
    host.run("runs", "cancel", run["id"])

    finished = _finished(host)
    assert (finished["state"], finished["reason"]) == ("cancelled", "requested")


@pytest.mark.parametrize(
    ("how", "state", "reason", "error"),
    [
        ("raises", "failed", "error", "ValueError: the disk caught fire"),
        ("exits", "failed", "error", "sys.exit(7)"),
        ("returns_rubbish", "failed", "invalid-result", "returned int; expected JobResult or None"),
        ("returns_unserialisable", "failed", "invalid-result", "no JSON value"),
        ("cancels_itself", "failed", "error", "nobody asked"),
        ("floods_log", "completed", None, None),
        ("floods_progress", "completed", None, None),
    ],
)
def test_a_misbehaving_job_is_an_outcome_and_the_host_goes_on(
    host: HostProcess, how: str, state: str, reason: str | None, error: str | None
) -> None:
    run = started(host, "probe_jobs:Bad", f"how={how}")

    assert (run["state"], run["reason"]) == (state, reason)
    if error:
        assert error in run["errors"][0]["error"]
    assert started(host, "probe_jobs:Free")["state"] == "completed"


def test_a_job_that_blocks_the_loop_is_named_with_its_stack(make_host: MakeHost) -> None:
    host = make_host(sections='<section xsi:type="DispatcherConfigurationSection" blockedAfter="PT0.5S" />')
    host.start()
    started(host, "probe_jobs:Bad", "how=blocks")

    written = host.wait_for("event loop blocked")
    assert "probe_jobs:Bad" in written
    assert "time.sleep(3)" in written


def test_a_job_that_swallows_its_cancellation_is_shown_as_stuck(make_host: MakeHost) -> None:
    host = make_host(sections='<section xsi:type="DispatcherConfigurationSection" cancelGrace="PT1S" />')
    host.start()
    host.run("jobs", "start", "probe_jobs:Bad", "--param", "how=swallows_cancellation")
    _listed(host, lambda run: run["state"] == "running")
    host.run("runs", "cancel", host.json("runs", "list")["runs"][0]["id"])
    host.wait_for("run is stuck")

    run = _listed(host, lambda run: run["is_stuck"])
    assert run["state"] == "running"


def test_an_edit_of_xcron_on_disk_takes_effect_by_itself(host: HostProcess) -> None:
    host.run("schedule", "set", "probe_jobs:Free", "--every", "1h")
    path = host.data / "xcron.xml"
    path.write_text(path.read_text().replace('interval="3600"', 'interval="1"'))
    host.wait_for("schedules changed")
    host.wait_for("run completed")


def _finished(host: HostProcess) -> dict:
    return _listed(host, lambda run: run["finished_at"])


def _listed(host: HostProcess, is_so: Callable[[dict], object], seconds: float = 60) -> dict:
    """Give the latest run once something is true of it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        runs = host.json("runs", "list")["runs"]
        if runs and is_so(runs[0]):
            return runs[0]
        time.sleep(0.1)
    raise AssertionError(runs)
