"""What an operator is told without having asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class NoticeKind(StrEnum):
    """Why somebody is told."""

    FAILING = "failing"
    """Runs of a job have failed several times in a row."""
    RECOVERED = "recovered"
    """A run of a job that was FAILING has completed."""
    QUARANTINED = "quarantined"
    """A run killed its host or process too often; its job is paused."""
    STUCK = "stuck"
    """A run ignores its cancellation or timeout."""
    LATE = "late"
    """Runs that are due do not start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to tell, once: not again while it lasts."""

    kind: NoticeKind
    at: datetime
    host: str
    """The node that tells."""
    subject: str
    """One line."""
    text: str
    """Some lines: what happened, since when, and what to do. Never parameters or secrets."""
    job_id: UUID | None = None
    job_type: str | None = None
    run_id: UUID | None = None
