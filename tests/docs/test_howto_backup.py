"""The page on backups, followed on a host with the shipped configuration."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.conftest import serving
from tests.docs.follow import Terminal, follow
from tests.docs.pages import ROOT, blocks_of

PAGE = ROOT / "docs/howto/back-up-and-restore.md"
BACKUPS = "/var/backups/jobhost"
JOBS = re.compile(r'  <section xsi:type="JobConfigurationSection">.*?</section>', re.DOTALL)

pytestmark = pytest.mark.slow


def test_a_backup_is_made_restored_and_looked_through_as_the_page_says(shipped: Path) -> None:
    folder = shipped / "backups"
    queued = "jobhost runs list --state queued --json | grep -m1 '\"id\"' | cut -d'\"' -f4"
    places = {
        BACKUPS: str(folder),
        "$ jobhost restore " + str(folder) + "/jobhost-backup-20261120T030000Z": f"$ jobhost restore {folder}/*",
        "cancel 5aac8182": f"cancel $({queued})",
    }
    begin = serving("jobhost jobs pause --all --reason holidays", 'jobhost jobs start "Check stores"')

    outputs = follow(PAGE, shipped, places=places, begin=begin, columns=100)

    assert len(outputs) == 3
    (archive,) = folder.glob("*.tar.gz")
    assert archive.stat().st_mode & 0o777 == 0o600
    assert (shipped / "data/runs.sqlite.before-restore").exists()


def test_the_nightly_job_of_the_page_makes_an_archive(shipped: Path) -> None:
    (section,) = [block.text for block in blocks_of(PAGE) if "BackUp" in block.text]
    config = shipped / "config/santedb.config.xml"
    text = section.replace(BACKUPS, str(shipped / "nightly")).replace(' xmlns="http://santedb.org/configuration"', "")
    config.write_text(JOBS.sub(lambda _: text, config.read_text()))

    with Terminal(shipped) as terminal:
        assert "at 02:30 every day" in terminal.run("jobhost check")
        terminal.serve("jobhost serve")
        assert "completed" in terminal.run('jobhost jobs start "Back up" --wait')
    assert len(list((shipped / "nightly").glob("jobhost-backup-*.tar.gz"))) == 1
