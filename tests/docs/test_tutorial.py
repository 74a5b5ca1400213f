"""The tutorial, followed literally by somebody who has only the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.follow import follow
from tests.docs.pages import ROOT


@pytest.mark.slow
def test_the_first_job_works_as_the_page_says(tmp_path: Path) -> None:
    outputs = follow(ROOT / "docs/tutorial/first-job.md", tmp_path)

    assert len(outputs) > 5
