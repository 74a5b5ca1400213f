"""Doing one thing to many runs: page by page, so that memory stays small and other callers get their turns."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from host.contracts.bus import MessageBus
from host.contracts.clock import Clock
from host.contracts.engine import Dispatcher, JobDirectory
from host.contracts.runs import JobRunReader, JobRunWriter
from host.engine.requests import repeat_request
from host.errors import InvalidRequestError, JobNotFoundError, RunNotFoundError, RunStateError
from host.model.ids import to_microseconds, uuid7
from host.model.jobs import OverlapPolicy
from host.model.messages import RunsChanged
from host.model.runs import FINAL_STATES, BulkAction, BulkReport, JobRun, RunFilter, RunRequest, RunState

BATCH = 500
"""Runs read, and changed, at a time."""
STATES: Mapping[BulkAction, frozenset[RunState]] = {
    BulkAction.CANCEL: frozenset(RunState) - FINAL_STATES,
    BulkAction.RETRY: FINAL_STATES,
    BulkAction.RELEASE: frozenset({RunState.PENDING}),
}
"""The states each action is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkDesk:
    """Performs ``RunControl.bulk`` over a run store.

    A run is repeated in bulk once: asking again repeats only those that were not, so that what a failure interrupted
    can be finished. Repeats of an exclusive job wait for each other. Runs of jobs that are not registered cannot be
    repeated: they match and are not changed.
    """

    directory: JobDirectory
    reader: JobRunReader
    writer: JobRunWriter
    dispatcher: Dispatcher
    bus: MessageBus
    clock: Clock

    async def perform(
        self, action: BulkAction, where: RunFilter, *, at_most: int, dry_run: bool, by: str | None
    ) -> BulkReport:
        """Do it, or only count. Raises InvalidRequestError for a limit below 1."""
        if at_most < 1:
            raise InvalidRequestError(f"at most {at_most} runs is nothing", hint="give 1 or more")
        matched = changed = 0
        async for page in self._pages(action, where):
            runs = page[: at_most - matched]
            matched += len(runs)
            if runs and not dry_run:
                changed += await self._change(action, runs, by)
            if len(runs) < len(page):
                return BulkReport(matched=matched, changed=changed, is_more=True)
        return BulkReport(matched=matched, changed=changed, is_more=False)

    async def _pages(self, action: BulkAction, where: RunFilter) -> AsyncIterator[Sequence[JobRun]]:
        states = where.states & STATES[action] if where.states else STATES[action]
        if not states:
            return
        cursor: str | None = None
        while True:
            # Invariant: pages go down from the newest run at the first read, so no repeat made here is found again.
            page = await self.reader.runs(replace(where, states=states), cursor=cursor, limit=BATCH)
            if page.runs:
                yield page.runs
            if (cursor := page.next_cursor) is None:
                return
            await asyncio.sleep(0)

    async def _change(self, action: BulkAction, runs: Sequence[JobRun], by: str | None) -> int:
        if action is BulkAction.CANCEL:
            changed = await self._cancel(runs, by)
        elif action is BulkAction.RETRY:
            changed = await self._repeat(runs, by)
        else:
            changed = await self._release(runs)
        self.dispatcher.wake()
        self.bus.publish(RunsChanged())
        return changed

    async def _cancel(self, runs: Sequence[JobRun], by: str | None) -> int:
        results = await self.writer.request_cancel([run.id for run in runs], by=by)
        for result in results:
            if result.state.is_active:
                self.dispatcher.cancel(result.run_id)
        return len(results)

    async def _repeat(self, runs: Sequence[JobRun], by: str | None) -> int:
        requests = [request for run in runs if (request := self._repeat_of(run, by)) is not None]
        if not requests:
            return 0
        accepted = await self.writer.submit(requests)
        return sum(identity == request.id for identity, request in zip(accepted, requests, strict=True))

    def _repeat_of(self, run: JobRun, by: str | None) -> RunRequest | None:
        try:
            request = repeat_request(self.directory.find(run.job_type), run, by)
        except JobNotFoundError:
            return None
        # An id of our own tells a repeat made now from one that the key found.
        identity = uuid7(to_microseconds(self.clock.now()), secrets.randbits(62))
        overlap = request.overlap if request.overlap is OverlapPolicy.ALLOW else OverlapPolicy.QUEUE
        return replace(request, id=identity, overlap=overlap, idempotency_key=f"bulk-retry:{run.id}")

    async def _release(self, runs: Sequence[JobRun]) -> int:
        results = await asyncio.gather(*(self._released(run.id) for run in runs), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return sum(result is True for result in results)

    async def _released(self, run_id: UUID) -> bool:
        try:
            await self.writer.amend(run_id, release=True)
        except (RunNotFoundError, RunStateError):
            return False  # it went meanwhile
        return True
