"""Runs that killed their host, or their process: alone, then quarantined, and their job paused."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar
from uuid import UUID

import pytest

from host.contracts.executors import JobCall, JobCrashError, JobExecutor, JobLostError
from host.contracts.host import DataDirectory
from host.contracts.jobs import Job, JobContext
from host.contracts.registry import JobRegistry, Pause
from host.engine import dispatcher, quarantine
from host.engine.dispatcher import HostedDispatcher
from host.errors import RunStateError, StoreCorruptError, StoreUnavailableError
from host.kernel.catalogue import describe_job
from host.local.registry import SqliteJobRegistry
from host.local.runs import SqliteJobRunStore, SqliteRunStoreSettings
from host.model.jobs import OverlapPolicy, RecoveryPolicy
from host.model.runs import MAX_CRASHES, MAX_FORGIVEN, JobResult, RunReason, RunRequest, RunState
from host.testing.clock import FakeClock
from tests.unit.engine.counting import Counting, Waiting
from tests.unit.engine.desk import BEGIN, Plain, desk, eventually, go, name_of

SHORT = '<section xsi:type="DispatcherConfigurationSection" suspectAlone="PT0.1S" />'
LONG = SHORT.replace("PT0.1S", "PT1H")
_NODES = itertools.count()


class Crashing(Job):
    """Its executor says that its process died."""

    overlap = OverlapPolicy.ALLOW
    executor = "crashing"

    async def run(self, context: JobContext) -> None:
        raise JobCrashError("its process was killed by SIGSEGV")


class CrashingOnce(Crashing):
    """Must not be started twice."""

    recovery = RecoveryPolicy.FAIL


class Lost(Crashing):
    """Its executor says that its process was lost with others."""

    times: ClassVar[int] = 0

    async def run(self, context: JobContext) -> None:
        type(self).times += 1
        raise JobLostError("the process it was forked from ended")


class LostOnce(Lost):
    """Must not be started twice."""

    recovery = RecoveryPolicy.FAIL


class Inside(Plain):
    """Is always performed elsewhere."""

    executor = "crashing"


class Isolated(Plain):
    """May be performed elsewhere."""

    process_safe = True


class CrashingHere(Counting):
    """Says that its process died, but has none of its own."""

    began = now = most = 0

    async def work(self, context: JobContext) -> None:
        raise JobCrashError("said to have died")


class IsolatedWaiting(Waiting):
    """May be performed elsewhere, and takes its time."""

    process_safe = True
    began = now = most = 0


class CrashingExecutor(JobExecutor):
    """Performs as the loop does, and is said to isolate."""

    name = "crashing"
    cancel_effect = "none"
    isolates = True
    performed: list[str]

    def __init__(self) -> None:
        type(self).performed = []

    @property
    def slots(self) -> int:
        return 5

    async def perform(self, call: JobCall) -> JobResult | None:
        type(self).performed.append(call.run.job_type)
        result = call.create().run(call.context)
        assert asyncio.iscoroutine(result)
        await result
        return None


class Folder(DataDirectory):
    """The data directory of a host that is going to die."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._node = f"dead/{next(_NODES)}"

    def path(self) -> Path:
        return self._path

    def node(self) -> str:
        return self._node


async def die_with(folder: Path, *jobs: type[Job], times: int = 1) -> list[UUID]:
    """Leave runs of these jobs behind that were active when their host died, this many times."""
    ids: Sequence[UUID] = []
    (folder / "data").mkdir(exist_ok=True)
    for number in range(times):
        store = SqliteJobRunStore(Folder(folder / "data"), FakeClock(BEGIN), SqliteRunStoreSettings())
        await store.start()
        infos = [describe_job(job) for job in jobs]
        if number == 0:
            requests = [
                RunRequest(job_id=i.id, job_type=i.job_type, recovery=i.recovery, executor=i.executor) for i in infos
            ]
            ids = await store.submit(requests)
        await store.rescue(isolating=[CrashingExecutor.name])
        await store.claim(
            {"loop": 100, CrashingExecutor.name: 100}, [info.job_type for info in infos], alone_from=MAX_CRASHES
        )
        await store.stop()
    return list(ids)


def test_suspects_run_one_at_a_time_and_nothing_beside_them(tmp_path: Path) -> None:
    async def check() -> None:
        Waiting.now = Waiting.began = Counting.began = 0
        first, second = await die_with(tmp_path, Waiting, Waiting)
        async with desk(tmp_path, Waiting, Counting) as at:
            await eventually(lambda: Waiting.began == 1)
            other = await at.start(Counting)
            await asyncio.sleep(0.05)
            assert (Waiting.now, Counting.began, (await at.run(other)).state) == (1, 0, RunState.QUEUED)
            await at.control.cancel(first)
            await eventually(lambda: Waiting.began == 2)
            assert Counting.began == 0
            await at.control.cancel(second)
            assert (await at.finished(other)).state is RunState.COMPLETED

    go(check())


def test_all_first_time_suspects_together_hold_up_the_others_a_bounded_time(tmp_path: Path) -> None:
    async def check() -> None:
        Waiting.now = Waiting.began = 0
        await die_with(tmp_path, *[Waiting] * 5)
        async with desk(tmp_path, Waiting, Counting, sections=SHORT) as at:
            assert (await at.finished(await at.start(Counting))).state is RunState.COMPLETED
            await eventually(lambda: Waiting.now == 5)

    go(check())


def test_a_suspect_of_two_crashes_is_alone_even_then(tmp_path: Path) -> None:
    async def check() -> None:
        Waiting.now = Waiting.began = 0
        await die_with(tmp_path, Waiting, Waiting, times=2)
        async with desk(tmp_path, Waiting, Counting, sections=SHORT) as at:
            await eventually(lambda: Waiting.now == 1)
            assert (await at.finished(await at.start(Counting))).state is RunState.COMPLETED
            await eventually(lambda: Waiting.now == 2)
            rows = await at.runs(Waiting)
            assert [row.crashes for row in rows] == [2, 2]

    go(check())


def test_a_suspect_that_may_runs_elsewhere(tmp_path: Path) -> None:
    async def check() -> None:
        (run_id,) = await die_with(tmp_path, Isolated)
        async with desk(tmp_path, Isolated, providers=[CrashingExecutor]) as at:
            assert (await at.finished(run_id)).state is RunState.COMPLETED
            assert CrashingExecutor.performed == [name_of(Isolated)]

    go(check())


def test_suspects_that_run_elsewhere_hold_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "IDLE_SECONDS", 3600)

    async def check() -> None:
        await die_with(tmp_path, IsolatedWaiting, IsolatedWaiting, IsolatedWaiting)
        jobs = (IsolatedWaiting, Counting)
        async with desk(tmp_path, *jobs, providers=[CrashingExecutor], sections=LONG) as at:
            await eventually(lambda: IsolatedWaiting.now == 3)
            assert (await at.finished(await at.start(Counting))).state is RunState.COMPLETED

    go(check())


def test_a_suspect_cancelled_while_it_waits_never_enters(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Waiting, CrashingHere, Counting) as at:
            await at.start(Waiting)
            await eventually(lambda: Waiting.now == 1)
            run_id = await at.start(CrashingHere)
            await at.until(run_id, lambda run: (run.state, run.crashes) == (RunState.STARTING, 1))
            await at.control.cancel(run_id)
            assert (await at.finished(run_id)).state is RunState.CANCELLED
            assert (CrashingHere.began, Waiting.now) == (1, 1)
            assert (await at.finished(await at.start(Counting))).state is RunState.COMPLETED

    go(check())


def test_a_suspect_that_waits_is_given_back_by_a_drain(tmp_path: Path) -> None:
    async def check() -> None:
        Waiting.now = Waiting.began = 0
        ids = await die_with(tmp_path, Waiting, Waiting)
        async with desk(tmp_path, Waiting) as at:
            await eventually(lambda: Waiting.began == 1)
        async with desk(tmp_path, Waiting, paused="look") as at:
            rows = [await at.run(run_id) for run_id in ids]
            assert [(row.state, row.crashes, row.attempt) for row in rows] == [(RunState.QUEUED, 1, 0)] * 2

    go(check())


def test_a_run_that_kills_its_host_too_often_pauses_its_job(tmp_path: Path) -> None:
    async def check() -> None:
        (run_id,) = await die_with(tmp_path, Plain, times=MAX_CRASHES)
        async with desk(tmp_path, Plain, Counting) as at:
            row = await at.run(run_id)
            assert (row.state, row.reason) == (RunState.QUARANTINED, RunReason.CRASHES)
            (pause,) = await at.host.get(JobRegistry).pauses()
            assert (pause.scope, pause.by) == (f"job:{name_of(Plain)}", "quarantine")
            assert f"jobhost runs release {run_id}" in pause.reason
            waiting = await at.start(Plain)
            await at.finished(await at.start(Counting))
            assert (await at.run(waiting)).state is RunState.QUEUED

    go(check())


def test_a_pause_that_cannot_be_written_at_the_start_comes_before_any_run_of_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(dispatcher, "PAUSE_SECONDS", 0.01)
    pause, refused = SqliteJobRegistry.pause, [0]

    async def refuse(registry: JobRegistry, wanted: Pause) -> bool:
        refused[0] += 1
        raise StoreCorruptError("the registry cannot be written")

    async def check() -> None:
        (run_id,) = await die_with(tmp_path, Plain, times=MAX_CRASHES)
        monkeypatch.setattr(SqliteJobRegistry, "pause", refuse)
        async with desk(tmp_path, Plain, Counting) as at:
            assert (await at.run(run_id)).state is RunState.QUARANTINED
            waiting = await at.start(Plain)
            await at.scheduler.pauses_changed()
            assert (await at.finished(await at.start(Counting))).state is RunState.COMPLETED
            await eventually(lambda: refused[0] > 2)
            assert (await at.run(waiting)).state is RunState.QUEUED
            monkeypatch.setattr(SqliteJobRegistry, "pause", pause)
            await eventually(lambda: f"job:{name_of(Plain)}" in at.scheduler._paused)
            assert (await at.run(waiting)).state is RunState.QUEUED

    go(check())


async def die_before_the_pause(folder: Path, monkeypatch: pytest.MonkeyPatch, *jobs: type[Job]) -> list[UUID]:
    """Leave quarantined runs of these jobs behind whose host died before their jobs were paused."""

    async def refuse(registry: JobRegistry, wanted: Pause) -> bool:
        raise StoreCorruptError("the registry cannot be written")

    ids = await die_with(folder, *jobs, times=MAX_CRASHES)
    with monkeypatch.context() as patch:
        patch.setattr(dispatcher, "PAUSE_SECONDS", 0.01)
        patch.setattr(HostedDispatcher, "stop_seconds", 1.2)  # a sixth of which it waits for the pause
        patch.setattr(SqliteJobRegistry, "pause", refuse)
        async with desk(folder, *jobs) as at:
            assert {(await at.run(run_id)).state for run_id in ids} == {RunState.QUARANTINED}
            assert list(await at.host.get(JobRegistry).pauses()) == []
    return ids


@pytest.mark.slow
def test_a_host_that_dies_before_the_pause_leaves_it_to_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def check() -> None:
        (run_id,) = await die_before_the_pause(tmp_path, monkeypatch, Plain)
        async with desk(tmp_path, Plain) as at:
            (pause,) = await at.host.get(JobRegistry).pauses()
            assert (pause.scope, pause.by) == (f"job:{name_of(Plain)}", "quarantine")
            assert f"jobhost runs release {run_id}" in pause.reason

    go(check())


@pytest.mark.slow
def test_a_job_that_was_resumed_after_its_quarantine_is_not_paused_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def check() -> None:
        await die_before_the_pause(tmp_path, monkeypatch, Plain)
        async with desk(tmp_path, Plain) as at:
            assert await at.control.resume(f"job:{name_of(Plain)}")
        async with desk(tmp_path, Plain) as at:
            assert list(await at.host.get(JobRegistry).pauses()) == []
            assert (await at.finished(await at.start(Plain))).state is RunState.COMPLETED

    go(check())


def test_notes_of_the_quarantine_that_cannot_be_read_keep_no_host_down(tmp_path: Path) -> None:
    async def check() -> None:
        (tmp_path / "data").mkdir()
        notes = tmp_path / "data" / "quarantine"
        notes.write_bytes(b"nonsense\n\xff\x00\n00000000-0000-0000-0000-000000000001\n")
        async with desk(tmp_path, Plain) as at:
            assert list(await at.host.get(JobRegistry).pauses()) == []
            assert not notes.exists()
        notes.mkdir()
        (run_id,) = await die_with(tmp_path, Plain, times=MAX_CRASHES)
        async with desk(tmp_path, Plain) as at:
            assert (await at.run(run_id)).state is RunState.QUARANTINED
            assert len(await at.host.get(JobRegistry).pauses()) == 1

    go(check())


def test_release_gives_a_quarantined_run_another_chance(tmp_path: Path) -> None:
    async def check() -> None:
        (run_id,) = await die_with(tmp_path, Plain, times=MAX_CRASHES)
        async with desk(tmp_path, Plain) as at:
            again = await at.control.release(run_id, by="somebody")
            assert (again.origin_run_id, again.owner) == (run_id, "somebody")
            assert (await at.finished(again.id)).state is RunState.COMPLETED
            assert list(await at.host.get(JobRegistry).pauses()) == []
            with pytest.raises(RunStateError, match="completed"):
                await at.control.release(again.id)

    go(check())


def test_release_leaves_a_pause_that_a_person_set(tmp_path: Path) -> None:
    async def check() -> None:
        (run_id,) = await die_with(tmp_path, Plain, times=MAX_CRASHES)
        async with desk(tmp_path, Plain) as at:
            registry = at.host.get(JobRegistry)
            scope = f"job:{name_of(Plain)}"
            await registry.resume(scope)
            await registry.pause(Pause(scope=scope, reason="mine", by="me", at=BEGIN))
            again = await at.control.release(run_id)
            assert [pause.reason for pause in await registry.pauses()] == ["mine"]
            assert (await at.run(again.id)).state is RunState.QUEUED

    go(check())


def test_a_run_in_a_process_outlasts_more_deaths_of_its_host_than_others(tmp_path: Path) -> None:
    async def check() -> None:
        inside, outside = await die_with(tmp_path, Inside, Plain, times=MAX_CRASHES)
        async with desk(tmp_path, Inside, Plain, providers=[CrashingExecutor]) as at:
            row = await at.finished(inside)
            assert (row.state, row.crashes, row.forgiven) == (RunState.COMPLETED, 0, MAX_FORGIVEN)
            assert (await at.run(outside)).state is RunState.QUARANTINED
            assert [pause.scope for pause in await at.host.get(JobRegistry).pauses()] == [f"job:{name_of(Plain)}"]

    go(check())


def test_a_run_in_a_process_that_is_there_at_every_death_is_quarantined_too(tmp_path: Path) -> None:
    async def check() -> None:
        (run_id,) = await die_with(tmp_path, Inside, times=MAX_FORGIVEN + MAX_CRASHES)
        async with desk(tmp_path, Inside, providers=[CrashingExecutor]) as at:
            assert (await at.run(run_id)).state is RunState.QUARANTINED

    go(check())


def test_a_run_lost_with_others_is_forgiven_a_few_times(tmp_path: Path) -> None:
    async def check() -> None:
        Lost.times = 0
        async with desk(tmp_path, Lost, providers=[CrashingExecutor]) as at:
            row = await at.finished(await at.start(Lost))
            assert (row.state, row.crashes, row.forgiven) == (RunState.QUARANTINED, MAX_CRASHES, MAX_FORGIVEN)
            assert Lost.times == MAX_CRASHES + MAX_FORGIVEN

    go(check())


def test_a_lost_run_that_must_not_be_repeated_has_failed_without_a_crash(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, LostOnce, providers=[CrashingExecutor]) as at:
            row = await at.finished(await at.start(LostOnce))
            assert (row.state, row.reason, row.crashes) == (RunState.FAILED, RunReason.LOST, 0)

    go(check())


def test_code_that_dies_alone_is_tried_again_then_quarantined_and_its_job_paused(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, Crashing, Counting, providers=[CrashingExecutor]) as at:
            row = await at.finished(await at.start(Crashing))
            assert (row.state, row.crashes, row.attempt) == (RunState.QUARANTINED, MAX_CRASHES, 0)
            assert [error.error for error in row.errors] == ["its process was killed by SIGSEGV"] * MAX_CRASHES
            await eventually(lambda: f"job:{name_of(Crashing)}" in at.scheduler._paused)
            waiting = await at.start(Crashing)
            assert (await at.finished(await at.start(Counting))).state is RunState.COMPLETED
            assert (await at.run(waiting)).state is RunState.QUEUED

    go(check())


def test_code_that_dies_alone_and_must_not_be_repeated_has_failed(tmp_path: Path) -> None:
    async def check() -> None:
        async with desk(tmp_path, CrashingOnce, providers=[CrashingExecutor]) as at:
            row = await at.finished(await at.start(CrashingOnce))
            assert (row.state, row.reason, row.crashes) == (RunState.FAILED, RunReason.LOST, 1)

    go(check())


def test_the_pause_is_durable_before_the_quarantine_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "RETRY_SECONDS", 0.01)

    async def check() -> None:
        async with desk(tmp_path, Crashing, providers=[CrashingExecutor]) as at:
            registry = at.host.get(JobRegistry)
            pause, refused = registry.pause, [0]

            async def refuse(wanted: Pause) -> bool:
                refused[0] += 1
                raise StoreUnavailableError("the registry cannot be written")

            monkeypatch.setattr(registry, "pause", refuse)
            run_id = await at.start(Crashing)
            await eventually(lambda: refused[0] > 2)
            assert (await at.run(run_id)).state.is_active
            await at.scheduler.pauses_changed()
            waiting = await at.start(Crashing)
            monkeypatch.setattr(registry, "pause", pause)
            assert (await at.finished(run_id)).state is RunState.QUARANTINED
            assert [each.scope for each in await registry.pauses()] == [f"job:{name_of(Crashing)}"]
            assert (await at.run(waiting)).state is RunState.QUEUED

    go(check())
