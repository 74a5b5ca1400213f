"""When: pure functions from a schedule to its fire times."""

from host.triggers.building import build_trigger, jitter_of
from host.triggers.checking import check_schedule
from host.triggers.difference import FireDifference, fire_difference
from host.triggers.missed import Missed, all_missed, latest_missed
from host.triggers.preview import FireTime, preview
from host.triggers.trigger import Trigger
from host.triggers.upcoming import NextFire, is_floating, next_fire, upcoming
from host.triggers.words import describe

__all__ = [
    "FireDifference",
    "FireTime",
    "Missed",
    "NextFire",
    "Trigger",
    "all_missed",
    "build_trigger",
    "check_schedule",
    "describe",
    "fire_difference",
    "is_floating",
    "jitter_of",
    "latest_missed",
    "next_fire",
    "preview",
    "upcoming",
]
