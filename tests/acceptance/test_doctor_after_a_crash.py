"""What the doctor says of a host that was killed at work, before and after the next start."""

from __future__ import annotations

import time

import pytest

from tests.acceptance.hostprocess import HostProcess

pytestmark = pytest.mark.slow


def findings(host: HostProcess) -> dict[str, tuple[str, str]]:
    found = host.json("doctor")
    assert isinstance(found, list)
    return {each["subject"]: (each["verdict"], each["message"]) for each in found}


def wait_for_work(host: HostProcess, starts: int, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while len(host.probes()) < starts:
        assert time.monotonic() < end, "the run does not start"
        time.sleep(0.02)


def test_runs_that_were_active_when_their_host_was_killed_are_told(host: HostProcess) -> None:
    host.run("jobs", "start", "probe_jobs:Free", "--param", "seconds=600")
    wait_for_work(host, 1)
    host.kill()

    found = findings(host)
    assert found["interrupted runs"] == ("look", "the last host ended with 1 active run, of probe_jobs:Free")
    assert found["crashed runs"] == ("ok", "none unfinished")

    told = ("look", "probe_jobs:Free: a run has brought down its host or process 1 of 3 times")
    host.start()
    wait_for_work(host, 2)
    assert findings(host)["crashed runs"] == told
    assert "interrupted runs" not in findings(host)

    host.kill()
    assert findings(host)["crashed runs"] == told


def test_a_host_that_was_told_to_stop_leaves_nothing_to_say(host: HostProcess) -> None:
    assert host.terminate() == 0

    found = findings(host)
    assert (found["interrupted runs"], found["crashed runs"]) == (("ok", "none"), ("ok", "none unfinished"))
