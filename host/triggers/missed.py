"""Fire times that passed while nobody could fire: the latest, and how many."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from host.triggers.trigger import MICROSECOND, Trigger


class Missed(NamedTuple):
    """The fire times in a span that has passed."""

    latest: datetime | None
    total: int
    """How many there are, the latest included; at most the cap."""
    is_capped: bool
    """Whether there are more than ``total``."""


def latest_missed(
    trigger: Trigger,
    *,
    after: datetime,
    now: datetime,
    cap: int = 1000,
    last_end: datetime | None = None,
    fired: int = 0,
) -> Missed:
    """Look at the fire times later than ``after`` and not later than ``now``.

    Costs at most ``cap`` steps of the trigger and some sixty more, however long the span is. A fixed-delay
    interval has at most one. ``max_count`` counts what fired, so it does not shorten a span of missed ones.
    """
    count = trigger.count_in(after, now, cap=cap + 1, last_end=last_end, fired=fired)
    if count == 0:
        return Missed(None, 0, is_capped=False)
    since = _since(trigger, 1, after=after, now=now, last_end=last_end, fired=fired)
    latest = trigger.next_after(since, last_end=last_end, fired=fired)
    return Missed(latest, min(count, cap), is_capped=count > cap)


def all_missed(
    trigger: Trigger,
    *,
    after: datetime,
    now: datetime,
    limit: int,
    last_end: datetime | None = None,
    fired: int = 0,
) -> list[datetime]:
    """Give the latest ``limit`` fire times later than ``after`` and not later than ``now``, oldest first.

    Costs at most some sixty times ``limit`` steps of the trigger, however long the span is.
    """
    count = trigger.count_in(after, now, cap=limit + 1, last_end=last_end, fired=fired)
    wanted = min(count, limit)
    since: datetime | None = after
    if count > limit or count == 1:
        since = _since(trigger, wanted, after=after, now=now, last_end=last_end, fired=fired)
    times: list[datetime] = []
    while len(times) < wanted and since is not None:
        since = trigger.next_after(since, last_end=last_end, fired=fired)
        if since is not None:
            times.append(since)
    return times


def _since(
    trigger: Trigger, count: int, *, after: datetime, now: datetime, last_end: datetime | None, fired: int
) -> datetime:
    """Give the latest instant that has ``count`` fire times between itself and ``now``; ``after`` has them."""
    few, enough = now, after
    while few - enough > MICROSECOND:
        middle = enough + (few - enough) // 2
        if trigger.count_in(middle, now, cap=count, last_end=last_end, fired=fired) == count:
            enough = middle
        else:
            few = middle
    return enough
