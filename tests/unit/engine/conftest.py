"""Waits between attempts are shortened: nothing here depends on their length."""

from __future__ import annotations

import pytest

from host.engine import dispatcher, outcomes, scheduler


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (dispatcher, outcomes, scheduler):
        monkeypatch.setattr(module, "RETRY_SECONDS", 0.02)
