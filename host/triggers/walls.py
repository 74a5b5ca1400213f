"""From wall time to fire times: the rule for days on which clocks change, in one place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import UTC, datetime, tzinfo

from host.triggers.trigger import Limits, Trigger
from host.triggers.zones import change_at, first_instant, offset_of, offsets


class WallRule(ABC):
    """Says which wall times a schedule names; knows no zone. May be shared by many triggers."""

    __slots__ = ()

    runs_every_hour: bool
    """False: fixed times, each once a day, whatever clocks do. True: every real hour, at the matching wall times."""

    @abstractmethod
    def next_wall(self, wall: datetime, *, inclusive: bool = False) -> datetime | None:
        """Give the first named wall time later than ``wall`` (or equal to it), naive; None after the year 9998."""


class WallTrigger(Trigger):
    """Fires when the clocks of a zone show what a rule names.

    Fixed times fire once: at their first occurrence where clocks go back, at the first instant after the gap
    where clocks go forward; several in one gap fire together. Rules that run every hour fire at each real
    instant whose wall time matches: in both passes where clocks go back, and not for the gap.
    """

    __slots__ = ("rule", "zone")

    def __init__(self, rule: WallRule, *, zone: tzinfo, limits: Limits) -> None:
        super().__init__(limits)
        self.rule = rule
        self.zone = zone

    def _first_after(self, after: datetime, *, last_end: datetime | None, fired: int) -> datetime | None:
        if self.rule.runs_every_hour:
            return _next_real(self.rule, after, self.zone)
        return _next_fixed(self.rule, after, self.zone)


def _next_fixed(rule: WallRule, after: datetime, zone: tzinfo) -> datetime | None:
    local = after.astimezone(zone)
    if local.fold:
        # All wall times up to the end of the first pass have had their turn: go there at once.
        change = change_at(local.replace(tzinfo=None), zone)
        end = change + offsets(local.replace(tzinfo=None), zone)[0]
        wall = rule.next_wall(end.replace(tzinfo=None), inclusive=True)
    else:
        wall = rule.next_wall(local.replace(tzinfo=None))
    while wall is not None:
        fire_time = first_instant(wall, zone)
        if fire_time > after:
            return fire_time
        wall = rule.next_wall(wall)
    return None


def _next_real(rule: WallRule, after: datetime, zone: tzinfo) -> datetime | None:
    local = after.astimezone(zone)
    here = local.replace(tzinfo=None, fold=0)
    wall = rule.next_wall(here)
    first, second = offsets(here, zone)
    if first > second and not local.fold:
        change = change_at(here, zone)
        if wall is None or wall >= (change + first).replace(tzinfo=None):
            # The rest of the first pass is empty: the second pass comes before any later wall time.
            wall = rule.next_wall((change + second).replace(tzinfo=None), inclusive=True)
    while wall is not None:
        first, second = offsets(wall, zone)
        if first < second:
            change = change_at(wall, zone)
            wall = rule.next_wall((change + offset_of(change.astimezone(zone))).replace(tzinfo=None), inclusive=True)
            continue
        for offset in (first, second):
            fire_time = (wall - offset).replace(tzinfo=UTC)
            if fire_time > after:
                return fire_time
        wall = rule.next_wall(wall)
    return None
