"""The names that the host signs with are the ones that nobody else may have."""

from __future__ import annotations

import re
from pathlib import Path

import host
from host.engine.quarantine import QUARANTINE
from host.model.security import HOST_NAMES

SOURCES = Path(host.__file__).parent
SIGNED = re.compile(r'\b(?:owner|by)="([^"{]+)"')


def test_all_that_the_host_signs_with_is_reserved() -> None:
    parts = [SOURCES / name for name in ("engine", "kernel", "local", "faces")]
    texts = [file.read_text(encoding="utf-8") for part in parts for file in part.rglob("*.py")]
    signed = {name for text in texts for name in SIGNED.findall(text)} | {QUARANTINE}
    assert {name.lower() for name in signed} == HOST_NAMES
