"""Plugins that misbehave while they are loaded, built or started."""

from __future__ import annotations

import os
import subprocess
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from host.errors import PluginError
from host.kernel import catalogue as catalogue_module
from host.kernel.catalogue import load_catalogue
from tests.acceptance.bad_input_desk import configuration, jobs, plugin, providers, refused
from tests.nursery import run_command

pytestmark = pytest.mark.slow

OFFER = """
@hookimpl
def host_jobs():
    return [Mine]
"""
PROVIDER = """
class Bus(LocalMessageBus):
    async def start(self):
        {start}

@hookimpl
def host_service_providers():
    return [Bus]
"""


def run(folder: Path, *arguments: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    path = f"{folder}:{os.environ.get('PYTHONPATH', '')}".rstrip(":")
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "400", "NO_COLOR": "1"}
    return run_command(arguments, environment=environment, folder=folder, seconds=seconds)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise RuntimeError('no licence')", "import failed: RuntimeError: no licence"),
        ("sys.exit(3)", "import failed: SystemExit: 3"),
        ("@hookimpl\ndef host_jobs():\n    raise KeyError('x')", "KeyError: 'x'"),
        ("@hookimpl\ndef host_jobs():\n    return [42]", "offers 42, which is no Job class"),
        ("@hookimpl\ndef host_jbos():\n    return []", "host_jbos"),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_named_and_the_rest_load(tmp_path: Path, code: str, said: str) -> None:
    plugin(tmp_path, "broken_one", code)
    plugin(tmp_path, "sound_one", OFFER)

    listed = run(tmp_path, "plugins", "--json")
    assert said in listed.stdout
    assert "sound_one:Mine" in listed.stdout
    assert "Traceback" not in listed.stderr


def test_what_needs_a_plugin_that_cannot_be_loaded_names_it(tmp_path: Path) -> None:
    plugin(tmp_path, "broken_one", "raise RuntimeError('no licence')")
    (tmp_path / "host.config.xml").write_text(configuration(jobs('<add type="broken_one:Mine" />')))

    said = refused(run(tmp_path, "check", "--config", "host.config.xml"), 2)
    assert "host.config.xml:3: unknown job broken_one:Mine" in said
    assert "no licence" in said


def test_a_plugin_that_hangs_at_import_is_named_and_then_ends_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hanging_one.py").write_text("import time\nfor _ in range(100):\n    time.sleep(0.05)\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(catalogue_module, "SLOW_IMPORT_SECONDS", 0.3)
    monkeypatch.setattr(catalogue_module, "HUNG_IMPORT_SECONDS", 0.9)

    with pytest.raises(PluginError) as caught:
        load_catalogue([EntryPoint("hanging", "hanging_one", "host.plugins")])

    assert "plugin 'hanging' (hanging_one) hangs at import" in str(caught.value)
    assert "time.sleep(0.05)" in str(caught.value)
    assert "plugin import is slow" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("raise OSError('port taken')", "odd_one:Bus (host.config.xml:3) did not start: OSError: port taken"),
        ("self.nothing", "odd_one:Bus (host.config.xml:3) did not start: AttributeError"),
    ],
)
def test_a_provider_that_does_not_start_ends_the_start_with_its_line(tmp_path: Path, start: str, said: str) -> None:
    plugin(tmp_path, "odd_one", PROVIDER.format(start=start))
    (tmp_path / "host.config.xml").write_text(configuration(providers('<add type="odd_one:Bus" />')))

    assert said in refused(run(tmp_path, "serve", "--config", "host.config.xml"), 1)


def test_a_provider_that_hangs_at_its_start_ends_the_start_after_its_time(tmp_path: Path) -> None:
    code = PROVIDER.format(start="await asyncio.Event().wait()").replace(
        "    async def start", "    start_seconds = 0.5\n\n    async def start"
    )
    plugin(tmp_path, "odd_one", code)
    (tmp_path / "host.config.xml").write_text(configuration(providers('<add type="odd_one:Bus" />')))

    said = refused(run(tmp_path, "serve", "--config", "host.config.xml"), 1)
    assert "odd_one:Bus (host.config.xml:3) did not start within 0.5 s" in said
