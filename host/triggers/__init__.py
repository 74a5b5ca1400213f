"""When: pure functions from a schedule to its fire times."""

from host.triggers.building import build_trigger, jitter_of
from host.triggers.checking import check_schedule
from host.triggers.missed import Missed, all_missed, latest_missed
from host.triggers.preview import FireTime, preview
from host.triggers.trigger import Trigger
from host.triggers.words import describe

__all__ = [
    "FireTime",
    "Missed",
    "Trigger",
    "all_missed",
    "build_trigger",
    "check_schedule",
    "describe",
    "jitter_of",
    "latest_missed",
    "preview",
]
