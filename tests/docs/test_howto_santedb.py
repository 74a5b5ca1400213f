"""The page about SanteDB's clients, followed literally against a host of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from host_maintenance.prune import PruneHistory
from tests.docs.follow import Terminal, follow
from tests.docs.pages import ROOT

PAGE = ROOT / "docs/howto/use-santedb-clients.md"
PLACES = {'port="8080"': 'port="0"', "URL=http://127.0.0.1:8080": "URL=$(cat data/http.url)"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl"),
]


def test_a_person_starts_a_job_as_santedbs_clients_do(tmp_path: Path, installed: None) -> None:
    def end(terminal: Terminal) -> None:
        told = terminal.run("jobhost audit --by kim --json")
        assert '"client": "org.santedb.admin"' in told
        assert '"job": "Prune run history"' in told

    follow(PAGE, tmp_path, places=PLACES, end=end)


def test_the_job_of_the_page_is_the_one_it_means() -> None:
    assert f"JOB={PruneHistory.id}\n" in PAGE.read_text(encoding="utf-8")
