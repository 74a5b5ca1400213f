"""What pages take for granted: the command, and the folder of a host."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.follow import Terminal
from tests.docs.pages import ROOT

CONFIGURATION = """<?xml version="1.0" encoding="utf-8"?>
<SanteDBConfiguration xmlns="http://santedb.org/configuration" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <section xsi:type="ApplicationServiceContextConfigurationSection">
    <serviceProviders><add type="SanteDB.Core.Jobs.DefaultJobManagerService, SanteDB.Core.Api" />
{providers}
    </serviceProviders>
  </section>
  <section xsi:type="DataDirectoryConfigurationSection" path="data" />
{sections}
  <section xsi:type="JobConfigurationSection">
    <jobs>
{jobs}
    </jobs>
  </section>
</SanteDBConfiguration>
"""
HERE = "export PYTHONPATH=$SITE; test -f config/santedb.config.xml || export JOBHOST_CONFIG=host.config.xml"
"""What a shell needs to know of the plugin that was installed and of the host in its folder."""
METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let shells find ``jobhost``, as after an installation."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def shipped(tmp_path: Path, installed: None) -> Path:
    """Give a folder with the configuration that comes with the host, as in a checkout."""
    (tmp_path / "config").mkdir()
    shutil.copyfile(ROOT / "config/santedb.config.xml", tmp_path / "config/santedb.config.xml")
    return tmp_path


@pytest.fixture
def offer(tmp_path: Path, installed: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Install a module as a plugin, for hosts in the folder that this gives."""

    def install(name: str, source: str) -> Path:
        site = tmp_path / "site"
        (site / f"{name}-1.0.dist-info").mkdir(parents=True)
        (site / f"{name}-1.0.dist-info/METADATA").write_text(METADATA.format(name=name))
        (site / f"{name}-1.0.dist-info/entry_points.txt").write_text(f"[host.plugins]\n{name} = {name}\n")
        (site / f"{name}.py").write_text(source)
        folder = tmp_path / "host"
        folder.mkdir()
        monkeypatch.setenv("SITE", str(site))
        return folder

    return install


def serving(*commands: str) -> Callable[[Terminal], None]:
    """Give what starts the host of the folder and then runs commands."""

    def begin(terminal: Terminal) -> None:
        terminal.run(HERE)
        terminal.serve("jobhost serve")
        for command in commands:
            terminal.run(command)

    return begin
