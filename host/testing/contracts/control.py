"""What every run control promises."""

from __future__ import annotations

import pytest

from host.testing.contracts.control_bulk import ControlBulk
from host.testing.contracts.control_pausing import ControlPausing
from host.testing.contracts.control_steering import ControlSteering
from host.testing.contracts.control_submitting import ControlSubmitting
from host.testing.place import NewJobPlace


class RunControlSuite(ControlSubmitting, ControlSteering, ControlBulk, ControlPausing):
    """Supply ``new_place``."""

    @pytest.fixture
    def new_place(self) -> NewJobPlace:
        """Give what opens a place, empty but for the jobs of ``place_jobs``."""
        raise NotImplementedError
