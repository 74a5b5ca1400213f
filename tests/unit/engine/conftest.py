"""Waits between attempts are shortened: nothing here depends on their length."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from host.engine import dispatcher, outcomes, scheduler
from tests.unit.engine.counting import (
    Counting,
    Deaf,
    DeafCoroutine,
    Failing,
    Held,
    LimitedOnce,
    Once,
    Ticking,
    Waiting,
    WaitingOnce,
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (dispatcher, outcomes, scheduler):
        monkeypatch.setattr(module, "RETRY_SECONDS", 0.02)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    for job in (Counting, Once, LimitedOnce, Waiting, WaitingOnce, Ticking, Held, Failing):
        job.began = job.now = job.most = 0
    Held.free = asyncio.Event()
    Deaf.free = threading.Event()
    DeafCoroutine.free = False
    yield
    Deaf.free.set()
    DeafCoroutine.free = True
