"""A new configuration in a running process: in force, or refused, or rolled back, and no run is lost."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest

from host.cli.connect import connect
from host.errors import HostUnavailableError
from host.model.submissions import RunSubmission
from tests.acceptance.hostprocess import HostProcess
from tests.nursery import run_command

pytestmark = pytest.mark.slow
MakeHost = Callable[..., HostProcess]
SLOTS = '<section xsi:type="ExecutorConfigurationSection" loopSlots="7" />'


def edit(host: HostProcess, old: str, new: str) -> None:
    text = host.config.read_text()
    assert old in text
    host.config.write_text(text.replace(old, new))


def loop_slots(status: dict) -> int:
    return next(executor["slots"] for executor in status["executors"] if executor["name"] == "loop")


def by_data(host: HostProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command that does not read the configuration to find the host."""
    return run_command([*arguments, "--data", str(host.data)], environment=host.environment, folder=host.folder)


def finished(host: HostProcess) -> list[dict]:
    """Give all runs once they have ended."""
    end = time.monotonic() + 60
    while True:
        runs = host.json("runs", "list", "--limit", "1000")["runs"]
        if all(run["finished_at"] for run in runs):
            return runs
        assert time.monotonic() < end, runs


def wait_reloads(host: HostProcess, count: int) -> None:
    """Wait until the present process has said so often that it is ready again."""
    end = time.monotonic() + 60
    while host.wait_for("host ready").count("host ready") <= count:
        assert time.monotonic() < end, host.log.read_text()
        time.sleep(0.02)


def test_a_changed_setting_is_in_force_in_the_same_process(make_host: MakeHost) -> None:
    host = make_host(sections=SLOTS)
    host.start()
    before = host.json("status")
    host.run("jobs", "start", "probe_jobs:Free", "--wait")
    edit(host, 'loopSlots="7"', 'loopSlots="9"')
    done = host.run("reload")
    after = host.json("status")

    assert "ExecutorConfigurationSection loopSlots" in done.stdout
    assert "ready again after" in done.stdout
    assert (loop_slots(before), loop_slots(after)) == (7, 9)
    assert after["pid"] == before["pid"] == host.process.pid
    assert after["node"] != before["node"]
    assert after["last_reload"]["error"] is None
    host.run("jobs", "start", "probe_jobs:Free", "--wait")
    assert [run["state"] for run in host.json("runs", "list")["runs"]] == ["completed"] * 2
    assert host.terminate() == 0


def test_a_dry_run_says_what_would_change_and_changes_nothing(make_host: MakeHost) -> None:
    host = make_host(sections=SLOTS)
    host.start()
    before = host.json("status")
    assert host.run("reload", "--dry-run").stdout == "nothing would change\n"
    edit(host, 'loopSlots="7"', 'loopSlots="9"')
    told = host.json("reload", "--dry-run")

    assert told["last_reload"] is None
    assert told["report"]["is_begun"] is False
    assert [(each["name"], each["before"], each["after"]) for each in told["report"]["changes"]] == [
        ("ExecutorConfigurationSection loopSlots", "7", "9")
    ]
    after = host.json("status")
    assert (after["node"], loop_slots(after), after["last_reload"]) == (before["node"], 7, None)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("</jobs>", "</jbos>", "not well-formed XML"),
        (
            "</serviceProviders>",
            '<add type="acme.ovens:Oven" /></serviceProviders>',
            "unknown provider acme.ovens:Oven",
        ),
        ('drain="PT5S"', 'drain="soon"', "expected a duration"),
        ("probe_jobs:Free", "probe_jobs:Gone", "unknown job probe_jobs:Gone"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused_and_the_host_goes_on(
    host: HostProcess, old: str, new: str, said: str
) -> None:
    node = host.json("status")["node"]
    edit(host, old, new)
    done = by_data(host, "reload")

    assert done.returncode == 2
    assert said in done.stderr
    assert "host.config.xml:" in done.stderr
    host.process.send_signal(signal.SIGHUP)
    assert said in host.wait_for("reload refused")
    status = by_data(host, "status", "--json")
    assert status.returncode == 0
    assert node in status.stdout
    assert by_data(host, "jobs", "start", "probe_jobs:Exclusive", "--wait").returncode == 0


def test_what_does_not_start_is_rolled_back_and_the_host_serves(host: HostProcess) -> None:
    (host.folder / "occupied").write_text("a file, no folder")
    before = host.json("status")
    edit(host, 'path="data"', 'path="occupied/data"')
    done = by_data(host, "reload")

    assert done.returncode == 1
    assert "the data directory cannot be used" in done.stderr
    assert "the previous configuration is in force" in done.stderr
    edit(host, 'path="occupied/data"', 'path="data"')
    after = host.json("status")
    assert after["pid"] == before["pid"]
    assert "the data directory cannot be used" in after["last_reload"]["error"]
    host.run("jobs", "start", "probe_jobs:Free", "--wait")
    host.run("reload")
    assert host.json("status")["last_reload"]["error"] is None


def test_a_host_moves_to_another_data_directory(host: HostProcess) -> None:
    host.run("jobs", "start", "probe_jobs:Free", "--wait")
    edit(host, 'path="data"', 'path="elsewhere"')
    done = by_data(host, "reload")

    assert done.returncode == 0
    status = host.json("status")
    assert status["data_directory"] == str(host.folder / "elsewhere")
    assert host.json("runs", "list")["runs"] == []
    assert by_data(host, "status").returncode == 5


def test_a_hangup_reloads(make_host: MakeHost) -> None:
    host = make_host(sections=SLOTS)
    host.start()
    edit(host, 'loopSlots="7"', 'loopSlots="9"')
    host.process.send_signal(signal.SIGHUP)
    wait_reloads(host, 1)

    status = host.json("status")
    assert (loop_slots(status), status["state"], status["pid"]) == (9, "ready", host.process.pid)
    assert host.terminate() == 0


def test_no_accepted_run_is_lost_or_performed_twice_while_the_host_reloads(host: HostProcess) -> None:
    accepted = asyncio.run(_submit_during_reloads(host, reloads=10))

    assert len(accepted) >= 10
    told = Counter((kind, run) for kind, _, run, *_ in host.probes())
    assert {told[kind, str(run)] for kind in ("start", "end") for run in accepted} == {1}
    assert set(told.values()) == {1}
    assert len([line for line in host.log.read_text().splitlines() if "host ready" in line]) == 11


def test_a_run_that_does_not_end_in_the_drain_time_is_given_back_and_runs_again(make_host: MakeHost) -> None:
    host = make_host(drain="PT0.3S")
    host.start()
    host.run("jobs", "start", "probe_jobs:Gated")
    host.wait_probes("start")
    host.run("reload")
    host.wait_probes("start", 2)
    host.open_gate()
    host.wait_probes("end")

    assert [row[0] for row in host.probes()] == ["start", "start", "end"]
    (run,) = finished(host)
    assert (run["state"], run["attempt"], run["crashes"]) == ("completed", 1, 0)


def test_sigterm_while_a_host_drains_for_a_reload_ends_it_in_order(make_host: MakeHost) -> None:
    host = make_host(drain="PT10M")
    host.start()
    host.run("jobs", "start", "probe_jobs:Gated")
    host.wait_probes("start")
    assert "the host reloads" in host.run("reload", "--no-wait").stdout
    host.wait_for("host draining")
    host.process.send_signal(signal.SIGTERM)
    host.open_gate()

    assert host.process.wait(60) == 0
    said = host.wait_for("host stopped")
    assert said.count("host ready") == 1
    assert [row[0] for row in host.probes()] == ["start", "end"]
    host.start()
    assert [run["state"] for run in finished(host)] == ["completed"]


def test_the_command_says_so_when_the_process_ends_instead(make_host: MakeHost) -> None:
    host = make_host(drain="PT10M")
    host.start()
    host.run("jobs", "start", "probe_jobs:Gated")
    host.wait_probes("start")

    async def reload() -> int:
        command = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "host", "reload", "--config", str(host.config)),
            env=host.environment,
            cwd=host.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        await asyncio.to_thread(host.wait_for, "host draining")
        host.process.send_signal(signal.SIGTERM)
        host.open_gate()
        assert await asyncio.to_thread(host.process.wait, 60) == 0
        _, errors = await command.communicate()
        assert b"ended while it was reloaded" in errors
        return command.returncode or 0

    assert asyncio.run(reload()) == 5


def test_every_fire_time_of_a_schedule_fires_once_across_reloads(host: HostProcess) -> None:
    host.run("schedule", "set", "probe_jobs:Free", "--every", "PT0.5S", "--misfire", "all")
    host.wait_probes("end")
    for _ in range(3):
        host.run("reload")
    known = len(host.probes())
    while len(host.probes()) < known + 4:
        time.sleep(0.05)
    host.run("schedule", "clear", "probe_jobs:Free")
    runs = finished(host)

    fires = sorted(datetime.fromisoformat(run["fire_time"]) for run in runs)
    steps = {later - earlier for earlier, later in pairwise(fires)}
    assert len(fires) >= 4
    assert steps == {timedelta(seconds=0.5)}
    assert {run["state"] for run in runs} == {"completed"}


def test_an_immediate_job_runs_at_the_start_of_the_process_and_not_at_a_reload(make_host: MakeHost) -> None:
    host = make_host(jobs='<add type="probe_jobs:Free" startType="immediate" />', sections=SLOTS)
    host.start()
    host.wait_probes("end")
    edit(host, 'loopSlots="7"', 'loopSlots="9"')
    host.run("reload")
    host.run("jobs", "start", "probe_jobs:Free", "--wait")

    assert [run["owner"] for run in finished(host)].count("start") == 1
    assert host.terminate() == 0
    host.start()
    assert [run["owner"] for run in finished(host)].count("start") == 2


async def _submit_during_reloads(host: HostProcess, *, reloads: int) -> list[UUID]:
    """Submit without a pause while the host is reloaded again and again, each time after it has accepted something.

    Give the runs that it accepted.
    """
    accepted: list[UUID] = []
    done = asyncio.Event()

    async def submit() -> None:
        while not done.is_set():
            try:
                async with connect(host.data) as connected:
                    while not done.is_set():
                        accepted.extend(await connected.control.submit([RunSubmission(job="probe_jobs:Free")]))
            except HostUnavailableError:
                await asyncio.sleep(0.005)

    async with asyncio.TaskGroup() as group:
        group.create_task(submit())
        for count in range(1, reloads + 1):
            known = len(accepted)
            async with asyncio.timeout(60):
                while len(accepted) == known:
                    await asyncio.sleep(0.005)
            host.process.send_signal(signal.SIGHUP)
            await asyncio.to_thread(wait_reloads, host, count)
        done.set()
    async with connect(host.data) as connected:
        while any((await connected.runs.counters()).by_state.values()):
            await asyncio.sleep(0.02)
    return accepted
