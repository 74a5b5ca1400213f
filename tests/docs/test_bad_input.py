"""The table of faults names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_verdict_has_its_test() -> None:
    page = (ROOT / "docs/reference/bad-input.md").read_text()
    files = list((ROOT / "tests").rglob("test_*.py"))
    known = {name for path in files for name in re.findall(r"def (test_\w+)", path.read_text())}
    known |= {path.name for path in files}

    named = re.findall(r"`(test_[\w.]+)` \|$", page, re.MULTILINE)
    assert len(named) > 30
    assert [name for name in named if name not in known] == []
