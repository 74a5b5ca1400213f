"""Status, plugins, check, drain, backup: what operators do to a whole host."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from host.cli.main import root
from tests.unit.cli.conftest import HostUnderTest


def test_status_shows_health_where_there_is_something_to_say(host: HostUnderTest) -> None:
    text = host.printed("status")
    assert "2 h ago" in text
    assert "3 queued, 1 running" in text
    assert "the certificate ends in 3 days" in text
    assert json.loads(host.printed("status", "--json"))["executors"][0]["slots"] == 100


@pytest.mark.parametrize("columns", [80, 200])
def test_status_tells_a_finding_in_one_piece(host: HostUnderTest, columns: int) -> None:
    lines = [line.rstrip() for line in host.printed("status", columns=columns).splitlines()]
    (row,) = [line for line in lines if line.startswith("Server ")]
    assert row.split() == ["Server", "c.xml:8", "look"]
    assert lines[-2:] == ["Findings", "Server: the certificate ends in 3 days"]


def test_plugins_come_from_the_running_host(host: HostUnderTest) -> None:
    text = host.printed("plugins")
    assert "ImportError: no" in text
    assert [plugin["name"] for plugin in json.loads(host.printed("plugins", "--json"))] == ["bad", "rest"]


@pytest.mark.slow
def test_plugins_without_a_host_are_those_installed(tmp_path: Path) -> None:
    result = CliRunner().invoke(root, ["plugins", "--json", "--data", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert {"engine", "local"} <= {plugin["name"] for plugin in json.loads(result.stdout)}


def test_drain_says_who_asked(host: HostUnderTest) -> None:
    assert host.printed("drain") == "the host drains\n"
    assert len(host.memory.drained_by) == 1
    assert host.memory.drained_by[0]


@pytest.mark.slow
def test_drain_waits_until_neither_the_socket_nor_the_process_is_there(host: HostUnderTest) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    host.memory.pid = ended.pid
    host.memory.on_drain = host.stop
    assert host.printed("drain", "--wait") == "the host has ended\n"
    assert host("status").exit_code == 5


def test_colours_are_for_terminals_and_never_with_no_color(filled: HostUnderTest) -> None:
    assert "\x1b[31mfailed" in filled("runs", "list", FORCE_COLOR="1", TERM="xterm").stdout
    assert "\x1b" not in filled("runs", "list").stdout
    assert "\x1b[31m" not in filled("runs", "list", FORCE_COLOR="1", TERM="xterm", NO_COLOR="1").stdout


def test_backup_is_asked_for_by_an_absolute_folder(host: HostUnderTest) -> None:
    text = host.printed("backup", "--to", "copies")
    assert host.memory.backups == [Path.cwd() / "copies"]
    assert text == f"{Path.cwd()}/copies/a.tar.gz: 3 files, 1,234,567 bytes\ndeleted old.tar.gz\n"
    assert json.loads(host.printed("backup", "--json"))["bytes"] == 1234567


def test_a_configuration_that_is_missing_is_not_clean(tmp_path: Path) -> None:
    for arguments in (["check"], ["check", "--json"]):
        result = CliRunner().invoke(root, [*arguments, "--config", str(tmp_path / "none.xml")])
        assert result.exit_code == 2
        assert "Traceback" not in result.output
        assert "none.xml" in result.stdout


def test_check_lists_what_a_configuration_names(tmp_path: Path) -> None:
    config = tmp_path / "santedb.config.xml"
    config.write_text(
        '<SanteDBConfiguration xmlns="http://santedb.org/configuration"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        '<section xsi:type="ApplicationServiceContextConfigurationSection"><serviceProviders>\n'
        '<add type="Nobody.Knows.This, Assembly"/>\n'
        "</serviceProviders></section></SanteDBConfiguration>"
    )
    result = CliRunner().invoke(root, ["check", "--config", str(config)], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert "Nobody.Knows.This" in result.stdout
    assert f"{config}:2" in result.stdout
    report = json.loads(CliRunner().invoke(root, ["check", "--config", str(config), "--json"]).stdout)
    assert report["is_clean"] is False
    assert any("Nobody.Knows.This" in problem["message"] for problem in report["unknown"])


def test_check_says_once_what_several_rows_have_in_common(tmp_path: Path) -> None:
    config = tmp_path / "santedb.config.xml"
    config.write_text(
        '<SanteDBConfiguration xmlns="http://santedb.org/configuration"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        '<section xsi:type="JobConfigurationSection"><jobs>\n'
        '<add type="acme_bad:One" startType="never"/>\n<add type="acme_bad:Two" startType="never"/>\n'
        "</jobs></section></SanteDBConfiguration>"
    )
    lines = CliRunner().invoke(root, ["check", "--config", str(config)], env={"COLUMNS": "200"}).stdout.splitlines()
    place = lines.index("No equivalent here")
    assert lines[place + 1 : place + 4] == [
        f"  {config}:2: unknown job acme_bad:One",
        f"  {config}:3: unknown job acme_bad:Two",
        "    jobhost plugins lists what is installed",
    ]


def test_check_breaks_no_name_in_a_narrow_terminal(tmp_path: Path) -> None:
    environment = {"COLUMNS": "80", "JOBHOST_DATA": str(tmp_path)}
    text = CliRunner().invoke(root, ["check"], env=environment).stdout
    assert "host.engine.dispatcher:HostedDispatcher" in text
    assert "host_maintenance.optimise:OptimiseStores" in text


def test_an_archive_that_is_missing_is_not_restored(tmp_path: Path) -> None:
    result = CliRunner().invoke(root, ["restore", str(tmp_path / "none.tar.gz")])
    assert result.exit_code == 2
