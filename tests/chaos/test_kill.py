"""kill -9 at random moments under load; the truth is checked from files outside the host."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest

from tests.acceptance.hostprocess import ROOT, HostProcess

pytestmark = [pytest.mark.slow, pytest.mark.chaos, pytest.mark.timeout(560)]

PARTS = 2
"""Campaigns on a host each, for several workers to share."""
KILLS = int(os.environ.get("JOBHOST_KILLS", "100")) // PARTS
LONGEST_SECONDS = 2.0 * KILLS
"""A busy machine kills less often instead of longer."""
LONGEST_LIFE_SECONDS = 0.6
SEED = int(os.environ.get("JOBHOST_SEED", "20261121"))
FREE, EXCLUSIVE, SKIPPING, ONCE = (f"10000000-0000-4000-8000-00000000000{digit}" for digit in (1, 2, 3, 4))

XCRON = """<?xml version="1.0"?>
<ArrayOfJobItemConfiguration>
  <JobItemConfiguration type="probe_jobs:Skipping" startType="immediate">
    <schedule xmlns="http://santedb.org/configuration" xmlns:jh="urn:jobhost:xcron:1">
      <jh:add type="interval" interval="PT0.05S" misfire="all" />
    </schedule>
  </JobItemConfiguration>
</ArrayOfJobItemConfiguration>
"""


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_accepted_is_lost_or_stuck_and_nothing_exclusive_overlaps(tmp_path: Path, part: int) -> None:
    seed = SEED + part
    chance = random.Random(seed)
    host = HostProcess(tmp_path)
    host.data.mkdir()
    (host.data / "xcron.xml").write_text(XCRON)
    accepted = tmp_path / "accepted.log"
    command = [sys.executable, __file__, str(host.data), str(accepted), str(seed)]
    client = subprocess.Popen(command, cwd=ROOT, env=host.environment)
    deaths: dict[int, float] = {}
    try:
        host.start()
        _kill(host, deaths)
        began = time.monotonic()
        host.start()
        start_seconds = time.monotonic() - began
        _live(host, chance, start_seconds)
        while len(deaths) < KILLS and time.monotonic() < began + LONGEST_SECONDS:
            _kill(host, deaths)
            host.start(wait=False)
            _live(host, chance, start_seconds)
        _kill(host, deaths)
    finally:
        client.terminate()
        client.wait(60)
        host.kill()
    (host.data / "xcron.xml").unlink()
    host.start()
    try:
        _resume_quarantined(host)
        _drain(host)
        assert host.terminate() == 0
    finally:
        host.kill()

    rows = _rows(host.data / "runs.sqlite")
    ids = accepted.read_text().split()
    assert len(ids) > len(deaths), "the load was too small to mean anything"
    assert not [run for run in ids if run not in rows], f"lost; seed {seed}"
    assert not [run for run, row in rows.items() if row["state"] not in FINAL], f"stuck; seed {seed}"
    _check_overlaps(host, deaths, seed)
    _check_at_most_once(host, rows, seed)
    _check_fires(rows, len(deaths), seed)


FINAL = {5, 6, 7, 8, 9}


def _live(host: HostProcess, chance: random.Random, start_seconds: float) -> None:
    """Let a host get somewhere into its start, or live for a moment after it."""
    if chance.random() < 0.3:
        time.sleep(chance.uniform(0, start_seconds))
    else:
        host.wait_for("host ready", 60)
        time.sleep(chance.uniform(0, LONGEST_LIFE_SECONDS))


def _kill(host: HostProcess, deaths: dict[int, float]) -> None:
    """Kill a living host, and note when it died: what it was running ended then at the latest."""
    assert host.process is not None
    assert host.process.poll() is None, host.log.read_text()[-3000:]
    host.kill()
    deaths[host.process.pid] = time.monotonic()


def _resume_quarantined(host: HostProcess) -> None:
    """Let jobs go on whose run was there at three deaths: it is held to have caused them, and its job is paused."""
    for pause in cast("list[dict[str, str]]", host.json("jobs", "pauses")):
        assert pause["by"] == "quarantine"
        host.run("jobs", "resume", pause["scope"].removeprefix("job:"))


def _drain(host: HostProcess) -> None:
    """Wait until every run has ended; suspects run one at a time, so that it may take a while, but it goes on."""
    left, end = float("inf"), time.monotonic() + 60
    while time.monotonic() < end:
        status = host.json("status")
        unfinished = sum(status["unfinished"].values())
        if not unfinished:
            return
        if unfinished < left:
            left, end = unfinished, time.monotonic() + 60
        time.sleep(0.3)
    raise AssertionError(f"runs are stuck: {status['unfinished']}")


def _rows(path: Path) -> dict[str, sqlite3.Row]:
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    rows = connection.execute(
        "SELECT lower(hex(id)) AS id, state, attempt, crashes, fire_time, schedule_id FROM run"
    ).fetchall()
    return {row["id"]: row for row in rows}


def _spans(host: HostProcess, deaths: dict[int, float], job: str) -> list[tuple[float, float, str]]:
    starts: dict[tuple[str, str, str], float] = {}
    spans = []
    for kind, job_id, run, attempt, process, instant, *_ in host.probes():
        if job_id != job:
            continue
        key = (run, attempt, process)
        if kind == "start":
            starts[key] = float(instant)
        else:
            spans.append((starts.pop(key), float(instant), run))
    for (run, _, process), began in starts.items():
        spans.append((began, deaths.get(int(process), float("inf")), run))
    return sorted(spans)


def _check_overlaps(host: HostProcess, deaths: dict[int, float], seed: int) -> None:
    for job in (EXCLUSIVE, SKIPPING):
        spans = _spans(host, deaths, job)
        assert len(spans) > 10, "too few runs to mean anything"
        for before, after in pairwise(spans):
            assert before[1] <= after[0], f"{before} overlaps {after}; seed {seed}"


def _check_at_most_once(host: HostProcess, rows: dict[str, sqlite3.Row], seed: int) -> None:
    starts: dict[str, int] = defaultdict(int)
    for kind, job, run, *_ in host.probes():
        starts[run] += job == ONCE and kind == "start"
    assert not [run for run, count in starts.items() if count > 1], f"at-most-once run started twice; seed {seed}"


def _check_fires(rows: dict[str, sqlite3.Row], deaths: int, seed: int) -> None:
    fires = [(row["schedule_id"], row["fire_time"]) for row in rows.values() if row["schedule_id"]]
    assert len(fires) == len(set(fires)), f"a fire time was accepted twice; seed {seed}"
    assert len(fires) > deaths


async def load(data: Path, accepted: Path, seed: int) -> None:
    """Submit runs for as long as it may; note the ids only once the host has accepted them."""
    from host import RunSubmission
    from host.cli.connect import connect
    from host.errors import HostError

    chance = random.Random(seed)
    jobs = ("probe_jobs:Free", "probe_jobs:Free", "probe_jobs:Exclusive", "probe_jobs:AtMostOnce")
    with accepted.open("a", buffering=1) as file:
        while True:
            try:
                async with connect(data) as host:
                    while True:
                        batch = [RunSubmission(job=chance.choice(jobs)) for _ in range(chance.randint(1, 8))]
                        ids = await host.control.submit(batch)
                        file.write("".join(f"{run.hex}\n" for run in ids))
                        await asyncio.sleep(chance.uniform(0, 0.02))
            except (HostError, OSError, json.JSONDecodeError):
                await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(load(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
