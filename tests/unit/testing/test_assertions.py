"""Assertions about runs: what they accept, and what they tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from host import JobRun, RunState
from host.model.runs import AttemptError, RunReason
from host.testing import assert_completed, assert_failed, assert_state, story_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
COMPLETED = JobRun(
    id=UUID(int=1),
    job_id=UUID(int=2),
    job_type="letters:Write",
    state=RunState.COMPLETED,
    attempt=1,
    created_at=NOON,
    updated_at=NOON,
)
FRAMES = 'Traceback (most recent call last):\n  File "letters.py", line 7, in run\nOSError: no ink'
ERROR = AttemptError(attempt=1, at=NOON, node="here", error="OSError: no ink", traceback=FRAMES)
FAILED = replace(
    COMPLETED, state=RunState.FAILED, reason=RunReason.ERROR, errors=(ERROR,), status_text="OSError: no ink"
)
WAITING = replace(FAILED, state=RunState.SCHEDULED, reason=RunReason.RETRY, max_attempts=3, not_before=NOON)


def test_what_is_so_is_accepted() -> None:
    assert_completed(COMPLETED)
    assert_state(FAILED, RunState.FAILED)
    assert_state(FAILED, RunState.FAILED, reason=RunReason.ERROR)
    assert assert_failed(FAILED) == ERROR
    assert assert_failed(FAILED, "no ink", reason=RunReason.ERROR) == ERROR


def test_a_run_that_failed_is_told_with_its_traceback() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_completed(FAILED)
    assert str(caught.value).splitlines() == [
        "expected completed",
        "run 00000000-0000-0000-0000-000000000001 of letters:Write is failed (error), attempt 1 of 1",
        "status: OSError: no ink",
        "attempt 1: OSError: no ink",
        *FRAMES.splitlines(),
    ]


def test_a_run_that_waits_is_told_with_its_time() -> None:
    assert "is scheduled (retry), attempt 1 of 3\n" in story_of(WAITING)
    assert "not before 2026-01-01T12:00:00+00:00" in story_of(WAITING)


def test_another_reason_and_another_error_are_refused() -> None:
    with pytest.raises(AssertionError, match=r"expected failed \(timeout\)\nrun"):
        assert_failed(FAILED, reason=RunReason.TIMEOUT)
    with pytest.raises(AssertionError, match="expected 'no paper' in the last error\nrun"):
        assert_failed(FAILED, "no paper")
    with pytest.raises(AssertionError, match="expected failed\nrun"):
        assert_failed(COMPLETED)
    with pytest.raises(AssertionError, match="expected an error of a failed attempt\nrun"):
        assert_failed(replace(FAILED, errors=()))
