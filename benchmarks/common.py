"""What every benchmark shares: a folder with a host in it, quantiles, CPU and memory of a process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLUGIN = Path(__file__).parent / "plugin"
ROOT = Path(__file__).parents[1]
ROW = struct.Struct("<dd16s")
TICK = os.sysconf("SC_CLK_TCK")

CONFIGURATION = """<?xml version="1.0" encoding="utf-8"?>
<SanteDBConfiguration xmlns="http://santedb.org/configuration" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <section xsi:type="ApplicationServiceContextConfigurationSection"><serviceProviders>
    <add type="SanteDB.Core.Jobs.DefaultJobManagerService, SanteDB.Core.Api" />
  </serviceProviders></section>
  <section xsi:type="DataDirectoryConfigurationSection" path="data" />
  <section xsi:type="XmlJobScheduleConfigurationSection" path="xcron.xml" />
  <section xsi:type="JobConfigurationSection"><jobs>
    <add type="bench_jobs:Noop" startType="never" />
    <add type="bench_jobs:Silent" startType="never" />
    <add type="bench_jobs:SilentThread" startType="never" />
    <add type="bench_jobs:Failing" startType="never" />
    <add type="bench_jobs:Wordy" startType="never" />
  </jobs></section>
</SanteDBConfiguration>
"""

XCRON = """<?xml version="1.0"?>
<ArrayOfJobItemConfiguration xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <JobItemConfiguration type="bench_jobs:Noop" startType="immediate">
    <schedule xmlns="http://santedb.org/configuration" xmlns:jh="urn:jobhost:xcron:1">
{lines}
    </schedule>
  </JobItemConfiguration>
</ArrayOfJobItemConfiguration>
"""


class Workspace:
    """A folder with configuration and data of one host; gone with the block."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="jobhost-bench-"))
        self.config = self.folder / "host.config.xml"
        self.config.write_text(CONFIGURATION)
        self.notes = self.folder / "notes.bin"
        self.log = self.folder / "host.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.settings: dict[str, str] = {}
        """More of the environment, which the configuration refers to."""

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(PLUGIN), "BENCH_LOG": str(self.notes), **self.settings}

    def schedules(self, lines: list[str]) -> None:
        (self.folder / "xcron.xml").write_text(XCRON.format(lines="\n".join(lines)))

    def start(self, config: Path | None = None) -> float:
        """Start the host; gives the seconds until it said ready."""
        began = time.monotonic()
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "host", "serve", "--config", str(config or self.config)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=self.environment, cwd=self.folder)
        while b"host ready" not in self.log.read_bytes():
            if self.process.poll() is not None or time.monotonic() - began > 120:
                raise SystemExit(self.log.read_text())
            time.sleep(0.005)
        return time.monotonic() - began

    def rows(self) -> list[tuple[float, float, bytes]]:
        data = self.notes.read_bytes() if self.notes.exists() else b""
        return list(ROW.iter_unpack(data[: len(data) // ROW.size * ROW.size]))

    def wait_rows(self, count: int, seconds: float) -> list[tuple[float, float, bytes]]:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.notes.exists() and self.notes.stat().st_size >= count * ROW.size:
                break
            time.sleep(0.02)
        return self.rows()

    def cpu_seconds(self) -> float:
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def rss_mib(self) -> float:
        assert self.process is not None
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return round(int(line.split()[1]) / 1024, 1)
        return 0.0


def quantiles(values: list[float], *, scale: float = 1000.0) -> dict[str, float]:
    """Give p50, p99 and the worst, in milliseconds by default."""
    ordered = sorted(values)
    if not ordered:
        return {"count": 0}
    pick = lambda share: round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * scale, 2)  # noqa: E731
    return {"count": len(ordered), "p50": pick(0.5), "p99": pick(0.99), "worst": round(ordered[-1] * scale, 2)}


def stamp(instant: float) -> str:
    """Give an instant as xs:dateTime in UTC, with microseconds."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def tell(name: str, **figures: object) -> None:
    """Print the one JSON line."""
    print(json.dumps({"benchmark": name, **figures}))


def peer(command: str | None, ours: float, *, key: str) -> dict[str, object]:
    """Run a peer's command that prints a JSON line, and give its figure and the ratio ours / its."""
    if not command:
        return {}
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    theirs = json.loads(done.stdout.strip().splitlines()[-1])
    return {"peer": theirs, "ratio": round(ours / float(theirs[key]), 3)}
