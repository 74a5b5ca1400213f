"""Jobs in processes of their own, as an operator meets them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from host.model.runs import MAX_CRASHES
from tests.acceptance.hostprocess import HostProcess

pytestmark = pytest.mark.slow
MakeHost = Callable[..., HostProcess]

JOB = "probe_jobs:Isolated"
JOBS = f'<add type="{JOB}" startType="never" /><add type="probe_jobs:Free" startType="never" />'
GRACE = '<section xsi:type="ExecutorConfigurationSection" processGrace="PT0.5S" />'


@pytest.fixture
def host(make_host: MakeHost) -> HostProcess:
    made = make_host(jobs=JOBS, sections=GRACE, drain="PT0.5S")
    made.start()
    return made


def start(host: HostProcess, how: str, *, wait: bool = True) -> dict:
    options = ("--param", f"how={how}", *(("--wait",) if wait else ()), "--json")
    return json.loads(host.run("jobs", "start", JOB, *options, ok=False).stdout)


def begun(host: HostProcess) -> int:
    """Wait until a job says that it has begun, and give its process id."""
    end = time.monotonic() + 60
    while not host.probes():
        assert time.monotonic() < end
        time.sleep(0.02)
    return int(host.probes()[-1][4])


def wait_gone(process: int, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while Path(f"/proc/{process}").exists():
        assert time.monotonic() < end, f"process {process} still lives"
        time.sleep(0.02)


def test_a_run_in_a_process_completes_with_its_log(host: HostProcess) -> None:
    assert host.process is not None
    run = start(host, "well")
    assert (run["state"], run["executor"]) == ("completed", "process"), run
    assert run["result"]["pid"] not in (host.process.pid, os.getpid())
    assert "isolated" in host.run("runs", "log", run["id"]).stdout
    assert "process" in host.run("status").stdout


def test_a_process_that_keeps_dying_is_quarantined_and_the_host_works_on(host: HostProcess) -> None:
    assert host.process is not None
    run = start(host, "dies", wait=False)
    host.wait_for("run quarantined")
    shown = host.json("runs", "show", run["id"])
    assert shown["state"] == "quarantined"
    assert "ended with status 3" in json.dumps(shown["errors"])
    assert len({probe[4] for probe in host.probes()}) == len(host.probes()) == shown["crashes"] > 1
    assert host.process.poll() is None
    free = json.loads(host.run("jobs", "start", "probe_jobs:Free", "--wait", "--json").stdout)
    assert free["state"] == "completed"


def test_a_deaf_run_is_cancelled_by_killing_its_process(host: HostProcess) -> None:
    run = start(host, "deaf", wait=False)
    process = begun(host)
    host.run("runs", "cancel", run["id"])
    host.wait_for("run cancelled")
    wait_gone(process)
    assert host.json("runs", "show", run["id"])["state"] == "cancelled"


def test_processes_die_with_a_killed_host_and_another_can_start(host: HostProcess) -> None:
    start(host, "deaf", wait=False)
    process = begun(host)
    host.kill()
    wait_gone(process)
    host.start()
    host.wait_for("run rescued")
    assert host.terminate() == 0


def test_a_run_in_a_process_is_not_blamed_for_its_hosts_deaths(host: HostProcess) -> None:
    run = start(host, "deaf", wait=False)
    for number in range(MAX_CRASHES):
        end = time.monotonic() + 60
        while len(host.probes()) <= number:
            assert time.monotonic() < end
            time.sleep(0.02)
        host.kill()
        host.start()
    shown = host.json("runs", "show", run["id"])
    assert (shown["crashes"], shown["forgiven"]) == (0, MAX_CRASHES)
    assert shown["state"] in {"queued", "starting", "running"}


def test_sigterm_leaves_no_process(host: HostProcess) -> None:
    start(host, "deaf", wait=False)
    process = begun(host)
    parent = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    assert host.terminate() == 0
    wait_gone(process)
    wait_gone(parent)
