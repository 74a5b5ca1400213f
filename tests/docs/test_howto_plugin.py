"""The page on plugins, followed command by command; its files are held by the acceptance tests, too."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.docs.follow import follow
from tests.docs.pages import ROOT

PAGE = ROOT / "docs/howto/write-a-plugin.md"

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("third-party")]


def test_the_plugin_is_installed_checked_and_run_as_the_page_says(tmp_path: Path, installed: None) -> None:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        assert not os.environ.get("CI"), "uv is needed to build the distribution"
        pytest.skip("uv is not installed")
    here = "export PYTHONPATH=site; " + f"{uv} pip install --quiet --no-deps --target site ."

    outputs = follow(PAGE, tmp_path, places={"uv pip install -e .": here})

    assert len(outputs) == 2


def test_the_host_still_says_what_the_page_explains() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("## When something is wrong")[2]
    said = [
        "import failed: ",
        "does not implement",
        "which is neither a contract nor settings",
        "neither wraps the other",
    ]
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "host/kernel").glob("*.py"))

    assert [words for words in said if words.strip() not in text] == []
    assert [words for words in said if words not in source] == []
