"""What the command line changes is recorded by who connected; what it reads is not."""

from __future__ import annotations

import asyncio
import os
import pwd
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from host.cli.connect import ConnectedHost, connect
from host.contracts.clock import Clock
from host.contracts.host import BackupReport, HostBackup, HostControl, HostStatus, PluginInfo, ReloadReport
from host.contracts.jobs import JobManagerService, RunControl
from host.contracts.logs import RunLog
from host.contracts.registry import Pause
from host.contracts.runs import JobRunReader
from host.contracts.schedules import JobScheduleManager
from host.contracts.security import AuditTrail
from host.errors import AccessDeniedError, HostUnavailableError, RunStateError, StoreUnavailableError
from host.local import control_audit
from host.local.audit import SqliteAuditTrail
from host.local.control_audit import FACE, CallAudit, account_name
from host.local.control_calls import CHANGES, READS, REFUSED, words
from host.local.directory import DataDirectorySettings, LocalDataDirectory
from host.local.socket import ControlSocket
from host.model.runs import BulkAction, BulkReport, CancelResult, JobRun, RunFilter, RunState
from host.model.security import AuditEvent, AuditFilter, AuditOutcome, AuditPage
from host.model.submissions import RunSubmission
from host.testing.clock import FakeClock
from host.testing.contracts.services import running
from host.wire import proxy
from tests.unit.local.test_socket import Log, Nobody

RUN = UUID(int=7)
FRESH = UUID(int=8)
ME = pwd.getpwuid(os.getuid()).pw_name
SERVED = (JobManagerService, RunControl, JobScheduleManager, JobRunReader, RunLog, HostControl, HostBackup, AuditTrail)
SECRET = "hunter2"


class Steering(RunControl):
    """Does what it is asked, but finds every cancelled run finished."""

    def __init__(self) -> None:
        self.is_waiting = asyncio.Event()

    async def submit(self, submissions: Sequence[RunSubmission]) -> Sequence[UUID]:
        return [FRESH] * len(submissions)

    async def cancel(self, run_id: UUID, *, by: str | None = None) -> CancelResult:
        raise RunStateError(f"run {run_id} has finished with {SECRET}")

    async def retry(self, run_id: UUID, *, by: str | None = None) -> UUID:
        raise RuntimeError(SECRET)

    async def amend(
        self,
        run_id: UUID,
        *,
        priority: int | None = None,
        not_before: datetime | None = None,
        is_locked: bool | None = None,
    ) -> JobRun:
        raise NotImplementedError

    async def release(self, run_id: UUID, *, by: str | None = None) -> JobRun:
        self.is_waiting.set()
        await asyncio.Event().wait()
        raise NotImplementedError

    async def bulk(
        self,
        action: BulkAction,
        where: RunFilter,
        *,
        at_most: int = 100_000,
        dry_run: bool = False,
        by: str | None = None,
    ) -> BulkReport:
        return BulkReport(matched=3, changed=0 if dry_run else 2, is_more=False)

    async def pause(self, scope: str, *, reason: str, by: str | None = None) -> bool:
        return True

    async def resume(self, scope: str, *, by: str | None = None) -> bool:
        return False


class Machine(HostControl, HostBackup):
    """Calls back when it is asked to drain."""

    def __init__(self) -> None:
        self.on_drain: Callable[[], object] = lambda: None

    async def status(self) -> HostStatus:
        raise NotImplementedError

    async def pauses(self) -> Sequence[Pause]:
        return []

    async def plugins(self) -> Sequence[PluginInfo]:
        return []

    async def drain(self, *, by: str | None = None) -> None:
        self.on_drain()

    async def reload(self, *, dry_run: bool = False, by: str | None = None) -> ReloadReport:
        return ReloadReport()

    async def create(self, folder: Path, *, keep: int = 7) -> BackupReport:
        return BackupReport(archive=str(folder / "a.tar.gz"), bytes=1, files=1)


class FullDisk(AuditTrail):
    """Keeps nothing."""

    async def record(self, events: Sequence[AuditEvent]) -> None:
        raise StoreUnavailableError("the disk is full")

    async def events(
        self, where: AuditFilter | None = None, *, cursor: str | None = None, limit: int = 50
    ) -> AuditPage:
        raise NotImplementedError

    async def prune(self, *, before: datetime, limit: int = 500) -> int:
        raise NotImplementedError


@dataclass
class Desk:
    """A control socket with its trail."""

    folder: Path
    trail: AuditTrail
    clock: Clock = field(default_factory=FakeClock)
    control: Steering = field(default_factory=Steering)
    machine: Machine = field(default_factory=Machine)

    def socket(self) -> ControlSocket:
        return ControlSocket(
            LocalDataDirectory(DataDirectorySettings(path=self.folder)),
            proxy(JobManagerService, Nobody()),
            self.control,
            proxy(JobScheduleManager, Nobody()),
            proxy(JobRunReader, Nobody()),
            Log(),
            self.machine,
            self.clock,
            self.machine,
            self.trail,
        )

    async def only_event(self) -> AuditEvent:
        (event,) = (await self.trail.events()).events
        return event


Body = Callable[[Desk, ConnectedHost], Awaitable[None]]


def with_desk(folder: Path, body: Body, trail: AuditTrail | None = None) -> None:
    async def run() -> None:
        kept = SqliteAuditTrail(LocalDataDirectory(DataDirectorySettings(path=folder)))
        async with asyncio.timeout(60), running(trail or kept) as used:
            desk = Desk(folder, used)
            async with running(desk.socket()), connect(folder) as host:
                await body(desk, host)

    asyncio.run(run())


@pytest.mark.parametrize("contract", SERVED)
def test_every_method_that_is_served_is_said_to_read_to_change_or_to_be_refused(contract: type) -> None:
    methods = {f"{contract.__name__}.{name}" for name in contract.__abstractmethods__}  # type: ignore[attr-defined]  # an ABC's
    tables = (READS, CHANGES.keys(), REFUSED)
    assert methods == {name for table in tables for name in table if name.startswith(f"{contract.__name__}.")}
    assert all(sum(name in table for table in tables) == 1 for name in methods)


def test_the_tables_hold_nothing_that_is_not_served() -> None:
    names = {f"{contract.__name__}.{name}" for contract in SERVED for name in contract.__abstractmethods__}
    assert {*READS, *CHANGES, *REFUSED} == names


def test_the_arguments_that_are_told_exist() -> None:
    for name, change in CHANGES.items():
        (contract,) = [contract for contract in SERVED if name.startswith(f"{contract.__name__}.")]
        arguments = getattr(contract, name.partition(".")[2]).__annotations__
        assert {*change.told, *filter(None, [change.target])} <= arguments.keys(), name


def test_a_change_is_recorded_with_who_what_and_how_it_ended(tmp_path: Path) -> None:
    async def body(desk: Desk, host: ConnectedHost) -> None:
        await host.control.pause("job:a:B", reason="upkeep", by="somebody else")
        expected = AuditEvent(
            number=1,
            at=desk.clock.now(),
            by=ME,
            face=FACE,
            action="RunControl.pause",
            target="job:a:B",
            outcome=AuditOutcome.SUCCESS,
            detail={"reason": "upkeep", "by": "somebody else"},
        )
        assert await desk.only_event() == expected

    with_desk(tmp_path, body)


def test_reading_is_not_recorded(tmp_path: Path) -> None:
    async def body(desk: Desk, host: ConnectedHost) -> None:
        await host.host.plugins()
        await host.log.read(RUN)
        await host.audit.events()
        assert (await desk.trail.events()).events == ()

    with_desk(tmp_path, body)


def test_what_only_would_change_something_is_not_recorded(tmp_path: Path) -> None:
    async def body(desk: Desk, host: ConnectedHost) -> None:
        await host.host.reload(dry_run=True)
        assert (await host.control.bulk(BulkAction.CANCEL, RunFilter(), dry_run=True)).changed == 0
        assert (await desk.trail.events()).events == ()
        await host.host.reload()
        assert (await desk.only_event()).action == "HostControl.reload"

    with_desk(tmp_path, body)


def test_a_submission_tells_jobs_and_runs_and_never_a_parameter(tmp_path: Path) -> None:
    async def body(desk: Desk, host: ConnectedHost) -> None:
        await host.control.submit([RunSubmission(job="a:B", parameters={"token": SECRET}), RunSubmission(job="c:D")])
        event = await desk.only_event()
        assert (event.target, event.detail) == ("a:B, c:D", {"runs": f"{FRESH}, {FRESH}"})
        assert SECRET not in repr(event)

    with_desk(tmp_path, body)


def test_an_action_on_many_runs_tells_which_and_how_many(tmp_path: Path) -> None:
    async def body(desk: Desk, host: ConnectedHost) -> None:
        where = RunFilter(job_id=RUN, states=frozenset({RunState.QUEUED, RunState.PENDING}))
        await host.control.bulk(BulkAction.CANCEL, where, by=ME)
        event = await desk.only_event()
        assert event.target == f"job {RUN}, states pending queued"
        assert event.detail == {"action": "cancel", "changed": "2 of 3"}

    with_desk(tmp_path, body)


def test_a_failure_is_recorded_by_its_code_without_its_words(tmp_path: Path) -> None:
    async def body(desk: Desk, host: ConnectedHost) -> None:
        with pytest.raises(RunStateError):
            await host.control.cancel(RUN)
        event = await desk.only_event()
        assert (event.target, event.outcome) == (str(RUN), AuditOutcome.FAILED)
        assert event.detail == {"error": "run-state-conflict"}

    with_desk(tmp_path, body)


def test_a_defect_is_recorded_by_its_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def body(desk: Desk, host: ConnectedHost) -> None:
        with pytest.raises(Exception, match="internal error"):
            await host.control.retry(RUN)
        assert (await desk.only_event()).detail == {"error": "RuntimeError"}

    with_desk(tmp_path, body)
    caplog.clear()


def test_a_call_whose_caller_left_is_recorded(tmp_path: Path) -> None:
    async def body(desk: Desk, host: ConnectedHost) -> None:
        async with connect(tmp_path) as impatient:
            call = asyncio.ensure_future(impatient.control.release(RUN))
            await desk.control.is_waiting.wait()
            call.cancel()
        while not (page := await desk.trail.events()).events:
            await asyncio.sleep(0.01)
        assert page.events[0].outcome is AuditOutcome.FAILED
        assert page.events[0].detail == {"error": "the call was ended"}

    with_desk(tmp_path, body)


def test_the_trail_can_be_read_but_neither_written_nor_pruned(tmp_path: Path) -> None:
    async def body(desk: Desk, host: ConnectedHost) -> None:
        await host.control.resume("all")
        kept = await desk.only_event()
        assert (await host.audit.events()).events == (kept,)
        with pytest.raises(AccessDeniedError, match=r"AuditTrail\.prune"):
            await host.audit.prune(before=kept.at + timedelta(days=1))
        with pytest.raises(AccessDeniedError, match=r"AuditTrail\.record"):
            await host.audit.record([kept])
        found = (await desk.trail.events()).events
        assert [(event.action, event.outcome) for event in found] == [
            ("AuditTrail.record", AuditOutcome.DENIED),
            ("AuditTrail.prune", AuditOutcome.DENIED),
            ("RunControl.resume", AuditOutcome.SUCCESS),
        ]

    with_desk(tmp_path, body)


def test_a_trail_that_cannot_be_written_stops_nobody_and_is_told_in_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def body(desk: Desk, host: ConnectedHost) -> None:
        assert await host.control.pause("all", reason="the disk is full") is True

    with_desk(tmp_path, body, trail=FullDisk())
    said = capsys.readouterr().out
    assert "call not audited" in said
    assert "RunControl.pause" in said


def test_who_asks_for_a_drain_is_answered_and_recorded_although_the_socket_closes_at_once(tmp_path: Path) -> None:
    async def run() -> None:
        trail = SqliteAuditTrail(LocalDataDirectory(DataDirectorySettings(path=tmp_path)))
        async with asyncio.timeout(60), running(trail):
            for number in range(1, 11):
                desk = Desk(tmp_path, trail)
                socket = desk.socket()
                await socket.start()
                stops: list[asyncio.Task[None]] = []
                desk.machine.on_drain = lambda stops=stops, socket=socket: stops.append(  # type: ignore[misc]  # defaults
                    asyncio.ensure_future(socket.stop())
                )
                async with connect(tmp_path) as host:
                    await host.host.drain(by=ME)
                await asyncio.gather(*stops)
                assert len((await trail.events()).events) == number

    asyncio.run(run())


def test_what_is_under_way_when_the_socket_closes_is_recorded_as_ended(tmp_path: Path) -> None:
    async def run() -> None:
        trail = SqliteAuditTrail(LocalDataDirectory(DataDirectorySettings(path=tmp_path)))
        async with asyncio.timeout(60), running(trail):
            desk = Desk(tmp_path, trail)
            async with running(desk.socket()) as socket, connect(tmp_path) as host:
                call = asyncio.ensure_future(host.control.release(RUN))
                await desk.control.is_waiting.wait()
                await socket.stop()
                with pytest.raises(HostUnavailableError):
                    await call
            assert (await desk.only_event()).detail == {"error": "the call was ended"}

    asyncio.run(run())


def test_an_account_without_a_name_is_told_by_its_number() -> None:
    assert account_name(os.getuid()) == ME
    assert account_name(2**31 - 7) == f"uid {2**31 - 7}"


def test_a_directory_that_does_not_answer_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()

    def slow(uid: int) -> str:
        answers.wait(60)
        return "alice"

    monkeypatch.setattr(control_audit, "account_name", slow)
    monkeypatch.setattr(control_audit, "NAMING_SECONDS", 0.01)

    async def run() -> None:
        audit = CallAudit(None, FakeClock())
        assert await audit.caller(7) == "uid 7"
        answers.set()
        monkeypatch.setattr(control_audit, "NAMING_SECONDS", 60)
        assert await audit.caller(7) == "alice"
        monkeypatch.setattr(control_audit, "account_name", account_name)
        assert await audit.caller(7) == "alice"
        assert await audit.caller(2**31 - 7) == f"uid {2**31 - 7}"

    asyncio.run(run())


def test_without_a_trail_calls_are_made_and_refused_all_the_same() -> None:
    async def run() -> None:
        control = Steering()
        services = CallAudit(None, FakeClock()).guard({RunControl: control, AuditTrail: FullDisk()}, os.getuid())
        assert await services["RunControl"][1].resume(scope="all") is False
        with pytest.raises(AccessDeniedError):
            await services["AuditTrail"][1].prune(before=FakeClock().now())

    asyncio.run(run())


def test_of_many_targets_some_are_named() -> None:
    assert words([UUID(int=number) for number in range(12)]).endswith(f"{UUID(int=9)}, 2 more")
    assert words([]) == ""
    assert words(RunFilter()) == "all runs"
