"""Completion in a shell: what is offered, and that nothing is where no host answers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import CliRunner

from host.cli.main import root
from host.contracts.host import SOCKET_NAME
from tests.unit.cli.conftest import BROKEN, HostUnderTest

VARIABLE = "_JOBHOST_COMPLETE"


def offered(*words: str, data: Path | None = None, modules: bool = False) -> list[str]:
    """Give what is offered for the last of these words."""
    code = "from host.cli.main import root\nroot(prog_name='jobhost')"
    if modules:
        code = f"import sys\ntry:\n  exec({code!r})\nfinally:\n  print(*sys.modules, sep=chr(10), file=sys.stderr)"
    environment = {
        **os.environ,
        VARIABLE: "bash_complete",
        "COMP_WORDS": "\n".join(("jobhost", *words)),
        "COMP_CWORD": str(len(words)),
        **({"JOBHOST_DATA": str(data)} if data else {}),
    }
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    if modules:
        return done.stderr.split()
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_asks_jobhost(shell: str) -> None:
    result = CliRunner().invoke(root, ["completion", shell])
    assert result.exit_code == 0
    assert f"{VARIABLE}={shell}_complete" in result.stdout


def test_another_shell_is_refused() -> None:
    assert CliRunner().invoke(root, ["completion", "tcsh"]).exit_code == 2


@pytest.mark.slow
def test_bash_reads_the_script_and_completes_a_command(tmp_path: Path) -> None:
    program = tmp_path / "jobhost"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m host "$@"\n')
    program.chmod(0o755)
    script = (
        "source <(jobhost completion bash); COMP_WORDS=(jobhost dr); COMP_CWORD=1; _jobhost_completion jobhost;"
        ' echo "${COMPREPLY[@]}"; complete -p jobhost'
    )
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.splitlines()[0] == "drain"
    assert "_jobhost_completion" in done.stdout


@pytest.mark.slow
def test_commands_and_options_are_offered() -> None:
    assert offered("do") == ["doctor"]
    assert {"cancel", "retry", "release", "amend"} <= set(offered("runs", ""))
    assert "--idempotency-key" in offered("jobs", "start", "--")
    assert offered("runs", "list", "--state", "qu") == ["queued", "quarantined"]


@pytest.mark.slow
def test_names_of_commands_are_offered_without_importing_them() -> None:
    found = offered("", modules=True)
    assert "host.cli.lazy" in found
    assert not {"host.cli.jobs", "host.cli.runs", "asyncio", "msgspec", "rich"} & set(found)


@pytest.mark.slow
def test_names_of_jobs_come_from_the_running_host(host: HostUnderTest) -> None:
    assert offered("jobs", "start", "", data=host.folder) == ["Broken", "PruneHistory"]
    assert offered("jobs", "show", "pru", data=host.folder) == ["PruneHistory"]
    assert offered("runs", "list", "--job", "Br", data=host.folder) == ["Broken"]
    host.memory.jobs.append(replace(BROKEN, id=UUID(int=8), job_type="other:Broken"))
    assert offered("jobs", "start", "", data=host.folder) == ["demo:Broken", "PruneHistory", "other:Broken"]


@pytest.mark.slow
def test_nothing_is_offered_where_no_host_runs(tmp_path: Path) -> None:
    assert offered("jobs", "start", "", data=tmp_path) == []


@pytest.mark.slow
def test_a_host_that_does_not_answer_is_not_waited_for(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / SOCKET_NAME))
        silent.listen()
        began = time.monotonic()
        assert offered("jobs", "start", "", data=tmp_path) == []
        assert time.monotonic() - began < 10
