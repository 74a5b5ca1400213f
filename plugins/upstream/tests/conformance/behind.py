"""Providers of this plugin that have what they lack done through the upstream's back door, so that suites run."""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from uuid import UUID

from host.contracts.contract import Service
from host.contracts.logs import RunLog
from host.contracts.runs import JobRunClaimer, JobRunWriter
from host.model.logs import RunLogLine
from host.model.runs import (
    CancelResult,
    Claim,
    JobRun,
    RunOutcome,
    RunRequest,
    RunSignal,
    RunState,
    RunUpdate,
)
from host.model.schedules import ScheduleCursor
from host.testing.run_desk import JOB, JOB_TYPE, RunStore
from host.wire import proxy
from host_upstream.providers import UpstreamJobRunReader, UpstreamJobScheduleManager, UpstreamRunLog
from plugins.upstream.tests.conformance.doors import StoreDoor
from plugins.upstream.tests.conformance.proxies import Proxies
from plugins.upstream.tests.conformance.upstream import UpstreamProcess


class StartedSchedules(UpstreamJobScheduleManager, Service):
    """Schedules of the upstream, with the connection to it as their own."""

    def __init__(self, proxies: Proxies) -> None:
        super().__init__(proxies.upstream)
        self._proxies = proxies

    async def start(self) -> None:
        await self._proxies.start()

    async def stop(self) -> None:
        await self._proxies.stop()


class _Backed(Service):
    """Has a connection to the upstream, and one to its back door."""

    def __init__(self, proxies: Proxies, process: UpstreamProcess) -> None:
        super().__init__(proxies.upstream)  # type: ignore[call-arg]  # the provider it is mixed into
        self._proxies, self._process = proxies, process
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        caller = await self._stack.enter_async_context(self._process.connection())
        self._door = proxy(StoreDoor, caller)
        self._writer, self._claimer = proxy(JobRunWriter, caller), proxy(JobRunClaimer, caller)
        self._log = proxy(RunLog, caller)
        await self._proxies.start()

    async def stop(self) -> None:
        await self._proxies.stop()
        await self._stack.aclose()


class BackedLog(_Backed, UpstreamRunLog):
    """The upstream's log, written there; some of its runs exist."""

    def __init__(self, proxies: Proxies, process: UpstreamProcess, *, runs: Sequence[UUID]) -> None:
        super().__init__(proxies, process)
        self._runs = runs

    async def start(self) -> None:
        await super().start()
        known = [run_id for run_id in self._runs if await self._proxies.reader.run(run_id) is None]
        await self._door.submit([RunRequest(id=run_id, job_id=JOB, job_type=JOB_TYPE, hold=True) for run_id in known])

    def append(self, run_id: UUID, lines: Sequence[RunLogLine]) -> None:
        self._process.append(run_id, lines)

    async def prune(self, run_ids: Collection[UUID]) -> int:
        return await self._log.prune(run_ids)


class BackedRuns(_Backed, UpstreamJobRunReader, RunStore):
    """The upstream's runs, submitted and worked on there."""

    def submit(self, requests: Sequence[RunRequest]) -> Awaitable[Sequence[UUID]]:
        return self._door.submit(requests)

    def fire(self, requests: Sequence[RunRequest], cursors: Sequence[ScheduleCursor]) -> Awaitable[int]:
        return self._door.fire(requests, cursors)

    def claim(
        self,
        free: Mapping[str, int],
        job_types: Collection[str],
        *,
        after_tenant: str | None = None,
        alone_from: int = 1,
    ) -> Awaitable[Claim]:
        return self._door.claim(free, sorted(job_types), after_tenant, alone_from)

    async def adopt(self, schedules: Mapping[UUID, str]) -> Mapping[UUID, ScheduleCursor]:
        return await self._writer.adopt(schedules)

    async def request_cancel(self, run_ids: Sequence[UUID], *, by: str | None) -> Sequence[CancelResult]:
        return await self._writer.request_cancel(run_ids, by=by)

    async def amend(
        self,
        run_id: UUID,
        *,
        priority: int | None = None,
        not_before: datetime | None = None,
        is_locked: bool | None = None,
        release: bool = False,
    ) -> JobRun:
        return await self._writer.amend(
            run_id, priority=priority, not_before=not_before, is_locked=is_locked, release=release
        )

    async def prune(
        self, *, finished_before: datetime, states: Collection[RunState] = (), limit: int = 500
    ) -> Sequence[UUID]:
        return await self._writer.prune(finished_before=finished_before, states=states, limit=limit)

    async def renew(self, claims: Mapping[UUID, int]) -> Sequence[RunSignal]:
        return await self._claimer.renew(claims)

    async def update(self, updates: Sequence[RunUpdate]) -> Sequence[RunSignal]:
        return await self._claimer.update(updates)

    async def finish(self, outcomes: Sequence[RunOutcome]) -> Sequence[RunSignal]:
        return await self._claimer.finish(outcomes)

    async def rescue(self, *, isolating: Collection[str] = ()) -> Sequence[JobRun]:
        return await self._claimer.rescue(isolating=isolating)

    async def optimise(self) -> None:
        await self._door.optimise()
