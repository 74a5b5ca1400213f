"""A host in memory behind a real control socket, and the command line to call it with."""

from __future__ import annotations

import asyncio
import sys
import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from host.cli import find
from host.cli.main import root
from host.contracts.contract import Finding
from host.contracts.host import (
    BackupReport,
    DataDirectory,
    ExecutorInfo,
    HostBackup,
    HostControl,
    HostState,
    HostStatus,
    PluginInfo,
    ProviderInfo,
    ReloadReport,
)
from host.contracts.jobs import JobManagerService, RunControl
from host.contracts.logs import RunLog
from host.contracts.registry import Pause
from host.contracts.runs import JobRunReader
from host.contracts.schedules import JobScheduleManager
from host.engine.bulk import STATES
from host.errors import InvalidParameterError, JobNotFoundError, Problem, RunNotFoundError, RunStateError
from host.local.clock import SystemClock
from host.local.socket import ControlSocket
from host.model.jobs import JobInfo, JobParameter, JobStartType
from host.model.json import JsonObject, JsonValue
from host.model.logs import LogLevel, RunLogLine
from host.model.runs import (
    AttemptError,
    BulkAction,
    BulkReport,
    CancelResult,
    JobRun,
    RunCounters,
    RunFilter,
    RunPage,
    RunReason,
    RunState,
)
from host.model.schedules import JobSchedule, ScheduleEntry
from host.model.statistics import BOUNDS, Histogram, JobStatistics
from host.model.submissions import RunSubmission

NOW = datetime.now(UTC).replace(microsecond=0)
PRUNE = JobInfo(
    id=UUID(int=1),
    name="Prune run history",
    job_type="host_maintenance.history:PruneHistory",
    description="Delete finished runs older than the retention period.",
    parameters=(
        JobParameter("days", int, default=30, minimum=1, description="Age of what is deleted."),
        JobParameter("dry", bool, required=False),
        JobParameter("token", str, required=False, secret=True),
    ),
    configured_parameters={"token": "hunter2"},
    source="config/santedb.config.xml:12",
)
BROKEN = JobInfo(id=UUID(int=2), name="Broken", job_type="demo:Broken", source="operator")
OFFERED = JobInfo(id=UUID(int=3), name="Verify stores", job_type="host_maintenance.stores:VerifyStores")
LOG = (
    RunLogLine(number=1, at=NOW, level=LogLevel.INFO, event="begun", fields={"days": 30}),
    RunLogLine(number=2, at=NOW, level=LogLevel.ERROR, event="bad \x1b[31mnews"),
)
ERROR = AttemptError(attempt=1, at=NOW, node="n", error="ValueError: no", traceback="Traceback:\n  no\n")


def make_run(number: int, job: JobInfo, state: RunState, **more: object) -> JobRun:
    made = NOW - timedelta(minutes=number)
    run = JobRun(
        id=UUID(f"019a{number:04x}-0000-7000-8000-{number * 0x1111:012x}"),
        job_id=job.id,
        job_type=job.job_type,
        state=state,
        owner="kim",
        change=1000 - number,
        created_at=made,
        updated_at=made,
    )
    return replace(run, **more)  # type: ignore[arg-type]  # fields by name


def statistics_of(job: UUID, runs: Sequence[JobRun], since: datetime, span: timedelta) -> JobStatistics:
    """Give what runs that have finished come to."""
    took = [run.finished_at - run.started_at for run in runs if run.finished_at and run.started_at]
    counts = [0] * (len(BOUNDS) + 1)
    for length in took:
        counts[bisect_left(BOUNDS, length)] += 1
    durations = Histogram(counts=tuple(counts), total=sum(took, timedelta(0)))
    by_state = Counter(run.state for run in runs)
    return JobStatistics(job_id=job, since=since, until=since + span, by_state=by_state, durations=durations)


@dataclass
class Memory:
    """What the host in memory knows; tests look at it and change it."""

    jobs: list[JobInfo] = field(default_factory=lambda: [BROKEN, PRUNE])
    runs: dict[UUID, JobRun] = field(default_factory=dict)
    schedules: dict[str, ScheduleEntry] = field(default_factory=dict)
    pauses: dict[str, str] = field(default_factory=dict)
    submitted: list[RunSubmission] = field(default_factory=list)
    drained_by: list[str | None] = field(default_factory=list)
    backups: list[Path] = field(default_factory=list)
    bulk: list[tuple[BulkAction, RunFilter]] = field(default_factory=list)
    longest_page: int = 1000
    """Pages end there, as where few runs pass a filter."""
    pid: int = 1
    on_drain: Callable[[], object] = lambda: None
    error: AttemptError = ERROR

    def find(self, job: str) -> JobInfo:
        for info in self.jobs:
            if job in {str(info.id), info.name, info.job_type}:
                return info
        raise JobNotFoundError(f"no job is called {job!r}", hint="jobhost jobs list shows the registered ones")

    def step(self, run: JobRun) -> JobRun:
        """Let a submitted run go one state further."""
        after = {RunState.QUEUED: RunState.RUNNING, RunState.RUNNING: RunState.COMPLETED}
        if run.owner == "kim" or run.state not in after:
            return run
        state = after[run.state]
        run = replace(run, state=state, change=run.change + 1, progress=0.4, started_at=NOW)
        if state is RunState.COMPLETED and run.job_id == BROKEN.id:
            run = replace(run, state=RunState.FAILED, reason=RunReason.ERROR, errors=(self.error,))
        if run.state.is_final:
            run = replace(run, finished_at=NOW + timedelta(seconds=2), status_text="done")
        self.runs[run.id] = run
        return run


class Folder(DataDirectory):
    def __init__(self, path: Path) -> None:
        self._path = path

    def path(self) -> Path:
        return self._path

    def node(self) -> str:
        return "node-1"


class Jobs(JobManagerService):
    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    async def jobs(self) -> Sequence[JobInfo]:
        return self.memory.jobs

    async def get_available_jobs(self) -> Sequence[JobInfo]:
        return [OFFERED]

    async def get_job(self, job: str) -> JobInfo:
        return self.memory.find(job)

    async def is_job_registered(self, job: str) -> bool:
        return any(job == info.job_type for info in self.memory.jobs)

    async def add_job(
        self, job_type: str, *, start_type: JobStartType = JobStartType.SCHEDULE, interval: timedelta | None = None
    ) -> JobInfo:
        return self.memory.find(job_type)

    async def register_job(self, job_type: str) -> JobInfo:
        self.memory.jobs.append(OFFERED)
        return OFFERED

    async def start_job(
        self, job: str, parameters: JsonObject | Sequence[JsonValue] = (), *, by: str | None = None
    ) -> JobRun | None:
        return None

    async def cancel_job(self, job: str, *, by: str | None = None) -> Sequence[CancelResult]:
        info = self.memory.find(job)
        waiting = [run for run in self.memory.runs.values() if run.job_id == info.id and not run.state.is_final]
        return [CancelResult(run_id=run.id, state=run.state) for run in waiting]

    async def get_job_schedules(self, job: str) -> ScheduleEntry:
        name = self.memory.find(job).job_type
        return self.memory.schedules.get(name) or ScheduleEntry(job_type=name, schedules=(), version="")

    async def set_job_schedule(
        self, job: str, schedules: Sequence[JobSchedule], *, expected_version: str | None = None
    ) -> ScheduleEntry:
        before = await self.get_job_schedules(job)
        assert expected_version == before.version
        entry = replace(before, schedules=tuple(schedules), version=before.version + "+", source="xcron.xml:3")
        self.memory.schedules[before.job_type] = entry
        return entry

    async def clear_job_schedule(self, job: str, *, expected_version: str | None = None) -> ScheduleEntry:
        return await self.set_job_schedule(job, [], expected_version=(await self.get_job_schedules(job)).version)


class Control(RunControl):
    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    async def submit(self, submissions: Sequence[RunSubmission]) -> Sequence[UUID]:
        ids = []
        for submission in submissions:
            info = self.memory.find(submission.job)
            if unknown := set(submission.parameters) - {parameter.name for parameter in info.parameters}:
                problems = [Problem(message="unknown parameter", where=str(name)) for name in sorted(unknown)]
                raise InvalidParameterError(f"parameters of {info.name}", problems=problems)
            run = make_run(500 + len(self.memory.runs), info, RunState.QUEUED, owner=submission.owner)
            self.memory.submitted.append(submission)
            self.memory.runs[run.id] = replace(run, owner="cli")
            ids.append(run.id)
        return ids

    async def cancel(self, run_id: UUID, *, by: str | None = None) -> CancelResult:
        run = self.memory.runs[run_id]
        if run.state.is_final:
            raise RunStateError(f"run {run_id} has finished: {run.state}")
        waits = not run.state.is_active
        return CancelResult(run_id=run_id, state=RunState.CANCELLED if waits else run.state)

    async def retry(self, run_id: UUID, *, by: str | None = None) -> UUID:
        return UUID(int=99)

    async def amend(
        self,
        run_id: UUID,
        *,
        priority: int | None = None,
        not_before: datetime | None = None,
        is_locked: bool | None = None,
    ) -> JobRun:
        run = self.memory.runs[run_id]
        changes = {"priority": priority, "not_before": not_before, "is_locked": is_locked}
        self.memory.runs[run_id] = replace(run, **{name: value for name, value in changes.items() if value is not None})  # type: ignore[arg-type]  # fields by name
        return self.memory.runs[run_id]

    async def bulk(
        self,
        action: BulkAction,
        where: RunFilter,
        *,
        at_most: int = 100_000,
        dry_run: bool = False,
        by: str | None = None,
    ) -> BulkReport:
        found = [run for run in self.memory.runs.values() if run.state in (where.states or STATES[action])]
        matched = [run for run in found if where.job_id in {None, run.job_id}][:at_most]
        if dry_run:
            return BulkReport(matched=len(matched), changed=0, is_more=len(matched) == at_most)
        assert by
        self.memory.bulk.append((action, where))
        changed = [run for run in matched if run.job_id != BROKEN.id]
        return BulkReport(matched=len(matched), changed=len(changed), is_more=len(matched) == at_most)

    async def release(self, run_id: UUID, *, by: str | None = None) -> JobRun:
        run = self.memory.runs[run_id]
        if run.state is RunState.QUARANTINED:
            return replace(run, id=UUID(int=98), state=RunState.QUEUED, origin_run_id=run.id)
        return replace(run, state=RunState.QUEUED)

    async def pause(self, scope: str, *, reason: str, by: str | None = None) -> bool:
        return self.memory.pauses.setdefault(scope, reason) is reason

    async def resume(self, scope: str, *, by: str | None = None) -> bool:
        return self.memory.pauses.pop(scope, None) is not None


class Schedules(JobScheduleManager):
    async def all(self) -> Sequence[ScheduleEntry]:
        return []

    async def get(self, job_type: str) -> ScheduleEntry | None:
        return None

    async def replace(
        self, job_type: str, schedules: Sequence[JobSchedule], *, expected_version: str | None = None
    ) -> ScheduleEntry:
        raise NotImplementedError

    async def clear(self, job_type: str, *, expected_version: str | None = None) -> ScheduleEntry:
        raise NotImplementedError

    async def remove(self, job_type: str, *, expected_version: str | None = None) -> bool:
        return False


class Runs(JobRunReader):
    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    async def run(self, run_id: UUID) -> JobRun | None:
        found = self.memory.runs.get(run_id)
        return self.memory.step(found) if found else None

    async def runs(self, where: RunFilter | None = None, *, cursor: str | None = None, limit: int = 50) -> RunPage:
        where = where or RunFilter()
        found = [
            run
            for run in sorted(self.memory.runs.values(), key=lambda run: run.created_at, reverse=True)
            if (where.job_id in {None, run.job_id})
            and (not where.states or run.state in where.states)
            and (where.created_from is None or run.created_at >= where.created_from)
            and (where.created_until is None or run.created_at < where.created_until)
            and (where.schedule_id in {None, run.schedule_id})
        ]
        start = int(cursor or 0)
        limit = min(limit, self.memory.longest_page)
        more = str(start + limit) if start + limit < len(found) else None
        return RunPage(runs=tuple(found[start : start + limit]), next_cursor=more)

    async def latest(self, job_ids: Collection[UUID], states: Collection[RunState] = ()) -> Mapping[UUID, JobRun]:
        newest = sorted(self.memory.runs.values(), key=lambda run: run.created_at)
        return {run.job_id: run for run in newest if run.job_id in job_ids}

    async def counters(self) -> RunCounters:
        queued = [run.created_at for run in self.memory.runs.values() if run.state is RunState.QUEUED]
        return RunCounters(by_state={}, oldest_due_at=min(queued, default=None))

    async def statistics(
        self,
        job_ids: Collection[UUID] = (),
        *,
        since: datetime,
        until: datetime | None = None,
        step: timedelta | None = None,
    ) -> Sequence[JobStatistics]:
        found: dict[tuple[UUID, int], list[JobRun]] = {}
        for run in sorted(self.memory.runs.values(), key=lambda run: run.created_at):
            if run.finished_at and (run.job_id in job_ids or not job_ids) and since <= run.finished_at:
                number = (run.finished_at - since) // step if step else 0
                found.setdefault((run.job_id, number), []).append(run)
        span = step or timedelta(days=1000)
        return [statistics_of(job, runs, since + number * span, span) for (job, number), runs in found.items()]

    async def failing(self, job_ids: Collection[UUID], *, at_most: int = 100) -> Mapping[UUID, int]:
        return {job: self._failing(job, at_most) for job in job_ids}

    def _failing(self, job: UUID, at_most: int) -> int:
        runs = sorted(self.memory.runs.values(), key=lambda run: run.created_at, reverse=True)
        mine = [run for run in runs if run.job_id == job and run.state in {RunState.FAILED, RunState.COMPLETED}]
        return min(at_most, sum(1 for _ in takewhile(lambda run: run.state is RunState.FAILED, mine)))

    async def changes(self, after: int, *, limit: int = 500) -> Sequence[JobRun]:
        ordered = sorted(map(self.memory.step, self.memory.runs.values()), key=lambda run: run.change)
        return ordered[-1:] if after == -1 else [run for run in ordered if run.change > after]


class Log(RunLog):
    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    def append(self, run_id: UUID, lines: Sequence[RunLogLine]) -> None:
        raise NotImplementedError

    async def read(self, run_id: UUID, *, after: int = 0, limit: int = 1000) -> Sequence[RunLogLine]:
        if run_id not in self.memory.runs:
            raise RunNotFoundError(f"there is no run {run_id}")
        return [line for line in LOG if line.number > after][:1]

    async def follow(self, run_id: UUID, *, after: int = 0) -> AsyncIterator[RunLogLine]:
        yield LOG[0]
        await asyncio.Event().wait()

    async def prune(self, run_ids: Collection[UUID]) -> int:
        return 0


class HostInMemory(HostControl, HostBackup):
    def __init__(self, memory: Memory, folder: Path) -> None:
        self.memory = memory
        self.folder = folder

    async def status(self) -> HostStatus:
        return HostStatus(
            state=HostState.READY,
            version="0.1.0",
            pid=self.memory.pid,
            node="node-1",
            started_at=NOW - timedelta(hours=2),
            configuration="config/santedb.config.xml",
            data_directory=str(self.folder),
            timezone="Europe/Prague",
            providers=(
                ProviderInfo(type="host.local.runs:SqliteJobRunStore", contracts=("JobRunReader",), source="c.xml:7"),
                ProviderInfo(
                    type="host_rest:Server",
                    contracts=(),
                    source="c.xml:8",
                    findings=(Finding(message="the certificate ends in 3 days"),),
                ),
            ),
            executors=(
                ExecutorInfo(name="loop", busy=1, slots=100, stuck=1, cancel_effect="raises at the next await"),
            ),
            unfinished={"queued": 3, "running": 1},
            paused=self.memory.pauses,
            pauses=tuple(await self.pauses()),
        )

    async def pauses(self) -> Sequence[Pause]:
        return [Pause(scope=s, reason=r, by="kim", at=NOW) for s, r in self.memory.pauses.items()]

    async def plugins(self) -> Sequence[PluginInfo]:
        return [
            PluginInfo(name="bad", distribution="jobhost-bad", version="1", error="ImportError: no"),
            PluginInfo(name="rest", distribution="jobhost-rest", version="1", providers=("a:B",)),
        ]

    async def reload(self, *, dry_run: bool = False, by: str | None = None) -> ReloadReport:
        raise NotImplementedError

    async def drain(self, *, by: str | None = None) -> None:
        self.memory.drained_by.append(by)
        asyncio.get_running_loop().call_later(0.05, self.memory.on_drain)

    async def create(self, folder: Path, *, keep: int = 7) -> BackupReport:
        self.memory.backups.append(folder)
        return BackupReport(archive=str(folder / "a.tar.gz"), bytes=1234567, files=3, deleted=("old.tar.gz",))


@dataclass(frozen=True)
class HostUnderTest:
    """The command line, pointed at a host in memory."""

    memory: Memory
    folder: Path
    stop: Callable[[], object]

    def __call__(self, *arguments: str, columns: int = 120, **variables: str) -> Result:
        environment = {"COLUMNS": str(columns), "JOBHOST_DATA": str(self.folder), "NO_COLOR": None, **variables}
        return CliRunner().invoke(root, arguments, prog_name="jobhost", env=environment)

    def printed(self, *arguments: str, columns: int = 120) -> str:
        """Give what a command that succeeds prints."""
        result = self(*arguments, columns=columns)
        assert result.exit_code == 0, result.output
        return result.stdout


def serve_until(socket: ControlSocket, ready: threading.Event, ask_stop: Callable[[asyncio.Event], None]) -> None:
    async def run() -> None:
        stop = asyncio.Event()
        await socket.start()
        ask_stop(stop)
        ready.set()
        await stop.wait()
        await socket.stop()

    asyncio.run(run())


@pytest.fixture
def host(tmp_path: Path) -> Iterator[HostUnderTest]:
    memory = Memory()
    inside = HostInMemory(memory, tmp_path)
    socket = ControlSocket(
        Folder(tmp_path),
        Jobs(memory),
        Control(memory),
        Schedules(),
        Runs(memory),
        Log(memory),
        inside,
        SystemClock(),
        inside,
    )
    ready = threading.Event()
    ends: list[Callable[[], object]] = []

    def ask_stop(stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        ends.append(lambda: loop.is_closed() or loop.call_soon_threadsafe(stop.set))

    thread = threading.Thread(target=serve_until, args=(socket, ready, ask_stop))
    thread.start()
    assert ready.wait(60)
    yield HostUnderTest(memory, tmp_path, ends[0])
    ends[0]()
    thread.join(60)
    assert not thread.is_alive()


@pytest.fixture
def filled(host: HostUnderTest) -> HostUnderTest:
    """A host with runs in several states."""
    error = AttemptError(attempt=1, at=NOW, node="node-1", error="OSError: disk full", traceback="Traceback\nOSError")
    for run in (
        make_run(1, PRUNE, RunState.RUNNING, progress=0.42, status_text="\x1b[2Jdeleting [bold]rows[/bold]"),
        make_run(2, PRUNE, RunState.COMPLETED, started_at=NOW, finished_at=NOW + timedelta(seconds=90)),
        make_run(3, BROKEN, RunState.FAILED, reason=RunReason.ERROR, errors=(error,), attempt=1),
        make_run(4, BROKEN, RunState.SKIPPED, reason=RunReason.OVERLAP),
        make_run(5, PRUNE, RunState.QUEUED, parameters={"days": 3, "token": "hunter2"}),
    ):
        host.memory.runs[run.id] = run
    return host


@pytest.fixture(autouse=True)
def _present(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it be ``NOW`` for every command, however long ago this module was imported."""
    monkeypatch.setattr(find, "now", lambda: NOW)
    for name, module in list(sys.modules.items()):
        if name.startswith("host.cli.") and hasattr(module, "now"):
            monkeypatch.setattr(module, "now", lambda: NOW)
