"""Every test that a page names as a witness exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WITNESS = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
PAGES = sorted(path for path in (ROOT / "docs").rglob("*.md") if WITNESS.search(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_witness_exists(page: Path) -> None:
    missing = [
        f"{file}::{name}" for file, name in WITNESS.findall(page.read_text(encoding="utf-8")) if not _has(file, name)
    ]
    assert missing == []


def test_every_pain_has_a_witness() -> None:
    rows = [
        line
        for line in (ROOT / "docs/explanation/pains.md").read_text(encoding="utf-8").splitlines()
        if line[:2] == "| "
    ]
    pains = [row for row in rows if not row.startswith("| pain |")]
    assert len(pains) > 30
    assert [row for row in pains if not WITNESS.search(row)] == []


def _has(file: str, name: str) -> bool:
    folder = ROOT / "host/testing" if file.startswith("contracts/") else ROOT / "tests"
    path = ROOT / file if file.startswith("plugins/") else folder / file
    return path.is_file() and f"def {name}(" in path.read_text(encoding="utf-8")
