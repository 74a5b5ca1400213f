"""A host as a process: what signals do, and that it always ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.kernel.serve import SAME_SIGNAL_SECONDS

pytestmark = pytest.mark.slow

PROGRAM = """
import asyncio, sys, threading, time
from pathlib import Path

from host.contracts.contract import Contract, Service
from host.contracts.host import HostControl
from host.contracts.jobs import Job
from host.engine.dispatcher import HostedDispatcher
from host.kernel import serve
from host.kernel.host import Host
from host.kernel.log import configure_logging
from host.testing.host import catalogue_with, write_configuration


class DeafThread(Job):
    "Never looks."
    def run(self, context):
        print("job began", flush=True)
        threading.Event().wait()


class DeafCoroutine(Job):
    "Swallows every cancellation."
    async def run(self, context):
        print("job began", flush=True)
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                pass


class DeafHelper(Job):
    "Blocks a thread of the loop's own."
    async def run(self, context):
        print("job began", flush=True)
        await asyncio.to_thread(threading.Event().wait)


class Waiting(Job):
    "Waits to be cancelled."
    async def run(self, context):
        print("job began", flush=True)
        await asyncio.Event().wait()


class Draining(Job):
    "Asks its host to drain, and takes a moment."
    def __init__(self, host: HostControl):
        self.host = host

    async def run(self, context):
        await self.host.drain()
        await asyncio.sleep(0.1)
        print("job began", flush=True)
        await asyncio.sleep(0.5)
        print("job ended", flush=True)


class Hanging(Contract, Service):
    "Does not come to an end of its start."
    async def start(self):
        print("start hangs", flush=True)
        await asyncio.Event().wait()

    async def stop(self):
        print("start undone", flush=True)


class HangingLater(Hanging):
    "Comes to an end of its first start."
    starts = 0

    async def start(self):
        HangingLater.starts += 1
        if HangingLater.starts > 1:
            await super().start()


class Quick(Job):
    "Nothing."
    async def run(self, context): ...


folder, name, drain = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
job = Quick if name.startswith("Hanging") else globals()[name]
providers = [globals()[name]] if name.startswith("Hanging") else []
sections = f'''<section xsi:type="HostConfigurationSection" drain="{drain}" />
<section xsi:type="JobConfigurationSection"><jobs>
  <add type="__main__:{job.__name__}" startType="immediate" />
</jobs></section>'''
HostedDispatcher.stop_seconds = 0.6
serve.LEAVE_SECONDS = 0.5
configure_logging("console")
config = write_configuration(folder, providers=providers, sections=sections)
host = Host.from_file(config, catalogue=catalogue_with([job], providers))
sys.exit(asyncio.run(serve._serve_and_leave(host, time.monotonic())))
"""


class Serving:
    """The process, and what it says."""

    def __init__(self, folder: Path, job: str, drain: str, stdin: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(folder), job, drain],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""
        self._grew = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._grew:
                self.said += line
                self._grew.notify_all()

    def wait_said(self, *texts: str) -> None:
        with self._grew:
            assert self._grew.wait_for(lambda: all(text in self.said for text in texts), 60), self.said

    def wait_ready(self, times: int) -> None:
        with self._grew:
            assert self._grew.wait_for(lambda: self.said.count("host ready") >= times, 60), self.said

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(60)
        self._reader.join(60)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def ended(self, seconds: float) -> int:
        status = self.process.wait(seconds)
        self._reader.join(60)
        return status


@pytest.fixture
def serving(tmp_path: Path) -> Iterator:
    processes: list[Serving] = []

    def begin(job: str, drain: str = "PT0.1S", stdin: int = subprocess.DEVNULL) -> Serving:
        processes.append(Serving(tmp_path, job, drain, stdin))
        return processes[-1]

    yield begin
    for each in processes:
        each.close()


@pytest.mark.parametrize("job", ["DeafThread", "DeafCoroutine", "DeafHelper"])
def test_a_process_ends_although_a_job_never_does(serving, job: str) -> None:
    host = serving(job)
    host.wait_said("host ready", "job began")
    host.signal()

    assert host.ended(60) == 0
    assert "host stopped" in host.said


def test_signals_while_the_process_leaves_change_nothing(serving) -> None:
    host = serving("DeafThread")
    host.wait_said("host ready", "job began")
    host.signal()
    host.wait_said("host stopped")
    while host.process.poll() is None:
        host.signal(signal.SIGTERM)
        host.signal(signal.SIGINT)
        time.sleep(0.001)

    assert host.ended(60) == 0
    assert "Traceback" not in host.said


def test_a_second_signal_cuts_the_drain_short(serving) -> None:
    host = serving("Waiting", "PT10M")
    host.wait_said("host ready", "job began")
    host.signal()
    host.wait_said("host draining")
    time.sleep(SAME_SIGNAL_SECONDS + 0.1)
    host.signal()

    assert host.ended(60) == 0
    assert "stopped at once" in host.said


def test_a_signal_that_comes_twice_at_once_is_one(serving) -> None:
    host = serving("Waiting", "PT1S")
    host.wait_said("host ready", "job began")
    host.signal()
    host.signal()

    assert host.ended(60) == 0
    assert "host stopped" in host.said
    assert "stopped at once" not in host.said


def test_the_first_signal_does_not_cut_a_drain_short_that_was_asked_for_otherwise(serving) -> None:
    host = serving("Draining", "PT10M")
    host.wait_said("host draining", "job began")
    host.signal()

    assert host.ended(60) == 0
    assert "job ended" in host.said
    assert "host stopped" in host.said


def test_a_signal_during_the_start_undoes_it(serving) -> None:
    host = serving("Hanging")
    host.wait_said("start hangs")
    host.signal()

    assert host.ended(60) == 0
    assert "start undone" in host.said
    assert "stopped at once" in host.said


def test_a_hangup_reloads_and_the_process_goes_on(serving) -> None:
    host = serving("Quick")
    host.wait_said("host ready")
    host.signal(signal.SIGHUP)
    host.wait_said("reload begun", "by=SIGHUP")
    host.wait_ready(2)
    host.signal()

    assert host.ended(60) == 0
    assert host.said.count("host ready") == 2
    assert "host stopped" in host.said


def test_a_hangup_of_a_terminal_that_was_closed_ends_the_host(serving) -> None:
    master, slave = os.openpty()
    host = serving("Quick", stdin=slave)
    os.close(slave)
    host.wait_said("host ready")
    host.signal(signal.SIGHUP)
    host.wait_ready(2)
    os.close(master)
    host.signal(signal.SIGHUP)

    assert host.ended(60) == 0
    assert host.said.count("host ready") == 2
    assert "host stopped" in host.said


def test_a_signal_while_the_host_drains_for_a_reload_lets_none_follow(serving) -> None:
    host = serving("Waiting", "PT1S")
    host.wait_said("host ready", "job began")
    host.signal(signal.SIGHUP)
    host.wait_said("host draining")
    host.signal()

    assert host.ended(60) == 0
    assert host.said.count("host ready") == 1
    assert "host stopped" in host.said
    assert "stopped at once" not in host.said


def test_a_second_signal_cuts_the_drain_for_a_reload_short(serving) -> None:
    host = serving("Waiting", "PT10M")
    host.wait_said("host ready", "job began")
    host.signal(signal.SIGHUP)
    host.wait_said("host draining")
    host.signal()
    time.sleep(SAME_SIGNAL_SECONDS + 0.1)
    host.signal()

    assert host.ended(60) == 0
    assert host.said.count("host ready") == 1
    assert "stopped at once" in host.said


def test_a_signal_while_the_next_host_starts_undoes_it(serving) -> None:
    host = serving("HangingLater")
    host.wait_said("host ready")
    host.signal(signal.SIGHUP)
    host.wait_said("start hangs")
    host.signal()

    assert host.ended(60) == 0
    assert "start undone" in host.said
    assert "stopped at once" in host.said


UNTORN = """
import atexit, sys, threading, time
from host.cli import main
from host.kernel import serve

def told(config, **options):
    atexit.register(print, "an exit function")
    thread = threading.Thread(target=lambda: (time.sleep(0.2), print("a thread")))
    thread.start()
    return 3

class Torn:
    def __del__(self):
        print("torn down")

kept = Torn()
serve.Host.from_file = lambda *given, **more: None
serve.asyncio.run = lambda ends: (ends.close(), told(None))[1]
sys.argv[1:] = ["serve", "--config", "c.xml"]
main.main()
"""


def test_a_process_that_was_a_host_ends_after_its_threads_and_before_it_is_torn_down() -> None:
    done = subprocess.run([sys.executable, "-c", UNTORN], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (3, "a thread\nan exit function\n", "")
