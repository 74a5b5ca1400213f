"""Policies as words."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from host.cli.job_words import attempts_in_words
from host.model.jobs import RetryPolicy
from tests.unit.cli.conftest import BROKEN

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("attempts", "policy", "words"),
    [
        (1, RetryPolicy(never_on=[ValueError]), "1 attempt"),
        (
            3,
            RetryPolicy(never_on=[ValueError]),
            "3 attempts, 1 s doubling to 5 min, half by lot; never after ValueError",
        ),
        (2, RetryPolicy(delay=MINUTE, factor=1, jitter=0), "2 attempts, 1 min apart"),
        (2, RetryPolicy(delay=timedelta(0), jitter=0), "2 attempts, at once"),
        (9, RetryPolicy(delay=MINUTE, longest=MINUTE, jitter=1), "9 attempts, 1 min apart, all by lot"),
        (
            4,
            RetryPolicy(factor=1.5, jitter=0.1, only_on=[OSError, "acme.errors.Busy"]),
            "4 attempts, 1 s times 1.5 to 5 min, 10% by lot; only after OSError, acme.errors.Busy",
        ),
    ],
)
def test_attempts_are_told_in_words(attempts: int, policy: RetryPolicy, words: str) -> None:
    assert attempts_in_words(replace(BROKEN, max_attempts=attempts, retry=policy)) == words
