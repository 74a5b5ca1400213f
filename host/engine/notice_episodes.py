"""What is told once while it lasts: a job's failures in a row, and a time in which due runs wait too long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from host.model.runs import ClaimedRun, RunOutcome

MAX_STREAK = 100
"""Failures before this node's start are counted up to here."""


@dataclass(slots=True, eq=False)
class Streak:
    """Failed runs of one job in a row."""

    run: ClaimedRun
    outcome: RunOutcome
    """Of the latest one."""
    since: datetime
    before: int | None
    """How many came before this node's start; None until the store was asked."""
    count: int = 0
    """Heard by this node."""
    is_least: bool = False
    """Whether there may have been more before."""
    is_due: bool = False
    """Whether it waits to be judged."""
    told_at: float | None = None
    """By the monotonic clock."""
    told_count: int = 0

    @property
    def total(self) -> int:
        """How many, as far as known."""
        return self.count + (self.before or 0)

    @property
    def number(self) -> str:
        """How many, in words."""
        return f"at least {self.total}" if self.is_least else str(self.total)

    @property
    def known_since(self) -> datetime | None:
        """When the first one failed; None if that was before this node's start."""
        return None if self.before else self.since

    def add(self, run: ClaimedRun, outcome: RunOutcome) -> None:
        """Count one more."""
        self.run, self.outcome = run, outcome
        self.count += 1

    def add_before(self, stored: int) -> None:
        """Count what the store knows and this node has not heard.

        What was heard since the store looked may be in neither number: a storm is told a little late, never too early.
        """
        self.before = max(0, stored - self.count)
        self.is_least = stored >= MAX_STREAK


@dataclass(slots=True, eq=False)
class Lateness:
    """A time in which due runs wait too long."""

    since: datetime
    run: ClaimedRun | None
    """The one that waited longest, if it has started."""
    seconds: float = 0
    """The longest wait."""
    count: int = 0
    """Runs that started late."""
    seen_at: float = 0
    """By the monotonic clock."""

    def add(self, run: ClaimedRun | None, seconds: float, at: float) -> None:
        """See one more run wait; None for one that still does."""
        self.seen_at = at
        self.count += run is not None
        if seconds > self.seconds:
            self.run, self.seconds = run, seconds
