"""The page on services: its unit is valid, its commands run, and the host ends with the statuses it names."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path

import pytest

from tests.docs.follow import HOST_LOG, Terminal, follow
from tests.docs.pages import ROOT, block_of, blocks_of

PAGE = ROOT / "docs/howto/run-as-a-service.md"
UNIT = block_of(PAGE, "jobhost.service").text
PROGRAM = str(Path(sys.executable).parent / "jobhost")

pytestmark = pytest.mark.slow


def places(folder: Path) -> dict[str, str]:
    return {
        "sudo /opt": "/opt",
        "/opt/jobhost/bin/jobhost": PROGRAM,
        "/etc/jobhost": str(folder / "config"),
        "/var/lib/jobhost": str(folder / "var"),
    }


def unit(folder: Path) -> dict[str, str]:
    """Give the ``[Service]`` part of the unit, with this machine's places."""
    text = UNIT
    for there, here in places(folder).items():
        text = text.replace(there, here)
    parser = RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names in a unit are written in capitals
    parser.read_string(text)
    return dict(parser["Service"])


def test_systemd_has_nothing_to_say_about_the_unit(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    file = tmp_path / "jobhost.service"
    file.write_text(UNIT.replace("/opt/jobhost/bin/jobhost", PROGRAM))
    done = subprocess.run([program, "verify", str(file)], capture_output=True, text=True, check=False)

    told = [line for line in (done.stdout + done.stderr).splitlines() if file.name in line]
    assert told == []


def test_the_host_of_the_unit_starts_reloads_answers_and_stops(shipped: Path) -> None:
    service = unit(shipped)
    (shipped / "var").mkdir()
    log = shipped / HOST_LOG

    def begin(terminal: Terminal) -> None:
        terminal.run(f"export {service['Environment']}; umask {service['UMask']}")
        terminal.serve(f"echo $BASHPID > main.pid; exec {service['ExecStart']}")
        terminal.run("unset JOBHOST_DATA JOBHOST_XCRON; MAINPID=$(cat main.pid)")

    def end(terminal: Terminal) -> None:
        terminal.serve(service["ExecReload"])
        second = terminal.run(f"{service['Environment']} {service['ExecStart']} || echo status $?")
        assert "status 4" in second
        terminal.run("kill -TERM $MAINPID; wait $MAINPID")
        data = f"--data {shipped / 'var/data'}"
        assert "status 5" in terminal.run(f"{PROGRAM} status {data} || echo status $?")

    outputs = follow(PAGE, shipped, places=places(shipped), begin=begin, end=end)

    assert len(outputs) == 2
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    assert [line["event"] for line in lines].count("host ready") == 2
    assert lines[-1]["event"] == "host stopped"
    assert all(path.stat().st_mode & 0o077 == 0 for path in (shipped / "var/data").iterdir())


def test_a_configuration_that_cannot_be_used_is_not_tried_again(shipped: Path) -> None:
    service = unit(shipped)
    (shipped / "config/santedb.config.xml").write_text("nonsense")

    with Terminal(shipped) as terminal:
        assert "status 2" in terminal.run(f"{service['Environment']} {service['ExecStart']} || echo status $?")
    assert {"2", "4"} == set(service["RestartPreventExitStatus"].split())


def test_what_is_installed_is_there() -> None:
    blocks = [block.text for block in blocks_of(PAGE) if "pip install" in block.text]
    named = {word for text in blocks for word in re.findall(r"(?:\./|\bconfig/|/src/)[\w/.]+", text)}
    paths = {ROOT / word.removeprefix("/src/") for word in named}

    assert len(paths) == 3
    assert all(path.exists() for path in paths)


def test_the_container_runs_the_command_of_the_unit(tmp_path: Path) -> None:
    (dockerfile,) = [block.text for block in blocks_of(PAGE) if block.language == "dockerfile"]
    (command,) = re.findall(r"^CMD (.*)$", dockerfile, re.MULTILINE)
    (exec_start,) = re.findall(r"^ExecStart=(.*)$", UNIT, re.MULTILINE)

    assert json.loads(command) == ["jobhost", *shlex.split(exec_start)[1:]]
