"""Real ``jobhost serve`` processes for the walk: one with jobs in every state, and one that only forwards to it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

ROOT = Path(__file__).parents[4]
PLUGIN = Path(__file__).parent / "demo"
CONFIGURATION = ROOT / "config/santedb.config.xml"
CLIENT_CONFIGURATION = ROOT / "config/santedb.upstream.config.xml"
PASSWORD = "correct horse battery"
PEOPLE = {"ada": "administrator", "otto": "operator", "rita": "reader"}
"""Who signs in to a demo host: ``{name: role}``."""
LONGEST = 60.0
"""Seconds to wait for what must happen."""

SECRET = "hush-hush-4711"
"""What a secret parameter was given; stands on no page."""

_JOBS = ("Adds", "TakesAll", "Hostile", "Fails", "Waits", "Exclusive", "Skips", "Ignores", "Retries", "GivesUp")
_MORE_JOBS = ("Crashes", "Chatters", "Scheduled")


class DemoHost:
    """One host process with its own folder, and what a test asks of it outside the browser."""

    def __init__(self, folder: Path, configuration: str, **environment: str) -> None:
        self.folder, self.data = folder, folder / "data"
        self.config = folder / "host.config.xml"
        self.config.write_text(configuration)
        self._environment = {
            **os.environ,
            "PYTHONPATH": f"{PLUGIN}:{os.environ.get('PYTHONPATH', '')}".rstrip(":"),
            "PANEL_DEMO": str(folder),
            "JOBHOST_DATA": str(self.data),
            "JOBHOST_XCRON": str(folder / "xcron.xml"),
            "JOBHOST_PORT": str(_free_port()),  # a reload keeps it, so that pages stay where they are
            "NO_COLOR": "1",
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.gates = folder
        """Where its jobs look for the gates that they wait for."""
        self.told: dict[str, dict[str, str]] = {}
        """Ids by name, of ``runs`` and ``jobs``."""

    @property
    def url(self) -> str:
        """Give the address of its panel."""
        return (self.data / "http.url").read_text().strip().rstrip("/")

    def start(self) -> None:
        """Make the accounts, and start the process; returns when it listens."""
        self.data.mkdir(exist_ok=True)
        for name, role in PEOPLE.items():
            self.command("users", "add", name, "--role", role, "--password-stdin", words=f"{PASSWORD}\n")
        with (self.folder / "host.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "host", "serve", "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                cwd=self.folder,
            )
        self.wait("it is ready", lambda: "host ready" in self.log)

    def prepare(self) -> None:
        """Have its jobs brought into every state; ``told`` knows their ids then."""
        self.command("jobs", "start", "Prepare")
        self.wait("every state is there", (self.folder / "told.json").exists)
        self.told = json.loads((self.folder / "told.json").read_text())

    @property
    def log(self) -> str:
        """Give what it has written."""
        return (self.folder / "host.log").read_text(errors="replace")

    def command(self, *arguments: str, words: str = "") -> str:
        """Do a command of the command line; gives its output."""
        done = subprocess.run(
            [sys.executable, "-m", "host", *arguments, "--config", str(self.config)],
            input=words,
            capture_output=True,
            text=True,
            env=self._environment,
            cwd=self.folder,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def open_gate(self, name: str) -> None:
        """Let the jobs end that wait for a gate."""
        (self.gates / name).touch()

    def wait(self, what: str, is_so: Callable[[], bool]) -> None:
        """Wait until something is so; fails with what the host wrote."""
        end = time.monotonic() + LONGEST
        while not is_so():
            assert not self.has_ended(), f"the host ended before {what}:\n{self.log}"
            assert time.monotonic() < end, f"not seen: {what}\n{self.log}"
            time.sleep(0.05)

    @property
    def name(self) -> str:
        """Give what its panel calls it."""
        return socket.gethostname()

    def wait_for_end(self) -> None:
        """Wait until the process is over."""
        assert self._process is not None
        self._process.wait(LONGEST)

    def has_ended(self) -> bool:
        """Say whether the process is over."""
        return self._process is not None and self._process.poll() is not None

    def kill(self) -> None:
        """End the process."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(60)


def demo_host(folder: Path) -> DemoHost:
    """Give a host on the shipped configuration, with the demo jobs and schedules of every kind; not started."""
    rows = [f'      <add type="panel_demo:{name}" startType="never" />' for name in (*_JOBS, *_MORE_JOBS, "Prepares")]
    text = _once(CONFIGURATION.read_text(), "    </jobs>", "\n".join([*rows, "    </jobs>"]))
    text = _once(text, 'threadSlots="16"', 'threadSlots="16" processSlots="1"')
    impatient = '<section xsi:type="DispatcherConfigurationSection" cancelGrace="PT0.5S" />\n'
    text = _once(text, "</SanteDBConfiguration>", f"{impatient}</SanteDBConfiguration>")
    process = '      <add type="host.local.processes:ProcessJobExecutor" />\n    </serviceProviders>'
    text = _once(text, "    </serviceProviders>", process)
    (folder / "xcron.xml").write_text(_schedules())
    return DemoHost(folder, text)


def client_host(folder: Path, upstream: DemoHost) -> DemoHost:
    """Give a host that forwards to another one, on the shipped configuration of a client; not started."""
    told = json.loads(upstream.command("clients", "add", "jobhost-client", "--role", "administrator", "--json"))
    port = upstream.url.rpartition(":")[2]
    secret = {"JOBHOST_UPSTREAM_PORT": port, "JOBHOST_SECRET_UPSTREAM": told["secret"]}
    made = DemoHost(folder, CLIENT_CONFIGURATION.read_text(), **secret)
    made.gates, made.told = upstream.gates, upstream.told
    return made


def shift_day() -> datetime:
    """Give the next day whose clocks go forward in Prague, at noon there: half past two does not exist on it."""
    zone = ZoneInfo("Europe/Prague")
    noon = datetime.now(UTC).astimezone(zone).replace(hour=12, minute=0, second=0, microsecond=0)
    days = [noon + timedelta(days=number) for number in range(1, 400)]
    return next(day for day in days if day.dst() and not (day - timedelta(days=1)).dst())


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _schedules() -> str:
    day = shift_day()
    return f"""<?xml version="1.0"?>
<ArrayOfJobItemConfiguration xmlns:jh="urn:jobhost:xcron:1">
  <JobItemConfiguration type="panel_demo:Scheduled" startType="immediate">
    <schedule xmlns="http://santedb.org/configuration">
      <add type="interval" start="0001-01-01T00:00:00" interval="86400" />
      <add type="interval" start="0001-01-01T00:00:00" interval="43200" jh:mode="fixed_delay" />
      <add type="scheduled" days="Monday Tuesday" start="2026-01-26T23:00:00" jh:timezone="Europe/Prague" />
      <jh:add type="cron" expression="30 2 {day.day} {day.month} *" id="at the change" timezone="Europe/Prague" />
      <jh:add type="cron" expression="H H * * *" jitter="PT5M" misfire="skip" />
      <jh:add type="once" start="{day.year + 2}-01-01T00:00:00Z" />
    </schedule>
  </JobItemConfiguration>
  <JobItemConfiguration type="panel_demo:Adds" startType="immediate">
    <schedule xmlns="http://santedb.org/configuration">
      <jh:add type="cron" expression="0 3 1 1 *" parameters='{{"left": 1}}' />
    </schedule>
  </JobItemConfiguration>
</ArrayOfJobItemConfiguration>
"""


def _once(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the configuration"
    return text.replace(old, new)
