"""A host process of the campaign: short limits, the jobs of this folder, and a journal of its life."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.acceptance.hostprocess import HostProcess
from tests.chaos.journal import Journal

PLUGIN = Path(__file__).parent / "plugin"
START_SECONDS = 60.0
SECTIONS = """<section xsi:type="DispatcherConfigurationSection" cancelGrace="PT1S" />
  <section xsi:type="ExecutorConfigurationSection" processGrace="PT1S" processMemory="256" processOpenFiles="64" />"""


class ChaosHost(HostProcess):
    """A host whose every launch, death and orderly end stands in the journal."""

    def __init__(self, folder: Path, journal: Journal, jobs: str) -> None:
        super().__init__(folder, jobs=jobs, drain="PT2S", sections=SECTIONS)
        self.journal = journal
        self.extra: dict[str, str] = {}
        """Environment on top."""
        self.kills = 0

    @property
    def environment(self) -> dict[str, str]:
        base = super().environment
        path = f"{self.folder}/plugins:{PLUGIN}:{base['PYTHONPATH']}"
        return {**base, "PYTHONPATH": path, "CHAOS_LOG": str(self.journal.path), **self.extra}

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self, *arguments: str, wait: bool = True) -> None:
        super().start(*arguments, wait=False)
        self.journal.note("launched", process=self.pid)
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until the host has said that it is ready."""
        self.wait_for("host ready", START_SECONDS)
        self.journal.note("ready", process=self.pid)

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            super().kill()
            self.kills += 1
            self.journal.note("died", process=self.pid)

    def terminate(self, seconds: float = 60) -> int:
        code = super().terminate(seconds)
        self.journal.note("stopped" if code == 0 else "died", process=self.pid)
        return code

    def has_died(self) -> bool:
        """Say whether the host has ended by itself, and note it."""
        if self.process is None or self.process.poll() is None:
            return False
        self.journal.note("died", process=self.pid, note=str(self.process.returncode))
        self.process = None
        return True

    def send(self, number: signal.Signals) -> None:
        """Send the host a signal."""
        os.kill(self.pid, number)

    def text(self) -> str:
        """Give everything it has logged since its launch."""
        return self.log.read_bytes()[self._offset :].decode(errors="replace")

    def tail(self) -> str:
        """Give the last lines that any host of this cell has logged."""
        return self.log.read_bytes()[-3000:].decode(errors="replace") if self.log.exists() else ""
