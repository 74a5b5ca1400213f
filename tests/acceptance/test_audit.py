"""Who did what at the command line is known while a host runs, after it stopped, and after it was killed."""

from __future__ import annotations

import os
import pwd

import pytest

from tests.acceptance.hostprocess import HostProcess

pytestmark = pytest.mark.slow

ME = pwd.getpwuid(os.getuid()).pw_name


def actions(host: HostProcess) -> list[tuple[str, str, str]]:
    """Give what the trail tells, newest first: who, what, how it ended."""
    page = host.json("audit", "--face", "cli")
    return [(event["by"], event["action"], event["outcome"]) for event in page["events"]]


def test_what_was_changed_is_known_and_what_was_read_is_not(host: HostProcess) -> None:
    host.run("jobs", "pause", "--all", "--reason", "upkeep")
    host.run("jobs", "list")
    host.run("jobs", "start", "probe_jobs:Free")
    host.run("runs", "cancel", "00000000-0000-0000-0000-000000000000", ok=False)
    expected = [(ME, "RunControl.submit", "success"), (ME, "RunControl.pause", "success")]
    assert actions(host) == expected
    host.run("drain")
    assert host.process is not None
    assert host.process.wait(60) == 0
    assert actions(host) == [(ME, "HostControl.drain", "success"), *expected]


def test_what_a_killed_host_was_told_is_known(host: HostProcess) -> None:
    host.run("jobs", "pause", "--all", "--reason", "upkeep")
    host.kill()
    assert actions(host) == [(ME, "RunControl.pause", "success")]
    host.start()
    host.run("jobs", "resume", "--all")
    assert [action for _, action, _ in actions(host)] == ["RunControl.resume", "RunControl.pause"]
