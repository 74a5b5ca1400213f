"""Runs as everybody may see them, encoded once for all who listen."""

from __future__ import annotations

import time
from collections.abc import Sequence

from host.contracts.jobs import JobManagerService
from host.errors import HostError
from host.model.jobs import JobInfo
from host.model.masking import without_secrets
from host.model.runs import JobRun
from host.wire import to_json

FRESH_SECONDS = 60.0
"""What jobs declare is asked again after this long: the jobs of an upstream may change without a word."""


class ShownRuns:
    """Writes runs as JSON with secret parameters hidden; of a job that nobody knows, all parameters."""

    def __init__(self, jobs: JobManagerService) -> None:
        self._manager = jobs
        self._jobs: Sequence[JobInfo] = ()
        self._asked_at = float("-inf")

    def forget(self) -> None:
        """Ask again what jobs declare, the next time."""
        self._asked_at = float("-inf")

    async def encoded(self, runs: Sequence[JobRun]) -> list[bytes]:
        """Give each run as JSON."""
        if any(run.parameters for run in runs):
            runs = without_secrets(runs, await self._declared())
        return [to_json(run) for run in runs]

    async def _declared(self) -> Sequence[JobInfo]:
        if time.monotonic() - self._asked_at < FRESH_SECONDS:
            return self._jobs
        try:
            self._jobs = [*await self._manager.jobs(), *await self._manager.get_available_jobs()]
        except HostError:
            return ()  # nobody says what is secret, so everything is
        self._asked_at = time.monotonic()
        return self._jobs
