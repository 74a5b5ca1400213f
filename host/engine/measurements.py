"""What is measured of a host, as one value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from host.contracts.host import ExecutorInfo
from host.engine.run_totals import Totals
from host.model.runs import RunCounters


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    """Everything that is measured, at one moment."""

    version: str
    totals: Totals
    counters: RunCounters
    queue_age: timedelta
    """How long the first accepted of the due runs has waited; 0 where none is due."""
    executors: Sequence[ExecutorInfo]
    stores: Mapping[str, int]
    """``{store name: bytes}``."""
    loop_lag_seconds: float
    """How long the event loop took to come to something that was ready."""
    store_seconds: float
    """How long the run store took to answer."""
