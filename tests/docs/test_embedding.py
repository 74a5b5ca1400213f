"""The pages for programs that embed a host and for tests of jobs, followed literally."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.follow import follow
from tests.docs.pages import ROOT, write_files

pytestmark = pytest.mark.slow


def test_every_shape_of_an_embedding_program_works_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")

    assert len(follow(ROOT / "docs/howto/embed-a-host.md", tmp_path)) == 5


def test_the_sample_tests_of_a_job_pass(tmp_path: Path) -> None:
    done = _pytest(tmp_path)

    assert done.returncode == 0, done.stdout
    assert "8 passed" in done.stdout


def test_the_sample_tests_fail_when_the_job_is_wrong(tmp_path: Path) -> None:
    write_files(ROOT / "docs/howto/test-a-job.md", tmp_path)
    job = tmp_path / "reminders.py"
    text = job.read_text()
    job.write_text(text.replace("await self._post.send(address)", "raise LookupError(address)"))
    done = _pytest(tmp_path, write=False)

    assert done.returncode == 1, done.stdout
    assert "expected completed" in done.stdout
    assert "LookupError: ada" in done.stdout


def _pytest(folder: Path, *, write: bool = True) -> subprocess.CompletedProcess[str]:
    if write:
        write_files(ROOT / "docs/howto/test-a-job.md", folder)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:xdist"]
    return subprocess.run([*command, "--rootdir=."], cwd=folder, capture_output=True, text=True, check=False)
