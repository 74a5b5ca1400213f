"""A disk that is full, read-only or damaged, under a real host."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.hostprocess import HostProcess

pytestmark = pytest.mark.slow


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[HostProcess]:
    """A host whose data directory is a disk of its own, of 12 MB."""
    host = HostProcess(tmp_path)
    host.data.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(host.data)], check=False)
    if mounted.returncode and not os.environ.get("CI"):
        pytest.skip("mounting needs root")
    assert mounted.returncode == 0
    try:
        yield host
    finally:
        host.kill()
        subprocess.run(["umount", "-l", str(host.data)], check=True)


def fill(host: HostProcess) -> Path:
    ballast = host.data / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 65536)
        except OSError:
            pass
        try:
            while True:
                file.write(b"x")
        except OSError:
            pass
    return ballast


def test_a_full_disk_refuses_submissions_holds_outcomes_and_resumes_by_itself(small_disk: HostProcess) -> None:
    host = small_disk
    host.start()
    host.run("jobs", "start", "probe_jobs:Gated")
    host.wait_probes("start")
    ballast = fill(host)
    refused = []
    end = time.monotonic() + 60
    while not refused and time.monotonic() < end:  # what the log has left takes a few more
        done = host.run("jobs", "start", "probe_jobs:Free", ok=False)
        if done.returncode:
            refused.append(done)
    assert refused, "the disk never filled"
    assert refused[0].returncode == 5
    assert "runs.sqlite" in refused[0].stderr
    assert "hint" in refused[0].stderr
    host.open_gate()
    host.wait_for("outcomes held")
    assert host.process is not None
    assert host.process.poll() is None

    ballast.unlink()
    host.wait_for("outcomes written again")
    host.run("jobs", "start", "probe_jobs:Free", "--wait")
    runs = host.json("runs", "list", "--limit", "500")["runs"]
    assert {run["state"] for run in runs} == {"completed"}
    starts = [row for row in host.probes() if row[0] == "start"]
    assert len(starts) == len({row[2] for row in starts}) == len(runs)
    assert host.terminate() == 0


def test_a_read_only_data_directory_is_refused_with_its_place(small_disk: HostProcess) -> None:
    host = small_disk
    host.start()
    assert host.terminate() == 0
    subprocess.run(["mount", "-o", "remount,ro", str(host.data)], check=True)

    done = host.run("serve", ok=False)
    assert done.returncode == 5
    assert str(host.data) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("damage", ["garbage", "truncated", "another program's", "newer"])
def test_a_damaged_run_store_is_refused_and_left_untouched(tmp_path: Path, damage: str) -> None:
    host = HostProcess(tmp_path)
    host.start()
    host.run("jobs", "start", "probe_jobs:Free", "--wait")
    assert host.terminate() == 0
    path = host.data / "runs.sqlite"
    data = bytearray(path.read_bytes())
    if damage == "garbage":
        data[:] = os.urandom(len(data))
    elif damage == "truncated":
        del data[len(data) // 2 :]
    elif damage == "newer":
        data[60:64] = (9999).to_bytes(4, "big")
    else:
        data[68:72] = b"ABCD"
    path.write_bytes(data)

    done = host.run("serve", ok=False)
    assert done.returncode in (1, 5)
    assert "runs.sqlite" in done.stderr
    assert "Traceback" not in done.stderr
    assert path.read_bytes() == bytes(data)
