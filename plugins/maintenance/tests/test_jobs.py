"""The maintenance jobs, over small stores in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from host.contracts.host import BackupReport, DataDirectory, HostBackup
from host.contracts.jobs import Job
from host.contracts.logs import RunLog
from host.contracts.maintenance import StoreMaintenance, StoreSize
from host.contracts.runs import JobRunWriter
from host.errors import StoreCorruptError, StoreUnavailableError
from host.model.json import JsonValue
from host.model.logs import RunLogLine
from host.model.runs import CancelResult, JobResult, JobRun, RunRequest, RunState
from host.model.schedules import ScheduleCursor
from host.testing.clock import FakeClock
from host.testing.context import RecordingContext
from host_maintenance import plugin
from host_maintenance.backup import BackUp
from host_maintenance.optimise import CheckStores, OptimiseStores
from host_maintenance.prune import PruneHistory
from host_maintenance.prune_audit import PruneAudit


class Context(RecordingContext):
    """One run of a job, with the job's defaults under the given parameters."""


@dataclass
class Row:
    id: UUID
    finished_at: datetime
    state: RunState = RunState.COMPLETED
    is_locked: bool = False


class Runs(JobRunWriter):
    """Finished runs, oldest first; the other operations are none of these jobs' business."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = list(rows)
        self.batches: list[int] = []
        self.before_batch: Callable[[], object] = lambda: None

    async def prune(
        self, *, finished_before: datetime, states: Collection[RunState] = (), limit: int = 500
    ) -> Sequence[UUID]:
        self.before_batch()
        due = [row for row in self.rows if row.finished_at < finished_before and not row.is_locked]
        chosen = [row for row in due if not states or row.state in states][:limit]
        self.rows = [row for row in self.rows if row not in chosen]
        self.batches.append(len(chosen))
        return [row.id for row in chosen]

    async def submit(self, requests: Sequence[RunRequest]) -> Sequence[UUID]:
        raise NotImplementedError

    async def fire(self, requests: Sequence[RunRequest], cursors: Sequence[ScheduleCursor]) -> int:
        raise NotImplementedError

    async def adopt(self, schedules: Mapping[UUID, str]) -> Mapping[UUID, ScheduleCursor]:
        raise NotImplementedError

    async def request_cancel(self, run_ids: Sequence[UUID], *, by: str | None) -> Sequence[CancelResult]:
        raise NotImplementedError

    async def amend(self, run_id: UUID, **_: object) -> JobRun:
        raise NotImplementedError


class Log(RunLog):
    """Run ids that have lines."""

    def __init__(self, ids: Collection[UUID]) -> None:
        self.ids = set(ids)

    def append(self, run_id: UUID, lines: Sequence[RunLogLine]) -> None:
        self.ids.add(run_id)

    async def read(self, run_id: UUID, *, after: int = 0, limit: int = 1000) -> Sequence[RunLogLine]:
        raise NotImplementedError

    def follow(self, run_id: UUID, *, after: int = 0) -> AsyncIterator[RunLogLine]:
        raise NotImplementedError

    async def prune(self, run_ids: Collection[UUID]) -> int:
        await asyncio.sleep(0)  # a real log may wait here, and be cancelled
        found = self.ids & set(run_ids)
        self.ids -= found
        return len(found)


@dataclass
class Store(StoreMaintenance):
    name: str
    findings: Sequence[str] = ()
    error: Exception | None = None
    held: list[timedelta] = field(default_factory=list)

    @property
    def store_name(self) -> str:
        return self.name

    async def size(self) -> StoreSize:
        return StoreSize(bytes=0)

    async def verify(self) -> Sequence[str]:
        if self.error:
            raise self.error
        return self.findings

    async def optimise(self, *, hold_at_most: timedelta = timedelta(milliseconds=20)) -> str:
        if self.error:
            raise self.error
        self.held.append(hold_at_most)
        return f"{self.name} is small"

    async def backup(self, folder: Path) -> Sequence[Path]:
        raise NotImplementedError

    def restore(self, folder: Path) -> Sequence[Path]:
        raise NotImplementedError


class Backups(HostBackup):
    def __init__(self) -> None:
        self.asked: list[tuple[Path, int]] = []

    async def create(self, folder: Path, *, keep: int = 7) -> BackupReport:
        self.asked.append((folder, keep))
        return BackupReport(archive=str(folder / "new"), bytes=10, files=2, deleted=("old",))


class Data(DataDirectory):
    def path(self) -> Path:
        return Path("/data")

    def node(self) -> str:
        return "here"


class History:
    """Ten completed runs, one a day, the newest finished now; the day is the number in the id."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        rows = [Row(UUID(int=day), self.clock.now() - timedelta(days=day)) for day in range(9, -1, -1)]
        self.runs, self.log = Runs(rows), Log([row.id for row in rows])
        self.job = PruneHistory(self.runs, self.log, self.clock)

    def prune(self, **parameters: object) -> JsonValue:
        return perform(self.job, **parameters)[0].value

    def days(self) -> list[int]:
        assert {row.id for row in self.runs.rows} == self.log.ids
        return [row.id.int for row in self.runs.rows]


def perform(job: Job, **parameters: object) -> tuple[JobResult, Context]:
    context = Context(type(job), parameters)

    async def run() -> JobResult:
        result = job.run(context)
        assert result is not None
        assert not isinstance(result, JobResult)
        return await result or JobResult()

    return asyncio.run(run()), context


def test_the_plugin_offers_five_jobs_with_different_ids() -> None:
    jobs = list(plugin.host_jobs())
    assert jobs == [PruneHistory, PruneAudit, OptimiseStores, CheckStores, BackUp]
    assert len({job.id for job in jobs}) == 5


def test_runs_older_than_the_retention_go_with_their_logs() -> None:
    history = History()
    assert history.prune(days=3.5) == {"deleted": 6}
    assert history.days() == [3, 2, 1, 0]


def test_runs_stay_for_thirty_days_by_default() -> None:
    history = History()
    history.clock.move(29 * 86400)
    assert history.prune() == {"deleted": 8}
    assert history.days() == [1, 0]


def test_locked_runs_stay() -> None:
    history = History()
    history.runs.rows[0].is_locked = True
    assert history.prune(days=3) == {"deleted": 5}
    assert history.days() == [9, 3, 2, 1, 0]


def test_only_the_named_states_go() -> None:
    history = History()
    history.runs.rows[0].state = RunState.FAILED
    history.runs.rows[1].state = RunState.SKIPPED
    assert history.prune(days=0, states="skipped, Failed") == {"deleted": 2}
    assert history.days() == [7, 6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize("states", ["running", "completed,nonsense"])
def test_a_state_that_is_not_final_is_refused_and_nothing_goes(states: str) -> None:
    history = History()
    with pytest.raises(ValueError, match="is no final state; use cancelled, completed"):
        history.prune(days=0, states=states)
    assert history.runs.batches == []


def test_runs_go_in_batches_until_none_is_left() -> None:
    history = History()
    assert history.prune(days=0.5, batch=4) == {"deleted": 9}
    assert history.runs.batches == [4, 4, 1]


def test_others_get_their_turn_between_batches() -> None:
    history = History()
    turns: list[int] = []

    async def other() -> None:
        while True:
            turns.append(len(history.runs.batches))
            await asyncio.sleep(0)

    async def both() -> None:
        beside = asyncio.ensure_future(other())
        result = history.job.run(Context(PruneHistory, {"days": 0.5, "batch": 3}))
        await result
        beside.cancel()

    asyncio.run(both())
    assert {1, 2, 3} <= set(turns)


def test_a_cancelled_prune_stops_between_batches() -> None:
    history = History()
    context = Context(PruneHistory, {"days": 0.5, "batch": 4})
    history.runs.before_batch = lambda: setattr(context, "is_cancelled", True)

    async def run() -> None:
        await history.job.run(context)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())
    assert history.runs.batches == [4]
    assert len(history.days()) == 6


def test_a_cancellation_inside_a_batch_leaves_no_log_behind() -> None:
    history = History()

    async def run() -> None:
        task = asyncio.ensure_future(history.job.run(Context(PruneHistory, {"days": 0.5, "batch": 4})))
        history.runs.before_batch = task.cancel
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert history.runs.batches == [4]
    assert len(history.days()) == 6


def test_every_store_is_optimised_without_holding_writers_for_long() -> None:
    stores = [Store("runs"), Store("logs")]
    result, context = perform(OptimiseStores(stores))
    assert result.value == {"runs": "runs is small", "logs": "logs is small"}
    assert [store.held for store in stores] == [[timedelta(milliseconds=20)]] * 2
    assert [fraction for fraction, _ in context.reported] == [0.0, 0.5, 1.0]


def test_a_store_that_fails_does_not_keep_others_from_being_optimised() -> None:
    stores = [Store("runs", error=StoreUnavailableError("the disk is full")), Store("logs")]
    with pytest.raises(StoreUnavailableError, match="the disk is full"):
        perform(OptimiseStores(stores))
    assert stores[1].held


def test_sound_stores_pass_the_check() -> None:
    assert perform(CheckStores([Store("runs"), Store("logs")]))[0].value == {"checked": ["runs", "logs"]}


def test_a_damaged_store_fails_the_run_and_every_finding_is_named() -> None:
    stores = [
        Store("runs", findings=["page 3 is never used", "row 7 is missing"]),
        Store("logs", error=StoreCorruptError("the file is no database")),
        Store("locks", findings=["page 1 is never used"]),
    ]
    with pytest.raises(StoreCorruptError) as caught:
        perform(CheckStores(stores))
    assert caught.value.message == (
        "runs: page 3 is never used; runs: row 7 is missing; logs: the file is no database; locks: page 1 is never used"
    )


def test_more_findings_than_fit_are_counted() -> None:
    with pytest.raises(StoreCorruptError, match="and 90 more"):
        perform(CheckStores([Store("runs", findings=[f"page {number}" for number in range(100)])]))


@pytest.mark.parametrize(
    ("folder", "expected"), [("", "/data/backups"), ("elsewhere", "/data/elsewhere"), ("/mnt/tape", "/mnt/tape")]
)
def test_archives_go_where_the_parameter_says(folder: str, expected: str) -> None:
    backups = Backups()
    result, context = perform(BackUp(backups, Data()), folder=folder, keep=3)
    assert backups.asked == [(Path(expected), 3)]
    assert result.value == {"archive": f"{expected}/new", "bytes": 10, "files": 2, "deleted": ["old"]}
    assert [event for _, event, _ in context.log.lines] == ["backup written"]


def test_seven_archives_are_kept_by_default() -> None:
    backups = Backups()
    perform(BackUp(backups, Data()))
    assert backups.asked == [(Path("/data/backups"), 7)]
