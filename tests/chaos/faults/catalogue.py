"""All faults, in the order of the matrix."""

from __future__ import annotations

from collections.abc import Mapping

from tests.chaos.faults.clocks import CLOCKS
from tests.chaos.faults.disks import DISKS
from tests.chaos.faults.editors import EDITORS
from tests.chaos.faults.fault import Fault
from tests.chaos.faults.floods import FLOODS
from tests.chaos.faults.kills import KILLS
from tests.chaos.faults.misbehaviour import MISBEHAVIOURS
from tests.chaos.faults.plugins import PLUGINS
from tests.chaos.faults.poison import POISONS
from tests.chaos.faults.reloads import RELOADS
from tests.chaos.faults.stops import STOPS

_ALL = (*KILLS, *STOPS, *RELOADS, *DISKS, *CLOCKS, *EDITORS, *PLUGINS, *POISONS, *MISBEHAVIOURS, *FLOODS)
FAULTS: Mapping[str, type[Fault]] = {fault.name: fault for fault in _ALL}
"""``{name: fault}``."""
