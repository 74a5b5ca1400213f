"""What is said on the bus: that something changed, so look; never the facts themselves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsChanged:
    """Rows of the run store changed; ``changes(after)`` tells which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleChanged:
    """The stored schedules of a job changed; None when it is not known which job's."""

    job_type: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsChanged:
    """A job was registered, removed, paused or resumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PausesChanged:
    """The registry has another set of pauses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStopping:
    """The host drains: no new run starts."""
