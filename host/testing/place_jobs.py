"""The made-up jobs of a place where job managers are tried; importable in processes of their own, too."""

from __future__ import annotations

import asyncio
import os
from abc import abstractmethod
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from host.contracts.contract import Contract
from host.contracts.jobs import Job, JobContext
from host.model.jobs import JobParameter, OverlapPolicy, RecoveryPolicy, RetryPolicy
from host.model.runs import JobResult


class PlaceGate(Contract):
    """What lasting jobs wait for."""

    @abstractmethod
    async def wait(self) -> None:
        """Return once the gate is open."""

    @abstractmethod
    def open(self) -> None:
        """Open the gate for good."""


class HandGate(PlaceGate):
    """A gate that a test opens."""

    def __init__(self) -> None:
        self._is_open = asyncio.Event()

    async def wait(self) -> None:
        """Wait for it."""
        await self._is_open.wait()

    def open(self) -> None:
        """Open it."""
        self._is_open.set()


class Echo(Job):
    """Give back what it was given.

    Everything that can be declared of a job is declared of this one.
    """

    id = UUID("5b0a4c4e-61a5-4e7e-9d0e-6a3f6c0c2e01")
    name = "Écho / tells?"
    aliases = ("SanteDB.Tests.EchoJob, SanteDB.Tests",)
    parameters = (
        JobParameter("whom", str, default="world", description="Who is greeted ☃."),
        JobParameter("times", int, default=1, minimum=1, maximum=9),
        JobParameter("rate", float, required=False, minimum=0.5),
        JobParameter("loud", bool, default=False),
        JobParameter("at", datetime, required=False),
        JobParameter("mood", str, required=False, choices=("glad", "sad")),
        JobParameter("anything", object, required=False),
    )
    overlap = OverlapPolicy.ALLOW
    recovery = RecoveryPolicy.FAIL
    timeout = timedelta(minutes=5, milliseconds=250)
    priority = 3
    max_attempts = 4
    retry = RetryPolicy(delay=timedelta(seconds=7), factor=3, longest=timedelta(hours=1), jitter=0, never_on=[OSError])

    async def run(self, context: JobContext) -> JobResult:
        """Say it."""
        context.log.info("told", whom=context.parameters["whom"])
        return JobResult(value={"given": dict(context.parameters)}, status_text="told")


class Greet(Job):
    """Greet somebody who must be named."""

    name = "Greet"
    parameters = (JobParameter("whom", str), JobParameter("times", int, default=1, minimum=1, maximum=9))
    overlap = OverlapPolicy.ALLOW

    async def run(self, context: JobContext) -> None:
        """Be quick."""


class Lasting(Job):
    """Run until the gate opens."""

    name = "Lasting"
    overlap = OverlapPolicy.ALLOW

    def __init__(self, gate: PlaceGate) -> None:
        self._gate = gate

    async def run(self, context: JobContext) -> None:
        """Wait."""
        await self._gate.wait()


class Failing(Job):
    """Fail."""

    name = "Failing"
    overlap = OverlapPolicy.ALLOW

    async def run(self, context: JobContext) -> None:
        """Fail."""
        raise RuntimeError("no luck today")


class Planned(Job):
    """Run by the schedule that the configuration has for it."""

    name = "Planned"
    overlap = OverlapPolicy.ALLOW
    parameters = (JobParameter("whom", str, default="nobody"),)

    async def run(self, context: JobContext) -> None:
        """Be quick."""


class FirstTwin(Job):
    """Have the name of another."""

    name = "Twin"

    async def run(self, context: JobContext) -> None:
        """Be quick."""


class SecondTwin(Job):
    """Have the name of another, too."""

    name = "Twin"

    async def run(self, context: JobContext) -> None:
        """Be quick."""


class Offered(Job):
    """Be offered, and not registered."""

    name = "Offered"
    aliases = ("SanteDB.Tests.OfferedJob, SanteDB.Tests",)
    parameters = (JobParameter("whom", str, default="world"),)

    async def run(self, context: JobContext) -> None:
        """Be quick."""


class Demanding(Job):
    """Be offered, not registered, and need a parameter that no schedule without parameters gives."""

    name = "Demanding"
    parameters = (JobParameter("whom", str),)

    async def run(self, context: JobContext) -> None:
        """Be quick."""


class Deadly(Job):
    """Kill the process it runs in; offered, and not registered."""

    name = "Deadly"
    executor: ClassVar[str | None] = "process"
    overlap = OverlapPolicy.ALLOW

    def run(self, context: JobContext) -> None:
        """Die."""
        os._exit(9)


REGISTERED = (Echo, Greet, Lasting, Failing, Planned, FirstTwin, SecondTwin)
OFFERED = (Offered, Demanding, Deadly)
