"""The pages about AMI say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from host.model.security import Policy
from host_rest.ami.capabilities import RULES

DOCS = Path(__file__).parents[4] / "docs"
REQUEST = re.compile(r"`(GET|HEAD|POST|PUT|DELETE) (/ami[^`?]*)")


def rows(page: str) -> list[str]:
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith("| ") and not line.startswith("|---")]


def test_every_kind_of_request_is_on_the_page_with_what_it_demands() -> None:
    told = {
        (method, path.removeprefix("/ami")): Policy[row.split("|")[2].strip(" `")]
        for row in rows("reference/ami.md")
        for method, path in REQUEST.findall(row)
    }
    ruled = {(method, rule.path): rule.demand for rule in RULES for method in rule.methods}
    assert len(told) == 7
    assert told.items() <= ruled.items()


def test_every_deviation_has_a_witness() -> None:
    found = [row for row in rows("explanation/santedb-deviations.md") if not row.startswith("| SanteDB's server |")]
    assert len(found) > 20
    assert [row for row in found if "::test_" not in row] == []
