"""The page on the doctor, followed, and its table held against what the doctor says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.docs.conftest import serving
from tests.docs.follow import Terminal, follow
from tests.docs.pages import ROOT

PAGE = ROOT / "docs/howto/doctor-a-host.md"

pytestmark = pytest.mark.slow


def test_the_doctor_says_what_the_page_shows_and_explains(shipped: Path) -> None:
    report = shipped / "report.json"
    places = {
        "/etc/jobhost/santedb.config.xml": "config/santedb.config.xml",
        "/var/lib/jobhost-doctor.json": str(report),
        "/var/lib/jobhost": str(shipped),
        "by kim": "by …",
    }
    begin = serving('jobhost jobs pause "Check stores" --reason "the disk is being replaced"')

    def end(terminal: Terminal) -> None:
        terminal.run("jobhost drain --wait")
        without_a_host = subjects(terminal.run("jobhost doctor --json"))
        assert "interrupted run" in without_a_host
        assert without_a_host <= explained()

    outputs = follow(PAGE, shipped, places=places, begin=begin, end=end)

    assert len(outputs) == 2
    assert "look at the host" not in outputs[1]
    assert subjects(report.read_text()) <= explained()


def subjects(report: str) -> set[str]:
    """Give what a report speaks of; each store and each provider has a line of its own."""
    return {re.sub(r"^(store|provider) .*", r"\1", each["subject"]).removesuffix("s") for each in json.loads(report)}


def explained() -> set[str]:
    """Give what the page's table explains."""
    rows = re.findall(r"^\| ([a-z ,]+) \| ", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name.removesuffix("s") for row in rows for name in row.split(", ")}
