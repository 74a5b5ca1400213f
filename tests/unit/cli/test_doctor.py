"""``jobhost doctor``: each thing it looks at, well and not."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import sqlite3
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from host.cli import doctor_machine, doctor_stores
from host.cli.doctor_machine import size_words, started_by_uptime
from host.cli.main import root
from host.local.clock import SystemClock
from host.local.directory import LOCK_NAME
from host.model.runs import RunState
from host.model.schedules import JobSchedule, ScheduleEntry
from tests.unit.cli.conftest import BROKEN, NOW, HostUnderTest, make_run

CONFIGURATION = """<SanteDBConfiguration xmlns="http://santedb.org/configuration"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<section xsi:type="ApplicationServiceContextConfigurationSection">
<serviceProviders>{providers}</serviceProviders></section>
<section xsi:type="DataDirectoryConfigurationSection" path="data" />
</SanteDBConfiguration>"""


def diagnose(*arguments: str) -> tuple[int, dict[str, tuple[str, str]]]:
    """Give the exit status, and ``{subject: (verdict, message)}``."""
    result = CliRunner().invoke(root, ["doctor", "--json", *arguments], env={"JOBHOST_DATA": None})
    assert result.exit_code in {0, 1}, result.output
    return result.exit_code, {each["subject"]: (each["verdict"], each["message"]) for each in json.loads(result.stdout)}


def printed(*arguments: str, columns: int = 120) -> Result:
    return CliRunner().invoke(root, ["doctor", *arguments], env={"JOBHOST_DATA": None, "COLUMNS": str(columns)})


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "santedb.config.xml"
    path.write_text(CONFIGURATION.format(providers=""))
    (tmp_path / "data").mkdir(mode=0o700)
    return path


@pytest.fixture
def running(host: HostUnderTest) -> HostUnderTest:
    host.memory.pid = os.getpid()
    host.folder.chmod(0o700)
    return host


def test_without_a_host_all_else_is_looked_at(config: Path) -> None:
    status, found = diagnose("--config", str(config))
    assert status == 0
    assert found["host"] == ("look", f"no host is running on {config.parent / 'data'}")
    assert {found[name][0] for name in ("configuration", "data directory", "lock", "versions", "clock")} == {"ok"}
    assert {"disk", "open files", "time zones", "plugins"} <= found.keys()
    assert list((config.parent / "data").iterdir()) == []


def test_people_read_a_table_with_hints_and_a_sum(config: Path) -> None:
    text = printed("--config", str(config)).stdout
    assert "look  host " in text
    assert "start one: jobhost serve" in text
    assert text.splitlines()[-1].startswith("0 failed, ")


def test_what_to_do_stays_indented_where_it_takes_several_lines(config: Path) -> None:
    (config.parent / "data").rmdir()
    lines = printed("--config", str(config), columns=44).stdout.splitlines()
    (first,) = [number for number, line in enumerate(lines) if "the first" in line]
    place = lines[first].index("the first")
    assert place == lines[0].index("FINDING") + 2
    assert lines[first + 1].startswith(" " * place)
    assert " ".join((lines[first] + lines[first + 1]).split()) == "the first `jobhost serve` makes it"


def test_what_is_to_be_done_about_several_findings_is_said_once(config: Path) -> None:
    rows = "".join(f'<add type="acme_bad:Bus{number}"/>' for number in range(3))
    config.write_text(CONFIGURATION.format(providers=rows))
    text = printed("--config", str(config), columns=400).stdout
    assert text.count("unknown provider") == 3
    assert text.count("jobhost plugins lists what is installed") == 1


def test_a_configuration_that_cannot_be_used_has_failed(config: Path) -> None:
    config.write_text(CONFIGURATION.format(providers='<add type="Nobody.Knows.This, Assembly"/>'))
    status, found = diagnose("--config", str(config))
    assert status == 1
    assert found["configuration"][0] == "FAILED"
    assert "Nobody.Knows.This" in found["configuration"][1]


def test_a_configuration_that_is_no_xml_is_told_and_the_rest_goes_on(config: Path) -> None:
    config.write_text("nonsense")
    status, found = diagnose("--config", str(config))
    assert status == 1
    assert found["data directory"][0] == "FAILED"
    assert found["versions"][0] == "ok"


def test_a_data_directory_others_may_enter_is_worth_a_look(config: Path) -> None:
    (config.parent / "data").chmod(0o755)
    assert diagnose("--config", str(config))[1]["data directory"][0] == "look"


def test_a_lock_that_is_held_by_nobody_who_answers_has_failed(config: Path) -> None:
    with (config.parent / "data" / LOCK_NAME).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        status, found = diagnose("--config", str(config))
    assert status == 1
    assert found["lock"] == ("FAILED", f"owned by process {os.getpid()}, which does not answer")


def test_little_space_is_worth_a_look_and_none_has_failed(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_machine, "FEW_BYTES", sys.maxsize)
    assert diagnose("--config", str(config))[1]["disk"][0] == "look"
    monkeypatch.setattr(doctor_machine, "NO_BYTES", sys.maxsize)
    assert diagnose("--config", str(config))[1]["disk"][0] == "FAILED"


def test_old_tools_are_told(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_machine, "OLDEST_SQLITE", (99, 0))
    monkeypatch.setattr(doctor_machine, "FEW_FILES", resource.getrlimit(resource.RLIMIT_NOFILE)[0] + 1)
    monkeypatch.setattr(doctor_machine, "OLD_ZONES_YEARS", -99)
    monkeypatch.setattr(doctor_machine, "EARLIEST_YEAR", 9999)
    status, found = diagnose("--config", str(config))
    assert status == 1
    verdicts = {name: found[name][0] for name in ("versions", "open files", "time zones", "clock")}
    assert verdicts == {"versions": "FAILED", "open files": "look", "time zones": "look", "clock": "FAILED"}


def store(folder: Path, name: str = "runs.sqlite") -> Path:
    path = folder / name
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t(x)")
        connection.executemany("INSERT INTO t VALUES(?)", [("x" * 500,)] * 2000)
    connection.close()
    return path


def test_stores_are_checked_without_leaving_files_beside_them(config: Path) -> None:
    path = store(config.parent / "data")
    verdict, message = diagnose("--config", str(config))[1]["store runs"]
    assert (verdict, message.endswith(", log 0 B, sound")) == ("ok", True)
    assert [each.name for each in path.parent.iterdir()] == ["runs.sqlite"]


def test_a_damaged_store_has_failed(config: Path) -> None:
    path = store(config.parent / "data")
    with path.open("r+b") as file:
        file.seek(4096 * 20)
        file.write(b"\xff" * 4096 * 10)
    store(path.parent, "registry.sqlite")
    (path.parent / "run-log.sqlite").write_bytes(b"not a database at all" * 100)
    status, found = diagnose("--config", str(config))
    assert status == 1
    verdicts = {name: found[f"store {name}"][0] for name in ("runs", "registry", "run-log")}
    assert verdicts == {"runs": "FAILED", "registry": "ok", "run-log": "FAILED"}


def test_a_store_too_large_to_check_now_is_worth_a_look(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(config.parent / "data")
    monkeypatch.setattr(doctor_stores, "CHECK_SECONDS", -1.0)
    monkeypatch.setattr(doctor_stores, "_STEPS", 1)
    verdict, message = diagnose("--config", str(config))[1]["store runs"]
    assert verdict == "look"
    assert "not checked to the end" in message


def test_a_large_log_is_worth_a_look(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = store(config.parent / "data")
    monkeypatch.setattr(doctor_stores, "LARGE_LOG_BYTES", 1)
    reader = sqlite3.connect(path)
    reader.execute("PRAGMA journal_mode=WAL")
    reader.execute("INSERT INTO t VALUES('y')")
    reader.commit()
    verdict, message = diagnose("--config", str(config))[1]["store runs"]
    reader.close()
    assert (verdict, "the log is large" in message) == ("look", True)


def test_a_running_hosts_troubles_are_told(running: HostUnderTest) -> None:
    crashed = make_run(4, BROKEN, RunState.QUEUED, crashes=2)
    running.memory.schedules[BROKEN.job_type] = ScheduleEntry(
        job_type=BROKEN.job_type, schedules=(JobSchedule.once(NOW - timedelta(days=2)),), version="1"
    )
    running.memory.pauses["job:demo:Broken"] = "repair"
    stuck = make_run(3, BROKEN, RunState.RUNNING, is_stuck=True)
    late = make_run(600, BROKEN, RunState.QUEUED)
    failures = [make_run(number, BROKEN, RunState.FAILED) for number in (10, 11, 12)]
    for run in (stuck, late, crashed, *failures):
        running.memory.runs[run.id] = run
    _, found = diagnose("--data", str(running.folder))
    assert found["host"][0] == "ok"
    assert found["lock"] == ("ok", f"owned by process {os.getpid()}")
    assert found["provider Server"] == ("look", "the certificate ends in 3 days")
    assert found["pauses"][1].startswith("Broken: repair (by kim, ")
    assert "never fires again" in found["schedules"][1]
    assert "ignores its cancellation" in found["stuck runs"][1]
    assert found["crashed runs"][1] == "demo:Broken: a run has brought down its host or process 2 of 3 times"
    assert "the oldest was due" in found["late runs"][1]
    assert found["failing jobs"] == ("look", "Broken: its last 3 runs failed")


def test_a_host_without_troubles_is_well(running: HostUnderTest) -> None:
    _, found = diagnose("--data", str(running.folder))
    asked = ("host", "pauses", "schedules", "stuck runs", "crashed runs", "late runs", "failing jobs")
    assert {found[name][0] for name in asked} == {"ok"}


def test_a_schedule_in_no_zone_there_is_has_failed(running: HostUnderTest) -> None:
    rule = replace(JobSchedule.cron("0 3 * * *"), timezone="Mars/Olympus")
    running.memory.schedules[BROKEN.job_type] = ScheduleEntry(job_type=BROKEN.job_type, schedules=(rule,), version="1")
    status, found = diagnose("--data", str(running.folder))
    assert status == 1
    assert found["schedules"][0] == "FAILED"


def test_a_clock_that_was_set_since_the_host_started_is_told(running: HostUnderTest) -> None:
    # The host in memory claims to have started two hours ago; this process is younger.
    verdict, message = diagnose("--data", str(running.folder))[1]["clock steps"]
    assert verdict == "look"
    assert message.startswith("it was set on by about ")


def test_a_process_began_before_now_and_not_long_ago() -> None:
    began = started_by_uptime(os.getpid())
    assert began is not None
    assert timedelta(0) < SystemClock().now() - began < timedelta(hours=1)
    assert started_by_uptime(2**22 + 1) is None


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (200 * 1024**2, "200 MiB"), (3 * 1024**4, "3.0 TiB")],
)
def test_sizes_are_told_in_their_largest_unit(size: int, words: str) -> None:
    assert size_words(size) == words
