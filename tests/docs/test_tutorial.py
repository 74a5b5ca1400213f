"""The tutorial, followed literally by somebody who has only the checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.docs.follow import follow
from tests.docs.pages import ROOT


@pytest.mark.slow
def test_the_first_job_works_as_the_page_says(tmp_path: Path) -> None:
    if not (ROOT / ".venv/bin/uv").exists() and not os.environ.get("CI"):
        pytest.skip("the README's first command has not run in this checkout")
    outputs = follow(ROOT / "docs/tutorial/first-job.md", tmp_path)

    assert len(outputs) > 5
