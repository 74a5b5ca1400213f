"""What a verdict is made of: the log of a cell, the rows of its host, and what must hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from tests.chaos.journal import JOB_KINDS, Event

USUAL_START_SECONDS = 1.5
"""A machine on which a host starts within this time is to keep the promises as they are written."""


class Verdict(StrEnum):
    """What kind of promise was broken."""

    LOST = "LOST"
    """Accepted or started, and the store does not know it; or a fire time of a schedule that never became a run."""
    STUCK = "STUCK"
    """Not final although everything has healed and there was time."""
    DUP = "DUP"
    """A nominal fire twice, an at-most-once run started twice, a run that had completed run again."""
    OVERLAP = "OVERLAP"
    """Two runs of an exclusive job at the same time."""
    WRONG = "WRONG"
    """A fire before its time, or a final state that what happened does not explain."""
    LATE = "LATE"
    """Back, or fired, but later than promised."""
    DIED = "DIED"
    """A host ended that nothing should have ended."""
    BROKEN = "BROKEN"
    """The cell did not come to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One broken promise."""

    verdict: Verdict
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the store says of a run."""

    run: str
    job: str
    state: str
    reason: str | None = None
    schedule: str | None = None
    fire: float | None = None
    attempt: int = 1
    max_attempts: int = 1
    crashes: int = 0
    tenant: str = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """What holds in a cell; some faults make a rule meaningless, and say so by leaving it out."""

    fire_window: float = 3.0
    """A fire starts this many seconds after its time at the latest, troubles not counted."""
    interval: float | None = None
    """Of the one schedule, whose fire times must then be without gaps; None: not looked at."""
    durable: float = 3.0
    """An outcome this old is never forgotten by a crash."""
    recovery: float = 10.0
    """After a crash the next host starts runs this many seconds after it was launched at the latest."""
    sound: bool = True
    """Whether nothing is done that makes code raise which is to work."""
    steady_clock: bool = True
    """Whether wall times can be compared."""

    def on_machine(self, start_seconds: float) -> Promises:
        """Give the same for a machine on which a host needs so long to start: all takes longer where that does."""
        times = max(1.0, start_seconds / USUAL_START_SECONDS)
        return replace(
            self,
            fire_window=self.fire_window * times,
            durable=self.durable * times,
            recovery=self.recovery * times,
        )


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One cell's log and rows, with what every rule needs of them."""

    events: Sequence[Event]
    """Oldest first."""
    rows: Mapping[str, Row]
    promises: Promises = field(default_factory=Promises)

    def of(self, *kinds: str) -> list[Event]:
        """Give the events of these kinds, oldest first."""
        return [event for event in self.events if event.kind in kinds]

    @cached_property
    def by_run(self) -> Mapping[str, Sequence[Event]]:
        """What the jobs wrote: ``{run: events, oldest first}``."""
        found: dict[str, list[Event]] = defaultdict(list)
        for event in self.of(*JOB_KINDS):
            found[event.run].append(event)
        return found

    def crashes_of(self, run: str) -> list[float]:
        """Give when a host died, or this run's own process, since the run is known."""
        born = self._born.get(run, 0.0)
        events = self.by_run.get(run, ())
        own = [event.at for event in events if event.kind == "dies" and event.process not in self._hosts]
        return sorted([at for at in self._deaths if at >= born] + own)

    @cached_property
    def _born(self) -> Mapping[str, float]:
        """When each run came to be: what somebody asked for then, what a schedule asked for at its time."""
        born: dict[str, float] = {}
        for event in self.events:
            at = event.at if event.asked is None else event.asked
            born[event.run] = min(at, born.get(event.run, at))
        shift = self.events[0].wall - self.events[0].at if self.promises.steady_clock and self.events else float("inf")
        fired = {row.run: row.fire - shift for row in self.rows.values() if row.fire is not None}
        return born | {run: min(at, born.get(run, at)) for run, at in fired.items()}

    @cached_property
    def _hosts(self) -> frozenset[int]:
        return frozenset(event.process for event in self.of("launched"))

    @cached_property
    def _deaths(self) -> Sequence[float]:
        return [event.at for event in self.of("died")]
