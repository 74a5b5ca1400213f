"""Starts hosts and commands that need not import anything: each is a fork of one process that has imported it all.

What a fork does from ``main`` on is what any process of the command does, in a process of its own: it reads its
configuration, takes the lock, opens its stores. Only Python's own start and imports are spared; tests of the shipped
configuration, of the documentation and of the command itself start fresh processes.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOOK_SECONDS = 0.005
FRESH = ("LD_", "PYTHON", "MALLOC_")
"""Beginnings of variables that only a new process heeds; PYTHONPATH is put in force in forks, too."""


class ForkedProcess:
    """A process that the nursery has forked; the part of ``subprocess.Popen`` that tests use."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._nursery = nursery

    def poll(self) -> int | None:
        """Give its exit status if it has ended."""
        if self.returncode is None:
            self.returncode = self._nursery.ask("poll", self.pid)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it; it stays a process id of its own until it has been waited for."""
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended; raises subprocess.TimeoutExpired."""
        end = time.monotonic() + timeout if timeout is not None else float("inf")
        while (status := self.poll()) is None:
            if time.monotonic() >= end:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            time.sleep(LOOK_SECONDS)
        return status


class Nursery:
    """The process that forks the others."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.nursery"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)
        self._asking = threading.Lock()

    def fork(
        self, arguments: Sequence[str], *, environment: Mapping[str, str], folder: Path, out: Path, err: Path
    ) -> ForkedProcess:
        """Run the command with these arguments in a folder; what it says is added to the files."""
        return ForkedProcess(
            self, self.ask("fork", [list(arguments), dict(environment), str(folder), str(out), str(err)])
        )

    def ask(self, what: str, about: object) -> Any:
        """Send a request and give its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._asking:
            self._process.stdin.write(json.dumps([what, about]) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End the process; those that it has forked go on."""
        with self._process:
            self._process.kill()


@cache
def nursery() -> Nursery:
    """Give the one of this test process."""
    found = Nursery()
    atexit.register(found.close)
    return found


def may_fork(environment: Mapping[str, str]) -> bool:
    """Say whether a fork would be what a new process with this environment is."""
    return all(
        os.environ.get(name) == value
        for name, value in environment.items()
        if name.startswith(FRESH) and name != "PYTHONPATH"
    )


def run_command(
    arguments: Sequence[str], *, environment: Mapping[str, str], folder: Path, seconds: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, as ``subprocess.run`` with captured texts; raises subprocess.TimeoutExpired."""
    if not may_fork(environment):
        fresh = [sys.executable, "-m", "host", *arguments]
        return subprocess.run(
            fresh, capture_output=True, text=True, env=environment, cwd=folder, timeout=seconds, check=False
        )
    with tempfile.TemporaryDirectory() as place:
        out, err = Path(place) / "out", Path(place) / "err"
        process = nursery().fork(arguments, environment=environment, folder=folder, out=out, err=err)
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        return subprocess.CompletedProcess([*arguments], status, out.read_text(), err.read_text())


def main() -> None:
    """Answer requests until nobody asks any more."""
    _import_all()
    for line in sys.stdin:
        what, about = json.loads(line)
        if what == "fork":
            pid = os.fork()
            if pid == 0:
                _become(*about)
                from host.cli.main import main as command

                command()
            answer: int | None = pid
        else:
            pid, status = os.waitpid(about, os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _import_all() -> None:
    import pkgutil

    from host.kernel.catalogue import load_catalogue

    load_catalogue()
    for name in ("host", "host_maintenance", "host_rest", "host_panel", "host_upstream"):
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not module.name.endswith("__main__") and not module.name.startswith("host.testing"):
                importlib.import_module(module.name)


def _become(arguments: list[str], environment: dict[str, str], folder: str, out: str, err: str) -> None:
    """Make a process of the fork: where it is, what it sees and says, what it is asked, and dice of its own."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    paths = [path for path in environment.get("PYTHONPATH", "").split(":") if path]
    sys.path[0:1] = [folder, *paths]
    importlib.invalidate_caches()
    files = [os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) for path in (out, err)]
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, *files)):
        os.dup2(descriptor, number)
    for descriptor in (nothing, *files):
        os.close(descriptor)
    sys.argv[:] = ["jobhost", *arguments]
    random.seed()


if __name__ == "__main__":
    main()
