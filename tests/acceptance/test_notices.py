"""A real host tells a real mail server, and goes on where there is none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.acceptance.hostprocess import HostProcess
from tests.unit.local.smtp_server import Mail, SmtpServer

pytestmark = pytest.mark.slow

BOTH = """
      <add type="host.local.notifiers:LogNotifier" />
      <add type="host.local.notifiers:SmtpNotifier" />"""
SECTIONS = """
  <section xsi:type="NoticeConfigurationSection" failingAfter="2" />
  <section xsi:type="DispatcherConfigurationSection" cancelGrace="PT0.2S" />
  <section xsi:type="SmtpNotifierConfigurationSection" host="127.0.0.1" port="{port}" security="none"
           sender="jobs@example.org" recipients="ops@example.org" instance="test" />"""
MakeHost = Callable[..., HostProcess]


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


def mails(server: SmtpServer, number: int, seconds: float = 60) -> list[Mail]:
    """Wait for so many mails."""
    end = time.monotonic() + seconds
    while len(server.mails) < number and time.monotonic() < end:
        time.sleep(0.02)
    assert len(server.mails) == number, [mail.subject for mail in server.mails]
    return server.mails


def run_bad(host: HostProcess, how: str, *flags: str) -> str:
    """Start the misbehaving job; gives the run's id."""
    done = host.json("jobs", "start", "probe_jobs:Bad", "--param", f"how={how}", *flags)
    assert isinstance(done, dict)
    return str(done["id"])


def test_a_job_that_fails_and_recovers_is_told_by_mail_and_in_the_log(make_host: MakeHost, server: SmtpServer) -> None:
    host = make_host(providers=BOTH, sections=SECTIONS.format(port=server.port))
    host.start()
    run_bad(host, "raises")
    second = run_bad(host, "raises")
    (failing,) = mails(server, 1)
    assert failing.subject == "[jobhost test] job probe_jobs:Bad is failing: 2 runs in a row"
    assert failing.recipients == ["ops@example.org"]
    assert f"Latest error, of run {second}: ValueError: the disk caught fire" in failing.text
    host.wait_for("job probe_jobs:Bad is failing: 2 runs in a row")

    # What it says is to be done can be done.
    (log,) = [line.strip() for line in failing.text.splitlines() if "runs log" in line]
    assert "the disk caught fire" in host.run(*log.split()[1:]).stdout
    run_bad(host, "floods_progress")
    _, recovered = mails(server, 2)
    assert recovered.subject == "[jobhost test] job probe_jobs:Bad has recovered after 2 failed runs"
    assert host.terminate() == 0


def test_a_streak_goes_on_over_a_restart(make_host: MakeHost, server: SmtpServer) -> None:
    host = make_host(providers=BOTH, sections=SECTIONS.format(port=server.port))
    host.start()
    run_bad(host, "raises")
    host.wait_for("run failed")
    host.terminate()
    host.start()
    run_bad(host, "raises")
    (failing,) = mails(server, 1)
    assert "2 runs in a row" in failing.subject
    assert "before this host started" in failing.text


def test_a_stuck_run_is_told(make_host: MakeHost, server: SmtpServer) -> None:
    host = make_host(providers=BOTH, sections=SECTIONS.format(port=server.port))
    host.start()
    run = run_bad(host, "swallows_cancellation")
    host.run("runs", "cancel", run)
    (stuck,) = mails(server, 1)
    assert stuck.subject == "[jobhost test] run of probe_jobs:Bad is stuck"
    assert run in stuck.text


def test_without_its_mail_server_a_host_goes_on_and_the_log_still_tells(make_host: MakeHost) -> None:
    with SmtpServer() as gone:
        port = gone.port
    host = make_host(providers=BOTH, sections=SECTIONS.format(port=port))
    host.start()
    for _ in range(2):
        run_bad(host, "raises")
    host.wait_for("job probe_jobs:Bad is failing")
    run_bad(host, "floods_progress")
    host.wait_for("has recovered after 2 failed runs")
    assert host.terminate() == 0
    assert "notices not delivered before the stop" in host.log.read_text()


def test_the_log_tells_where_nothing_is_configured(host: HostProcess) -> None:
    for _ in range(3):
        run_bad(host, "raises")
    host.wait_for("job probe_jobs:Bad is failing: 3 runs in a row")


def test_a_password_is_shown_nowhere(make_host: MakeHost, server: SmtpServer) -> None:
    password = "correct-horse-battery"
    section = SECTIONS.format(port=server.port).replace(
        'security="none"', 'security="starttls" user="jobs" password="${file:smtp.password}"'
    )
    host = make_host(providers=BOTH, sections=section)
    (host.folder / "smtp.password").write_text(f"{password}\n")
    host.start()
    for _ in range(2):
        run_bad(host, "raises")
    host.wait_for("job probe_jobs:Bad is failing")
    shown = host.run("check").stdout + host.run("status").stdout
    host.terminate()
    assert password not in shown + host.log.read_text()
    assert not server.mails  # it has no STARTTLS
