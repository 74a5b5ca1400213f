"""What the tests of bad input share: refused commands, plugins as folders, configurations with something wrong."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.nursery import run_command

NAMESPACES = 'xmlns="http://santedb.org/configuration" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
JH = 'xmlns:jh="urn:jobhost:xcron:1"'

PLUGIN_HEAD = '''\
import asyncio, sys, threading, time
from uuid import UUID
from host.contracts.bus import MessageBus
from host.contracts.contract import Contract, Service, Settings
from host.contracts.jobs import Job
from host.hookspecs import hookimpl
from host.local.bus import LocalMessageBus
from host.model.jobs import JobParameter, OverlapPolicy
from host.model.runs import JobResult


class Mine(Job):
    """A job without fault."""

    async def run(self, context):
        return None

'''


def configuration(body: str = "", *, root: str = "") -> str:
    """Give a configuration file: the root's start tag is line 1, the body begins on line 2."""
    return f"<SanteDBConfiguration {NAMESPACES}{root}>\n{body}\n</SanteDBConfiguration>\n"


def providers(*rows: str) -> str:
    """Give the application section, each row on a line of its own after the first."""
    inner = "\n".join(rows)
    return (
        '<section xsi:type="ApplicationServiceContextConfigurationSection"><serviceProviders>\n'
        f"{inner}</serviceProviders></section>"
    )


def jobs(*rows: str) -> str:
    """Give the job section, each row on a line of its own after the first."""
    inner = "\n".join(rows)
    return f'<section xsi:type="JobConfigurationSection"><jobs>\n{inner}</jobs></section>'


def command(*arguments: str | Path, cwd: Path, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """Run the real command in a process of its own."""
    environment = {**os.environ, "COLUMNS": "400", "NO_COLOR": "1"}
    return run_command([*map(str, arguments)], environment=environment, folder=cwd, seconds=seconds)


def refused(done: subprocess.CompletedProcess[str], status: int) -> str:
    """Give what a refused command said, after making sure that it was refused in order: no traceback, no defect."""
    said = done.stdout + done.stderr
    assert done.returncode == status, said
    assert "Traceback" not in said
    assert "this is a defect" not in said
    return said


def check_and_serve(config: Path, status: int = 2) -> tuple[str, str]:
    """Give what ``check`` and ``serve`` say of a configuration that both refuse; ``check`` leaves stderr empty."""
    check = command("check", "--config", config.name, cwd=config.parent)
    serve = command("serve", "--config", config.name, cwd=config.parent)
    report = refused(check, 2)
    assert check.stderr == ""
    assert report.rstrip().endswith("is not in order")
    refusal = refused(serve, status)
    assert serve.stdout == ""
    assert refusal.startswith("error: ")
    return report, refusal


def plugin(folder: Path, name: str, code: str, *, head: str = PLUGIN_HEAD) -> Path:
    """Write a plugin as an installed distribution, ``<name>`` with dashes, version 2.1; give its folder."""
    info = folder / f"{name}-2.1.dist-info"
    info.mkdir(parents=True)
    (folder / f"{name}.py").write_text(head + code)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 2.1\n")
    (info / "entry_points.txt").write_text(f"[host.plugins]\n{name} = {name}\n")
    return folder


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    """Mount a small file system of its own on a folder; without the right to do so a skip, and on CI a failure."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode != 0:
        if os.environ.get("CI"):
            pytest.fail(f"mounting must work here: {done.stderr.decode()}")
        pytest.skip("mounting a file system needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
