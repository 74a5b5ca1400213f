"""A running notice desk over a real store, and notifiers that keep, refuse or hang."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

from host.contracts.notices import Notifier
from host.contracts.runs import JobRunReader
from host.engine.notices import NoticeDesk, NoticeSettings
from host.local.directory import DataDirectorySettings, LocalDataDirectory
from host.local.runs import SqliteJobRunStore, SqliteRunStoreSettings, Synchronous
from host.model.jobs import RecoveryPolicy
from host.model.json import JsonObject
from host.model.notices import Notice, NoticeKind
from host.model.runs import AttemptError, ClaimedRun, RunOutcome, RunReason, RunRequest, RunState
from host.testing.clock import FakeClock
from host.testing.faults import FaultPlan, failing
from tests.unit.engine.desk import eventually

AT = datetime(2026, 1, 1, tzinfo=UTC)
JOB = "jobs:One"
HOUR = 3600.0
MINUTE = 60.0
HALF = 30.0
"""How often the desk looks."""


class Kept(Notifier):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    async def notify(self, notice: Notice) -> None:
        self.notices.append(notice)


class Refusing(Notifier):
    """Fails as told, until it is mended."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.tries = 0

    async def notify(self, notice: Notice) -> None:
        self.tries += 1
        if self.error is not None:
            raise self.error


class Hanging(Notifier):
    """Never returns."""

    async def notify(self, notice: Notice) -> None:
        await asyncio.Event().wait()


class Telling:
    """A running desk over a real store, with a clock moved by hand."""

    def __init__(self, desk: NoticeDesk, store: SqliteJobRunStore, clock: FakeClock, kept: Kept) -> None:
        self.desk = desk
        self.store = store
        self.clock = clock
        self.kept = kept

    async def told(self) -> list[Notice]:
        """Give what was told since the last time, once everything heard is decided and delivered."""
        await self.desk._alarm.wait_quiet()
        await eventually(lambda: not len(self.desk._couriers[0]))
        notices, self.kept.notices = self.kept.notices, []
        return notices

    async def kinds(self) -> list[NoticeKind]:
        return [notice.kind for notice in await self.told()]

    async def after(self, seconds: float) -> list[Notice]:
        """Give what is told until then."""
        await self.clock.advance(seconds)
        return await self.told()

    def ended(
        self, state: RunState, times: int = 1, *, job: str = JOB, parameters: JsonObject | None = None, **fields: Any
    ) -> ClaimedRun:
        for _ in range(times):
            run = claimed(job, parameters=parameters or {})
            self.desk.ended(run, outcome(run, state, **fields))
        return run

    def failed(self, times: int = 1, **fields: Any) -> ClaimedRun:
        return self.ended(RunState.FAILED, times, **fields)

    def completed(self, times: int = 1, **fields: Any) -> ClaimedRun:
        return self.ended(RunState.COMPLETED, times, **fields)

    async def stored(self, *states: RunState, job: str = JOB) -> None:
        """Keep runs that ended so, in order."""
        for state in states:
            await self.store.submit([RunRequest(job_id=job_id(job), job_type=job)])
            (run,) = (await self.store.claim({"loop": 1}, [job])).runs
            assert not await self.store.finish([outcome(run, state)])


@asynccontextmanager
async def telling(
    folder: Path, *others: Notifier, is_store_failing: bool = False, **settings: Any
) -> AsyncIterator[Telling]:
    clock, kept = FakeClock(AT), Kept()
    directory = LocalDataDirectory(DataDirectorySettings(path=folder))
    store = SqliteJobRunStore(directory, clock, SqliteRunStoreSettings(synchronous=Synchronous.NORMAL))
    await store.start()
    reader: JobRunReader = failing(store, JobRunReader, plan=FaultPlan(1, probability=1)) if is_store_failing else store
    desk = NoticeDesk(NoticeSettings(**settings), [kept, *others], reader, clock, lambda: "node")
    task = asyncio.create_task(desk.run())
    await asyncio.sleep(0)
    try:
        yield Telling(desk, store, clock, kept)
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await store.stop()


def job_id(job: str) -> UUID:
    return uuid5(UUID(int=0), job)


def claimed(job: str = JOB, **fields: Any) -> ClaimedRun:
    known: dict[str, Any] = {"id": uuid4(), "parameters": {}, "due_at": AT, "claimed_at": AT, **fields}
    return ClaimedRun(
        job_id=job_id(job),
        job_type=job,
        fencing_token=1,
        executor="loop",
        recovery=RecoveryPolicy.RETRY,
        attempt=1,
        max_attempts=1,
        crashes=0,
        tenant="default",
        owner=None,
        priority=0,
        trace_id="",
        schedule_id=None,
        fire_time=None,
        missed=0,
        timeout=None,
        expires_at=None,
        lease_until=None,
        cancel_requested=False,
        **known,
    )


def outcome(
    run: ClaimedRun, state: RunState, *, error: str = "ValueError: no", reason: RunReason | None = None
) -> RunOutcome:
    told = AttemptError(attempt=1, at=AT, node="node", error=error, traceback="secret frames")
    return RunOutcome(
        id=run.id,
        fencing_token=run.fencing_token,
        state=state,
        reason=reason,
        started_at=AT,
        error=None if state is RunState.COMPLETED else told,
        not_before=AT if state is RunState.SCHEDULED else None,
    )
