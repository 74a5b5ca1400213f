"""How long a job's runs usually take, by its latest ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from host.model.runs import JobRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """What some runs took: half of them, and 95 of 100, no longer than this (nearest rank)."""

    p50: timedelta
    p95: timedelta


def usual_of(runs: Sequence[JobRun]) -> Usual | None:
    """Give it of the runs that have ended after they started; None without any."""
    lengths = sorted(run.duration for run in runs if run.duration is not None and run.started_at is not None)
    if not lengths:
        return None
    return Usual(p50=lengths[ceil(len(lengths) * 0.5) - 1], p95=lengths[ceil(len(lengths) * 0.95) - 1])
