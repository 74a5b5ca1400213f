"""How far the upstream's clock is from this host's, judged from its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from host.contracts.clock import Clock
from host.contracts.contract import Finding

EVERY_SECONDS = 30.0
"""How often an answer is looked at: clocks do not run away from each other."""
DATE_RESOLUTION = timedelta(seconds=1)
SLOWEST = timedelta(seconds=5)
"""Slower answers tell too little."""


class Drift:
    """The latest measurement, less what it may be wrong by."""

    def __init__(self, clock: Clock, allowed: timedelta) -> None:
        self._clock = clock
        self._allowed = allowed
        self._next = float("-inf")
        self._drift = timedelta(0)

    def observe(self, headers: Mapping[str, str], took_seconds: float) -> None:
        """Take an answer that has just come, ``took_seconds`` after its request was sent."""
        if self._clock.monotonic() < self._next:
            return
        told = _instant(headers)
        took = timedelta(seconds=took_seconds)
        if told is None or took > SLOWEST:
            return
        self._next = self._clock.monotonic() + EVERY_SECONDS
        at, resolution = told
        # Somewhere in ``resolution`` after what is told, and between request and answer here.
        drift = at + resolution / 2 - (self._clock.now() - took / 2)
        doubt = (resolution + took) / 2
        self._drift = max(timedelta(0), abs(drift) - doubt) * (1 if drift > timedelta(0) else -1)

    def check(self) -> Sequence[Finding]:
        """Say whether it is more than is allowed."""
        if abs(self._drift) <= self._allowed:
            return ()
        which = "ahead of" if self._drift > timedelta(0) else "behind"
        seconds = int(abs(self._drift).total_seconds())
        message = f"the upstream's clock is at least {seconds} s {which} this host's; set the one that is wrong"
        return (Finding(message=message),)


def _instant(headers: Mapping[str, str]) -> tuple[datetime, timedelta] | None:
    """Give the upstream's time, and how coarsely it tells it."""
    try:
        if precise := headers.get("x-generatedon"):
            at, resolution = datetime.fromisoformat(precise), timedelta(0)
        elif date := headers.get("date"):
            at, resolution = parsedate_to_datetime(date), DATE_RESOLUTION
        else:
            return None
        return (at.astimezone(UTC), resolution) if at.tzinfo is not None else None
    except (TypeError, ValueError, OverflowError):
        return None  # no time; nothing depends on it
