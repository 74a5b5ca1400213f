"""The run store of a host that keeps everything itself: one SQLite file in the data directory."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from sqlite3 import Connection
from typing import ClassVar, TypeVar
from uuid import UUID

from host.contracts.clock import Clock
from host.contracts.contract import Finding, Service, Settings
from host.contracts.host import DataDirectory
from host.contracts.maintenance import StoreMaintenance, StoreSize
from host.contracts.runs import JobRunClaimer, JobRunReader, JobRunWriter
from host.errors import StoreUnavailableError
from host.local import run_accept, run_claim, run_control, run_finish, run_read, run_statistics
from host.local.run_new import new_rows
from host.local.run_rows import microseconds
from host.local.run_work import RunMemory, RunWork, load_memory
from host.local.sql_text import migrations
from host.local.sqlite import SqliteDatabase
from host.local.sqlite_file import restore_file
from host.model.ids import to_microseconds
from host.model.runs import (
    CancelResult,
    Claim,
    JobRun,
    RunCounters,
    RunFilter,
    RunOutcome,
    RunPage,
    RunRequest,
    RunSignal,
    RunState,
    RunUpdate,
)
from host.model.schedules import ScheduleCursor
from host.model.statistics import JobStatistics

APPLICATION_ID = 0x4A48524E
_EVERYTHING = RunFilter()

T = TypeVar("T")


class Synchronous(StrEnum):
    """How hard SQLite makes sure of a commit."""

    FULL = "full"
    """Every acknowledged write survives a loss of power."""
    NORMAL = "normal"
    """A loss of power may undo the last writes, a crash of the process none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteRunStoreSettings(Settings):
    """Where and how the run store keeps its rows."""

    section: ClassVar[str] = "SqliteRunStoreConfigurationSection"

    file: str = "runs.sqlite"
    """Name of the file in the data directory."""
    lease: timedelta | None = None
    """How long a claim lasts without renewal; None: as long as its node holds the data directory."""
    synchronous: Synchronous = Synchronous.FULL


class SqliteJobRunStore(JobRunReader, JobRunWriter, JobRunClaimer, StoreMaintenance, Service):
    """Keeps runs in SQLite. Writes share commits; a write that failed changed nothing and may be tried again."""

    is_default = True

    def __init__(self, directory: DataDirectory, clock: Clock, settings: SqliteRunStoreSettings) -> None:
        self._directory = directory
        self._clock = clock
        self._settings = settings
        self._memory: RunMemory | None = None
        self._database: SqliteDatabase | None = None

    async def start(self) -> None:
        """Open the file; raises StoreCorruptError or StoreUnavailableError for one that cannot be used."""
        if self._database is not None:
            return
        database = SqliteDatabase(
            self._path(),
            migrations=migrations("runs"),
            application_id=APPLICATION_ID,
            synchronous=self._settings.synchronous.value,
            on_rollback=self._forget,
        )
        await database.start()
        self._database = database
        try:
            await self._write(lambda work: work.now)  # shows that the file can be read and locked for writing
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Write what was accepted and close the file."""
        database, self._database = self._database, None
        if database is not None:
            await database.stop()
        self._memory = None

    def check(self) -> Sequence[Finding]:
        """Say when runs cannot be written."""
        failure = self._database.failure if self._database else None
        return (Finding(message=f"{self._path()}: {failure}", is_failure=True),) if failure else ()

    # Reading.

    async def run(self, run_id: UUID) -> JobRun | None:
        """Give one run, or None."""
        return await self._open().read(lambda connection: run_read.run_by_id(connection, run_id))

    async def runs(self, where: RunFilter | None = None, *, cursor: str | None = None, limit: int = 50) -> RunPage:
        """List runs, newest first. A search no index serves may end a page early, with a cursor to go on."""
        wanted = where or _EVERYTHING
        return await self._open().read(lambda connection: run_read.page(connection, wanted, cursor, limit))

    async def latest(self, job_ids: Collection[UUID], states: Collection[RunState] = ()) -> Mapping[UUID, JobRun]:
        """Give the newest run of each of these jobs."""
        return await self._open().read(lambda connection: run_read.latest_runs(connection, job_ids, states))

    async def counters(self) -> RunCounters:
        """Count unfinished runs by state, each state up to 100,000."""
        return await self._open().read(run_read.count_unfinished)

    async def changes(self, after: int, *, limit: int = 500) -> Sequence[JobRun]:
        """Give the runs changed since change number ``after``."""
        return await self._open().read(lambda connection: run_read.changed_runs(connection, after, limit))

    async def statistics(
        self,
        job_ids: Collection[UUID] = (),
        *,
        since: datetime,
        until: datetime | None = None,
        step: timedelta | None = None,
    ) -> Sequence[JobStatistics]:
        """Give what became of runs, by job, oldest first. A step is whole minutes, else InvalidRequestError."""
        span = run_statistics.span_of(since, until, step, self._clock.now())
        return await self._open().read(lambda connection: run_statistics.read_statistics(connection, job_ids, span))

    async def failing(self, job_ids: Collection[UUID], *, at_most: int = 100) -> Mapping[UUID, int]:
        """Give the length of each job's failing streak, 0 for none, by the order in which runs were accepted."""
        return await self._open().read(lambda connection: run_statistics.count_failing(connection, job_ids, at_most))

    # Accepting and operating.

    def submit(self, requests: Sequence[RunRequest]) -> Awaitable[Sequence[UUID]]:
        """Accept runs; a chosen id accepted before counts as known, like a known idempotency key."""
        return self._write(partial(run_accept.accept, rows=new_rows(requests, self._now())))

    def fire(self, requests: Sequence[RunRequest], cursors: Sequence[ScheduleCursor]) -> Awaitable[int]:
        """Accept fires and move cursors; a fire at or before the cursor of its version was considered before."""
        rows = new_rows(requests, self._now())
        return self._write(partial(run_accept.fire, rows=rows, cursors=cursors))

    async def adopt(self, schedules: Mapping[UUID, str]) -> Mapping[UUID, ScheduleCursor]:
        """Give the cursor of each schedule."""
        return await self._write(partial(run_accept.adopt, schedules=schedules))

    async def request_cancel(self, run_ids: Sequence[UUID], *, by: str | None) -> Sequence[CancelResult]:
        """Cancel waiting runs, ask active ones."""
        return await self._write(partial(run_control.request_cancel, run_ids=run_ids, by=by))

    async def amend(
        self,
        run_id: UUID,
        *,
        priority: int | None = None,
        not_before: datetime | None = None,
        is_locked: bool | None = None,
        release: bool = False,
    ) -> JobRun:
        """Change a waiting run; a QUEUED one cannot be put off."""
        wanted = run_control.Amendment(priority=priority, not_before=not_before, is_locked=is_locked, release=release)
        run_control.check_amendment(wanted)
        return await self._write(partial(run_control.amend, run_id=run_id, wanted=wanted))

    async def prune(
        self, *, finished_before: datetime, states: Collection[RunState] = (), limit: int = 500
    ) -> Sequence[UUID]:
        """Delete finished runs, oldest first."""
        before, bits = to_microseconds(finished_before), run_control.state_bits(states)
        return await self._write(partial(run_control.prune, finished_before=before, states=bits, limit=limit))

    # Working on runs.

    def claim(
        self,
        free: Mapping[str, int],
        job_types: Collection[str],
        *,
        after_tenant: str | None = None,
        alone_from: int = 1,
    ) -> Awaitable[Claim]:
        """Take due runs. The work of one claim is bounded: ``next_due`` in the past means there is more at once."""
        return self._write(
            partial(run_claim.claim, free=free, job_types=job_types, after_tenant=after_tenant, alone_from=alone_from)
        )

    async def renew(self, claims: Mapping[UUID, int]) -> Sequence[RunSignal]:
        """Extend leases and tell about the claims."""
        return await self._write(partial(run_finish.renew, claims=claims)) if claims else ()

    async def update(self, updates: Sequence[RunUpdate]) -> Sequence[RunSignal]:
        """Record progress and tell about the claims."""
        return await self._write(partial(run_finish.update, updates=updates)) if updates else ()

    async def finish(self, outcomes: Sequence[RunOutcome]) -> Sequence[RunSignal]:
        """Record outcomes; raises InvalidRequestError, with nothing written, for one no claim can have."""
        if not outcomes:
            return ()
        prepared = run_finish.prepare(outcomes, self._now())
        return await self._write(partial(run_finish.finish, outcomes=prepared))

    async def rescue(self, *, isolating: Collection[str] = ()) -> Sequence[JobRun]:
        """End the claims of other incarnations, or with leases those that ran out."""
        by_lease = self._settings.lease is not None
        return await self._write(partial(run_finish.rescue, by_lease=by_lease, isolating=isolating))

    # Maintenance.

    @property
    def store_name(self) -> str:
        """Give its name among the stores."""
        return "runs"

    async def size(self) -> StoreSize:
        """Give the bytes of the file and its write-ahead log."""
        return StoreSize(bytes=self._open().bytes_on_disk())

    async def verify(self) -> Sequence[str]:
        """Check the whole file."""
        return await self._open().verify()

    async def optimise(self, *, hold_at_most: timedelta = timedelta(milliseconds=20)) -> str:
        """Fold old statistics, return free pages, fold the write-ahead log in."""
        seconds, folded, is_more = hold_at_most.total_seconds() / 2, 0, True
        while is_more:
            fold = partial(run_statistics.fold_some, now=self._clock.now(), seconds=seconds)
            rows, is_more = await self._open().write(fold)
            folded += rows
        done = await self._open().optimise(hold_at_most)
        return f"{done}, {folded} rows of statistics folded"

    async def backup(self, folder: Path) -> Sequence[Path]:
        """Write a checked copy of the file into ``folder``."""
        target = folder / self._settings.file
        await self._open().backup(target)
        return (target,)

    def restore(self, folder: Path) -> Sequence[Path]:
        """Put a copy in place; raises StoreUnavailableError while the store is open here."""
        if self._database is not None:
            raise StoreUnavailableError("the store is open", where=str(self._path()), hint="stop the host first")
        path, known = self._path(), len(migrations("runs"))
        return restore_file(path, folder / self._settings.file, versions=known, application_id=APPLICATION_ID)

    def _path(self) -> Path:
        return self._directory.path() / self._settings.file

    def _open(self) -> SqliteDatabase:
        if self._database is None:
            raise StoreUnavailableError("the run store is not started", where=self._settings.file)
        return self._database

    def _now(self) -> int:
        return to_microseconds(self._clock.now())

    def _write(self, operation: Callable[[RunWork], T]) -> Future[T]:
        return self._open().begin(lambda connection: self._perform(connection, operation))

    def _perform(self, connection: Connection, operation: Callable[[RunWork], T]) -> T:
        work = self._work(connection)
        since = work.memory.change
        result = operation(work)
        if work.is_ending:
            run_statistics.tally(work, since)
        return result

    def _work(self, connection: Connection) -> RunWork:
        if self._memory is None:
            self._memory = load_memory(connection)
        now, lease = self._now(), microseconds(self._settings.lease)
        return RunWork(
            connection=connection,
            memory=self._memory,
            now=now,
            node=self._directory.node(),
            lease_until=None if lease is None else now + lease,
        )

    def _forget(self) -> None:
        self._memory = None
