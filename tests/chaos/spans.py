"""From lines to intervals: when code of a run was running, and when a fault held the host up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from tests.chaos.journal import ENDS, Event

INFINITY = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Code of one run, from its start to its end or its process's."""

    run: str
    job: str
    begin: float
    end: float
    exclusive: bool


def spans_of(events: Sequence[Event]) -> Iterator[Span]:
    """Give every execution; one without a last line ends when its host died, or the run began anew, or never."""
    open_: dict[tuple[str, int], Event] = {}
    for event in events:
        key = (event.run, event.process)
        if event.kind == "start":
            if key in open_:
                yield _span(open_[key], event.at)
            open_[key] = event
        elif event.kind in ENDS and key in open_:
            yield _span(open_.pop(key), event.at)
    for start in open_.values():
        yield _span(start, _silent_end(start, events))


def _silent_end(start: Event, events: Sequence[Event]) -> float:
    later = (event for event in events if event.at > start.at)
    ends = (event.at for event in later if event.kind in ("died", "stopped") or _begins(event, start.run))
    return next(ends, INFINITY)


def _begins(event: Event, run: str) -> bool:
    return event.kind == "start" and event.run == run


def troubles_of(events: Sequence[Event]) -> list[tuple[float, float]]:
    """Give the intervals in which no host could work, by their beginning: without one that is ready, or in a fault."""
    return sorted(chain(_between(events, ("died", "stopped"), "ready"), _between(events, ("trouble",), "calm")))


def _between(events: Sequence[Event], begins: tuple[str, ...], end: str) -> Iterator[tuple[float, float]]:
    since: float | None = None
    for event in events:
        if event.kind in begins and since is None:
            since = event.at
        elif event.kind == end and since is not None:
            yield since, event.at
            since = None
    if since is not None:
        yield since, INFINITY


def _span(start: Event, end: float) -> Span:
    return Span(run=start.run, job=start.job, begin=start.at, end=end, exclusive=start.exclusive)
