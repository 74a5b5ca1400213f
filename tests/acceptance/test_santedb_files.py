"""SanteDB's own configuration files, answered by check and served."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
FIXTURES = Path(__file__).parents[1] / "fixtures" / "santedb"


def documents() -> list[Path]:
    return sorted(path for path in FIXTURES.rglob("*.xml") if b"<SanteDBConfiguration" in path.read_bytes())


def command(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "host", *arguments]


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(FIXTURES)))
def test_santedbs_own_configurations_are_answered_and_start_a_host(tmp_path: Path, path: Path) -> None:
    shutil.copytree(FIXTURES, tmp_path / "santedb")
    config = tmp_path / "santedb" / path.relative_to(FIXTURES)
    check = subprocess.run(
        command(tmp_path, "check", "--config", str(config), "--json"), capture_output=True, text=True, check=False
    )
    report = json.loads(check.stdout)
    assert check.returncode == (0 if report["is_clean"] else 2)
    assert report["problems"] == []
    assert any(row["known"] for row in report["providers"])
    assert all(finding["where"].rpartition(":")[2].isdigit() for finding in report["unknown"])

    log = tmp_path / "log"
    with log.open("wb") as file:
        serve = command(tmp_path, "serve", "--skip-unknown", "--config", str(config))
        process = subprocess.Popen(serve, stdout=file, stderr=file, cwd=tmp_path, env=dict(os.environ))
    try:
        end = time.monotonic() + 60
        while "host ready" not in log.read_text() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        assert "host ready" in log.read_text(), log.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(60)


def test_a_missing_include_is_listed_and_may_be_skipped(tmp_path: Path) -> None:
    config = tmp_path / "host.config.xml"
    config.write_text(
        '<SanteDBConfiguration xmlns="http://santedb.org/configuration">\n<include>gone.xml</include>\n'
        "</SanteDBConfiguration>\n"
    )
    check = subprocess.run(
        command(tmp_path, "check", "--config", str(config)), capture_output=True, text=True, check=False
    )
    assert check.returncode == 2
    assert "host.config.xml:2: include 'gone.xml' was not found" in check.stdout
    serve = subprocess.run(
        command(tmp_path, "serve", "--config", str(config)), capture_output=True, text=True, check=False
    )
    assert serve.returncode == 2
    assert "include 'gone.xml' was not found" in serve.stderr
