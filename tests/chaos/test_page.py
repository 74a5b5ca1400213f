"""The page on the fault matrix names every fault and every verdict there is."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.evidence import Verdict
from tests.chaos.faults.catalogue import FAULTS

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "fault-matrix.md"


def test_every_fault_stands_on_the_page_as_it_describes_itself() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert [name for name, fault in FAULTS.items() if f"| `{name}` | {fault.about} |" not in page] == []


def test_every_verdict_stands_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert [verdict for verdict in Verdict if f"| `{verdict}` |" not in page] == []
