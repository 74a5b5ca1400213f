"""The README: what it says you see is seen, and its job and its program work."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.conftest import CONFIGURATION, serving
from tests.docs.follow import HOST_LOG, follow
from tests.docs.pages import ROOT, blocks_of, write_files

PAGE = ROOT / "README.md"
JOB = re.compile(r'<add type="letters:.*?/>')
ROWS = re.compile(r"<add .*?/>")

pytestmark = pytest.mark.slow


def test_a_new_host_shows_what_the_page_says(shipped: Path) -> None:
    places = {".venv/bin/jobhost": "jobhost", "http://127.0.0.1:8080": "$(cat data/http.url)"}

    (output,) = follow(PAGE, shipped, places=places, begin=serving())

    assert "state            ready" in output
    assert "host ready" in (shipped / HOST_LOG).read_text()


def test_the_program_performs_the_job_with_the_providers_of_the_page(tmp_path: Path) -> None:
    write_files(PAGE, tmp_path)
    (providers,) = [block.text for block in blocks_of(PAGE) if block.language == "xml" and "<serviceProv" in block.text]
    rows = "\n".join(row for row in ROWS.findall(providers) if "JobManager" not in row)
    (job,) = JOB.findall(PAGE.read_text(encoding="utf-8"))
    (tmp_path / "host.config.xml").write_text(CONFIGURATION.format(providers=rows, sections="", jobs=job))

    command = [sys.executable, "program.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "completed {'letters': 3}"
