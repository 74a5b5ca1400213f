"""Ending jobs in processes: cancel, timeouts, kills, limits, warm children, and what is left afterwards."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from host.contracts.executors import JobCrashError, JobLostError, JobNotBegunError, RemoteJobError
from host.errors import DataDirectoryLockedError
from host.local.directory import DataDirectorySettings, LocalDataDirectory
from host.local.process_frames import ForkWord
from host.local.processes import MAX_BOOTS
from tests.unit.local.process_desk import ROOT, Desk, children, descriptors, desk, is_alive, on_loop, until
from tests.unit.local.process_jobs import AsyncProbe, Probe

pytestmark = pytest.mark.slow  # each boots a template

GRACE = timedelta(seconds=0.3)


@pytest.mark.parametrize(("how", "job"), [("looks", Probe), ("sleeps", AsyncProbe)])
@on_loop
async def test_a_job_that_looks_stops_when_cancelled(tmp_path: Path, how: str, job: type) -> None:
    async with desk(tmp_path, process_grace=timedelta(minutes=5)) as at:
        task, context = await at.begin(how, job)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(asyncio.shield(task), 60)
        assert not is_alive(int(str(context.fields("began")["pid"])))


@pytest.mark.parametrize(("how", "job"), [("is_deaf_with_helper", Probe), ("swallows", AsyncProbe)])
@on_loop
async def test_a_deaf_job_is_killed_after_the_grace_with_its_helpers(tmp_path: Path, how: str, job: type) -> None:
    async with desk(tmp_path, process_grace=GRACE) as at:
        task, context = await at.begin(how, job)
        began = time.monotonic()
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0.01)
        assert not task.done() or time.monotonic() - began >= GRACE.total_seconds()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - began >= GRACE.total_seconds()
        assert not is_alive(int(str(context.fields("began")["pid"])))
        if "helped" in context.events:
            await until(lambda: not is_alive(int(str(context.fields("helped")["helper"]))))


@on_loop
async def test_cancel_that_comes_before_the_job_has_begun_is_not_lost(tmp_path: Path) -> None:
    async with desk(tmp_path, process_grace=timedelta(minutes=5)) as at:
        await at.perform("nothing")
        for turns in range(6):
            task = asyncio.create_task(at.executor.perform(at.call("looks")))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(asyncio.shield(task), 60)


@on_loop
async def test_what_a_job_leaves_running_ends_with_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        helper = await at.perform("leaves_helper")
        await until(lambda: not is_alive(helper))


@pytest.mark.parametrize("process_max_runs", [1, 2])
@on_loop
async def test_what_a_job_leaves_writing_does_not_hold_up_its_host(tmp_path: Path, process_max_runs: int) -> None:
    async with desk(tmp_path, process_max_runs=process_max_runs) as at:
        async with asyncio.timeout(60):
            assert await at.perform("leaves_flood") is None


@on_loop
async def test_what_left_the_group_of_a_job_ends_with_the_host_and_holds_no_lock(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        daemon = await at.perform("leaves_daemon")
        assert is_alive(daemon)
        async with asyncio.timeout(60):
            await at.executor.stop()
        assert not is_alive(daemon)
        await at.data.stop()
        next_host = other_host(at)
        await next_host.start()
        await next_host.stop()


@on_loop
async def test_memory_is_limited(tmp_path: Path) -> None:
    async with desk(tmp_path, process_memory=300) as at:
        with pytest.raises(RemoteJobError, match="MemoryError"):
            await at.perform("eats")
        assert await at.perform("nothing") is None
    async with desk(tmp_path) as at:
        assert await at.perform("eats") == 400_000_000


@on_loop
async def test_cpu_time_is_limited(tmp_path: Path) -> None:
    async with desk(tmp_path, process_cpu=0.1) as at:
        with pytest.raises(JobCrashError, match="SIGXCPU"):
            await at.perform("burns")


@on_loop
async def test_open_files_are_limited(tmp_path: Path) -> None:
    async with desk(tmp_path, process_open_files=64) as at:
        with pytest.raises(RemoteJobError, match="Too many open files"):
            await at.perform("opens")


@on_loop
async def test_warm_children_perform_several_runs_and_are_replaced(tmp_path: Path) -> None:
    async with desk(tmp_path, process_max_runs=3) as at:
        pids = [(await at.perform("where"))["pid"] for _ in range(7)]
        assert pids == [pids[0]] * 3 + [pids[3]] * 3 + [pids[6]]
        assert len(set(pids)) == 3
        await until(lambda: not is_alive(pids[0]) and not is_alive(pids[3]))
        assert is_alive(pids[6])


@on_loop
async def test_a_warm_child_sees_each_call_by_itself(tmp_path: Path) -> None:
    async with desk(tmp_path, process_max_runs=1000, process_slots=4) as at:

        async def work(number: int) -> list[int]:
            found = []
            for turn in range(100):
                call = at.call("facts", text=f"{number} {turn}")
                result = await at.executor.perform(call)
                assert result is not None
                assert isinstance(result.value, list)
                assert result.value[0] == str(call.run.id)
                assert result.value[-1] == {"how": "facts", "text": f"{number} {turn}"}
                found.append((await at.perform("where"))["pid"])
            return found

        pids = {pid for found in await asyncio.gather(*map(work, range(4))) for pid in found}
        assert len(pids) <= 4
        assert os.getpid() not in pids


@on_loop
async def test_tasks_that_a_warm_run_left_do_not_reach_the_next(tmp_path: Path) -> None:
    async with desk(tmp_path, process_max_runs=10) as at:
        first, second = [await at.perform("leaves_task", AsyncProbe) for _ in range(2)]
        assert first == second


@pytest.mark.parametrize("how", ["eats", "exits_by_sys"])
@on_loop
async def test_a_warm_child_in_disorder_is_not_used_again(tmp_path: Path, how: str) -> None:
    async with desk(tmp_path, process_max_runs=10, process_memory=300) as at:
        pid = (await at.perform("where"))["pid"]
        with pytest.raises((RemoteJobError, SystemExit)):
            await at.perform(how)
        assert not is_alive(pid)
        with pytest.raises(RemoteJobError):
            await at.perform("raises")  # a plain exception leaves it fit
        assert (await at.perform("where"))["pid"] != pid


@on_loop
async def test_a_warm_child_whose_run_was_cancelled_is_not_used_again(tmp_path: Path) -> None:
    async with desk(tmp_path, process_max_runs=10) as at:
        task, context = await at.begin("looks")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await at.perform("where"))["pid"] != context.fields("began")["pid"]


@on_loop
async def test_an_idle_child_that_died_is_not_given_a_call(tmp_path: Path) -> None:
    async with desk(tmp_path, process_max_runs=10) as at:
        pid = (await at.perform("where"))["pid"]
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not is_alive(pid))
        await until(lambda: not at.executor._idle[0].is_fit)
        assert (await at.perform("where"))["pid"] != pid


@on_loop
async def test_after_the_template_was_killed_its_runs_are_lost_without_blame_and_the_next_works(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        task, context = await at.begin("looks")
        first = at.template
        os.kill(first, signal.SIGKILL)
        with pytest.raises(JobLostError, match="the process it was forked from ended"):
            await asyncio.wait_for(task, 60)
        assert not is_alive(int(str(context.fields("began")["pid"])))
        assert await at.perform("nothing") is None
        assert at.template != first


@on_loop
async def test_a_template_that_keeps_dying_is_not_started_for_ever(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        assert at.executor.check() == []
        for _ in range(MAX_BOOTS):
            assert await at.perform("nothing") is None
            os.kill(at.template, signal.SIGKILL)
            await until(lambda: not at.executor._template.is_alive)  # type: ignore[union-attr]
        with pytest.raises(JobNotBegunError, match="died 5 times within a minute"):
            await at.perform("nothing")
        (finding,) = at.executor.check()
        assert finding.is_failure


@on_loop
async def test_without_descriptors_a_call_does_not_begin_and_leaves_none_open(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with desk(tmp_path) as at:
        await at.perform("nothing")
        await until(lambda: not at.executor._busy)
        before = descriptors()
        for free in range(7):
            resource.setrlimit(resource.RLIMIT_NOFILE, (before - 1 + free, hard))
            try:
                with pytest.raises(JobNotBegunError, match="Too many open files"):
                    await at.perform("nothing")
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert descriptors() == before
        assert await at.perform("nothing") is None


@on_loop
async def test_a_call_whose_process_could_not_be_forked_has_not_begun(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.perform("nothing")
        template = at.executor._template
        assert template is not None
        os.kill(at.template, signal.SIGSTOP)
        call = asyncio.create_task(at.perform("nothing"))
        await until(lambda: template._children)
        (number,) = template._children
        template._hear(ForkWord(ended=number, failed="it could not be forked: no more processes"))
        with pytest.raises(JobNotBegunError, match="no more processes"):
            await call
        os.kill(at.template, signal.SIGKILL)


@on_loop
async def test_stop_leaves_no_process_no_descriptor_and_no_lock(tmp_path: Path) -> None:
    async with desk(tmp_path / "warm up"):
        pass  # what the loop itself opens stays open
    processes, files = children(), descriptors()
    async with desk(tmp_path, process_grace=GRACE, process_max_runs=5) as at:
        await at.perform("where")
        deaf, context = await at.begin("is_deaf")
        template = at.template
        async with asyncio.timeout(60):
            await at.executor.stop()
        with pytest.raises(asyncio.CancelledError):
            await deaf
        assert not is_alive(template)
        assert not is_alive(int(str(context.fields("began")["pid"])))
        await at.executor.stop()
        await at.data.stop()
        other = other_host(at)
        await other.start()
        await other.stop()
    assert children() <= processes
    assert descriptors() <= files


@on_loop
async def test_no_other_host_starts_while_a_child_lives(tmp_path: Path) -> None:
    async with desk(tmp_path, process_grace=GRACE) as at:
        task, _ = await at.begin("looks")
        await at.data.stop()
        with pytest.raises(DataDirectoryLockedError):
            await other_host(at).start()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


HOST = """
import asyncio, sys
from pathlib import Path
from tests.unit.local.process_desk import desk

async def main():
    async with desk(Path(sys.argv[1])) as at:
        task, context = await at.begin(sys.argv[2])
        print(at.template, context.fields("began")["pid"], flush=True)
        await task

asyncio.run(main())
"""


@pytest.mark.parametrize("how", ["looks", "is_deaf"])
def test_the_children_of_a_killed_host_die_with_it(tmp_path: Path, how: str) -> None:
    command = [sys.executable, "-c", HOST, str(tmp_path), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as host:
        assert host.stdout is not None
        template, child = map(int, host.stdout.readline().split())
        assert is_alive(template)
        assert is_alive(child)
        host.kill()
        host.wait(60)
    # Gone, and not only about to go: the lock is let go of on the way.
    asyncio.run(until(lambda: not any(Path(f"/proc/{each}").exists() for each in (template, child))))
    data = LocalDataDirectory(DataDirectorySettings(path=tmp_path / "data"))
    asyncio.run(data.start())
    asyncio.run(data.stop())


def other_host(at: Desk) -> LocalDataDirectory:
    return LocalDataDirectory(DataDirectorySettings(path=at.folder / "data"))
