"""Performing job calls in child processes, which can be killed and may die without harm to the host."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import structlog

from host.contracts.contract import Finding, Service
from host.contracts.executors import JobCall, JobExecutor, JobNotBegunError
from host.contracts.host import DataDirectory
from host.contracts.processes import ProcessBlueprint
from host.errors import ProviderStartError
from host.local.directory import LocalDataDirectory
from host.local.executors import ExecutorSettings
from host.local.process_child import Child
from host.local.process_frames import ChildLimits
from host.local.process_template import Template
from host.model.runs import JobResult

logger = structlog.get_logger(__name__)

MAX_BOOTS = 5
"""Template processes started within BOOTS_SECONDS; then runs fail until some of that time has passed."""
BOOTS_SECONDS = 60.0


class ProcessJobExecutor(JobExecutor, Service):
    """Performs either kind of job in forks of one template process, which has loaded the plugins once.

    A child has the data directory's lock: no other host starts while one lives. It dies with the host.
    """

    is_default = True
    name = "process"
    isolates = True
    cancel_effect = (
        "the context says so and an async job gets CancelledError; "
        "a child that goes on is killed with its whole process group when processGrace is over"
    )

    def __init__(self, settings: ExecutorSettings, blueprint: ProcessBlueprint, data: DataDirectory) -> None:
        self._settings = settings
        self._blueprint = blueprint
        self._data = data
        self._template: Template | None = None
        self._booting: asyncio.Task[Template] | None = None
        self._booted_at: deque[float] = deque(maxlen=MAX_BOOTS)
        self._idle: list[Child] = []
        self._busy: dict[UUID, Child] = {}
        self._free = asyncio.Event()

    @property
    def slots(self) -> int:
        """How many calls it performs at a time."""
        return self._settings.process_slots

    async def start(self) -> None:
        """Begin to boot the template if a configured job wants it; else the first call does."""
        if self._blueprint.is_wanted() and self._template is None and self._booting is None:
            self._boot().add_done_callback(_tell_failure)

    async def stop(self) -> None:
        """End every child, asked first and killed after the grace, and the template; nothing of them is left."""
        grace = min(self._settings.process_grace, timedelta(seconds=self.stop_seconds / 3))
        for child in self._busy.values():
            child.ask(grace)
        if self._booting is not None:
            self._booting.cancel()
            await asyncio.wait((self._booting,))
            self._booting = None
        await self._wait_free(grace.total_seconds() + 1)
        template, self._template = self._template, None
        if template is not None:
            await template.close()
        self._idle.clear()
        await self._wait_free(self.stop_seconds / 3)

    def check(self) -> Sequence[Finding]:
        """Tell of templates that keep dying, and of threads that make forking unsafe."""
        findings = []
        if self._is_exhausted():
            message = f"the process for jobs died {MAX_BOOTS} times within a minute; jobs in processes fail"
            findings.append(Finding(message=message, is_failure=True))
        if self._template is not None and self._template.threads:
            names = ", ".join(self._template.threads)
            message = f"a plugin starts threads when it is imported ({names}); jobs in processes may hang"
            findings.append(Finding(message=message))
        return findings

    async def perform(self, call: JobCall) -> JobResult | None:
        """Have the call performed by a child; cancelling asks it to stop, and kills it when the grace is over.

        Raises WiringError for a job that cannot be had in a process.
        """
        refusal = self._blueprint.refusal(call.run.job_type)
        if refusal is not None:
            raise refusal
        try:
            child = await self._fit_child()
        except ProviderStartError as error:
            raise JobNotBegunError(error.message) from error
        self._busy[call.run.id] = child
        try:
            return await child.perform(call, self._settings.process_grace)
        finally:
            del self._busy[call.run.id]
            if child.is_fit and child not in self._idle:
                self._idle.append(child)
            if not self._busy:
                self._free.set()

    def stack(self, run_id: UUID) -> str | None:
        """Ask the child where the call is; the answer is waited for at most a quarter of a second."""
        child = self._busy.get(run_id)
        return child.stack() if child else None

    async def _fit_child(self) -> Child:
        while self._idle:
            child = self._idle.pop()
            if child.is_fit:
                return child
        child = Child(await self._living_template(), max_runs=self._settings.process_max_runs)
        child.fork()
        return child

    async def _living_template(self) -> Template:
        if self._template is not None and self._template.is_alive:
            return self._template
        # Shielded: a call that is cancelled meanwhile must not take the template from the others.
        return await asyncio.shield(self._booting or self._boot())

    def _boot(self) -> asyncio.Task[Template]:
        self._booting = asyncio.get_running_loop().create_task(self._boot_template(), name="process template")
        return self._booting

    async def _boot_template(self) -> Template:
        try:
            if self._template is not None:
                logger.warning("process template died")
                await self._template.close()
            if self._is_exhausted():
                raise ProviderStartError(f"the process for jobs died {MAX_BOOTS} times within a minute; later again")
            self._booted_at.append(asyncio.get_running_loop().time())
            lock = self._data.lock_descriptor if isinstance(self._data, LocalDataDirectory) else None
            blueprint, limits = self._blueprint, self._limits()
            self._template = await Template.boot(blueprint.command(), blueprint.document(), limits, lock)
            if self._template.threads:
                logger.warning("threads in the process template", threads=self._template.threads)
            return self._template
        finally:
            self._booting = None

    def _limits(self) -> ChildLimits:
        settings = self._settings
        return ChildLimits(
            memory_mib=settings.process_memory,
            cpu_seconds=settings.process_cpu,
            open_files=settings.process_open_files,
        )

    def _is_exhausted(self) -> bool:
        times = self._booted_at
        return len(times) == MAX_BOOTS and asyncio.get_running_loop().time() - times[0] < BOOTS_SECONDS

    async def _wait_free(self, seconds: float) -> None:
        self._free.clear()
        if self._busy:
            try:
                async with asyncio.timeout(seconds):
                    await self._free.wait()
            except TimeoutError:
                logger.error("children do not end", count=len(self._busy))


def _tell_failure(booting: asyncio.Task[Template]) -> None:
    if not booting.cancelled() and (error := booting.exception()) is not None:
        logger.error("process template not started", error=str(error))
