"""The page about curl, followed literally against a host of its own."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from tests.docs.follow import follow
from tests.docs.pages import ROOT


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_the_api_answers_curl_as_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{ROOT}/.venv/bin", prepend=":")
    monkeypatch.setenv("PORT", str(free_port()))

    outputs = follow(ROOT / "docs/howto/call-the-api-from-curl.md", tmp_path)

    assert len(outputs) > 8


def free_port() -> int:
    """Give a port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
