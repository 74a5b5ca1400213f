"""The page about client mode, followed literally with two hosts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.docs.follow import follow
from tests.docs.pages import ROOT
from tests.docs.test_howto_curl import free_port


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_two_hosts_work_together_as_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{ROOT}/.venv/bin", prepend=":")
    monkeypatch.setenv("BACK_PORT", str(free_port()))
    monkeypatch.setenv("FRONT_PORT", str(free_port()))

    outputs = follow(ROOT / "docs/howto/use-an-upstream.md", tmp_path)

    assert len(outputs) > 8
