"""A real host process for acceptance tests, with the probe plugin installed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.nursery import ForkedProcess, may_fork, nursery, run_command

Process = subprocess.Popen[bytes] | ForkedProcess
PLUGIN = Path(__file__).parent / "plugin"
ROOT = Path(__file__).parents[2]
JOBS = ("Free", "Gated", "Exclusive", "Skipping", "AtMostOnce", "Threaded", "Progressing", "Bad")

CONFIGURATION = """<?xml version="1.0" encoding="utf-8"?>
<SanteDBConfiguration xmlns="http://santedb.org/configuration" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <section xsi:type="ApplicationServiceContextConfigurationSection">
    <serviceProviders>
      <add type="SanteDB.Core.Jobs.DefaultJobManagerService, SanteDB.Core.Api" />{providers}
    </serviceProviders>
  </section>
  <section xsi:type="DataDirectoryConfigurationSection" path="data" />
  <section xsi:type="HostConfigurationSection" drain="{drain}" />
  {sections}
  <section xsi:type="JobConfigurationSection">
    <jobs>{jobs}
    </jobs>
  </section>
</SanteDBConfiguration>
"""


class HostProcess:
    """One configuration folder and at most one host process on it."""

    def __init__(
        self, folder: Path, *, jobs: str | None = None, drain: str = "PT5S", providers: str = "", sections: str = ""
    ) -> None:
        self.folder = folder
        self.config = folder / "host.config.xml"
        self.data = folder / "data"
        self.probe_log = folder / "probe.log"
        self.log = folder / "host.log"
        if jobs is None:
            jobs = "".join(f'\n      <add type="probe_jobs:{name}" startType="never" />' for name in JOBS)
        text = CONFIGURATION.format(jobs=jobs, drain=drain, providers=providers, sections=sections)
        self.config.write_text(text)
        self.process: Process | None = None

    @property
    def environment(self) -> dict[str, str]:
        path = f"{PLUGIN}:{os.environ.get('PYTHONPATH', '')}".rstrip(":")
        return {**os.environ, "PYTHONPATH": path, "PROBE_LOG": str(self.probe_log), "COLUMNS": "200", "NO_COLOR": "1"}

    def start(self, *arguments: str, wait: bool = True) -> None:
        self.log.touch()
        self._offset = self.log.stat().st_size
        self.process = self.launch(*arguments)
        if wait:
            self.wait_for("host ready")

    def launch(self, *arguments: str) -> Process:
        """Give a new host process, whose words are added to the log."""
        environment = self.environment
        if may_fork(environment):
            command = ["serve", "--config", str(self.config), *arguments]
            return nursery().fork(command, environment=environment, folder=self.folder, out=self.log, err=self.log)
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "host", "serve", "--config", str(self.config), *arguments],
                stdout=log,
                stderr=log,
                env=environment,
                cwd=self.folder,
            )

    def wait_for(self, text: str, seconds: float = 60) -> str:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            written = self.log.read_bytes()[self._offset :].decode(errors="replace")
            if text in written:
                return written
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"the host ended with {self.process.returncode}:\n{written}")
            time.sleep(0.02)
        raise AssertionError(f"{text!r} not seen in:\n{written}")

    def terminate(self, seconds: float = 60) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(60)

    def run(self, *arguments: str, seconds: float = 60, ok: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of the command line against this host."""
        command = [*arguments, "--config", str(self.config)]
        done = run_command(command, environment=self.environment, folder=self.folder, seconds=seconds)
        if ok:
            assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments: str) -> object:
        return json.loads(self.run(*arguments, "--json").stdout)

    def open_gate(self) -> None:
        """Let every gated job end, present and to come."""
        (self.folder / "gate").touch()

    def wait_probes(self, kind: str, count: int = 1, seconds: float = 60) -> None:
        """Wait until jobs have told so often that they start, or that they end."""
        end = time.monotonic() + seconds
        while sum(row[0] == kind for row in self.probes()) < count:
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.02)

    def probes(self) -> list[list[str]]:
        if not self.probe_log.exists():
            return []
        return [line.split() for line in self.probe_log.read_text().splitlines()]
