"""What every job manager promises."""

from __future__ import annotations

import pytest

from host.testing.contracts.job_registering import JobRegistering
from host.testing.contracts.job_scheduling import JobScheduling
from host.testing.contracts.job_starting import JobStarting
from host.testing.place import NewJobPlace


class JobManagerSuite(JobRegistering, JobStarting, JobScheduling):
    """Supply ``new_place``."""

    @pytest.fixture
    def new_place(self) -> NewJobPlace:
        """Give what opens a place, empty but for the jobs of ``place_jobs``."""
        raise NotImplementedError
