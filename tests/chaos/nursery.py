"""Starts hosts that need not import anything: each is a fork of one process that has imported it all.

What a forked host does from ``main`` on is what any host does: it reads its configuration, takes the lock, opens its
stores, rescues what the last one left. A kill at a random moment of its start meets that, and not Python's imports.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.acceptance.hostprocess import ROOT


class ForkedHost:
    """A host that the nursery has forked; the part of ``subprocess.Popen`` that a host of tests is used by."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._nursery = nursery

    def poll(self) -> int | None:
        """Give its exit status if it has ended."""
        if self.returncode is None:
            self.returncode = self._nursery.ask("poll", self.pid)
        return self.returncode

    def kill(self) -> None:
        """Kill it; it stays a process id of its own until it has been waited for."""
        os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended."""
        if self.returncode is None:
            self.returncode = self._nursery.ask("wait", self.pid)
        return self.returncode


class Nursery:
    """The process that forks hosts; ``close`` ends it, once its hosts have ended."""

    def __init__(self, environment: dict[str, str]) -> None:
        command = [sys.executable, "-m", "tests.chaos.nursery"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment, cwd=ROOT)

    def fork(self, arguments: Sequence[str], *, folder: Path, log: Path) -> ForkedHost:
        """Start a host with these arguments of the command, in a folder, with all it says added to a log."""
        return ForkedHost(self, self.ask("fork", [list(arguments), str(folder), str(log)]))

    def ask(self, what: str, about: object) -> Any:
        """Send a request and give its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([what, about]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        with self._process:
            self._process.kill()


def main() -> None:
    """Answer requests until nobody asks any more."""
    import host.cli.serve
    from host.cli.main import main as command
    from host.kernel.catalogue import load_catalogue

    assert host.cli.serve.serve
    load_catalogue()
    sys.argv[0] = "jobhost"
    for line in sys.stdin:
        what, about = json.loads(line)
        if what == "fork":
            pid = os.fork()
            if pid == 0:
                _become(*about)
                command()
            answer: int | None = pid
        else:
            pid, status = os.waitpid(about, os.WNOHANG if what == "poll" else 0)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _become(arguments: list[str], folder: str, log: str) -> None:
    """Make a host of the fork: where it is, what it says, what it is asked, and dice of its own."""
    os.chdir(folder)
    nothing, file = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for number, descriptor in enumerate((nothing, file, file)):
        os.dup2(descriptor, number)
    os.close(nothing)
    os.close(file)
    sys.argv[1:] = arguments
    random.seed()


if __name__ == "__main__":
    main()
