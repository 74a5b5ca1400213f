"""Jobs in processes of their own: what they give, raise and say comes out, and what they need is there."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from host.contracts.executors import InvalidResultError, JobCrashError, RemoteJobError
from host.contracts.jobs import Discard, Job, JobContext, Retry, Snooze
from host.errors import WireError, WiringError
from host.local.executors import ExecutorSettings
from host.local.process_ends import crash_text, end_of, outcome_of
from host.local.process_frames import LENGTH, FrameCutter, pack
from host.model.logs import LogLevel
from host.model.runs import JobResult
from tests.unit.local.process_desk import JOBS, Context, Desk, descriptors, desk, on_loop, until
from tests.unit.local.process_jobs import AsyncProbe, Probe

pytestmark = pytest.mark.slow  # each boots a template


async def failure(at: Desk, how: str, job: type[Job] = Probe) -> BaseException:
    """Give what a call raises."""
    try:
        value = await at.perform(how, job)
    except BaseException as error:
        return error
    raise AssertionError(f"it returned {value!r}")


async def told(at: Desk, how: str) -> Context:
    """Perform a call and give all that it said."""
    call = at.call(how)
    await at.executor.perform(call)
    assert isinstance(call.context, Context)
    return call.context


@on_loop
async def test_results_and_facts_arrive(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        assert await at.executor.perform(at.call("nothing")) is None
        call = at.call("where")
        result = await at.executor.perform(call)
        assert isinstance(result, JobResult)
        assert result.status_text == "here"
        assert isinstance(result.value, dict)
        assert result.value["pid"] != os.getpid()
        assert result.value["group"] == result.value["pid"]
        assert result.value["parent"] == at.template
        call = at.call("facts", text="é", number=2.5, many=[1, None, {"a": True}])
        facts = await at.executor.perform(call)
        run = call.run
        expected = [str(run.id), str(run.job_id), run.attempt, run.tenant, None, run.trace_id]
        assert facts is not None
        assert facts.value == [*expected, dict(call.context.parameters)]
        assert await at.perform("value", AsyncProbe) == "awaited"


@on_loop
async def test_a_job_runs_on_the_main_thread_without_input_beside_one_listener(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        assert await at.perform("threads") == {"tasks": 2, "main": True}
        assert await at.perform("stdin") == ""
        assert at.executor._template is not None
        assert at.executor._template.threads == ()
        assert len(os.listdir(f"/proc/{at.template}/task")) == 1


@on_loop
async def test_the_workspace_is_made_when_asked_for(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        call = at.call("writes_file")
        assert not call.workspace.exists()
        result = await at.executor.perform(call)
        assert result == JobResult(value=str(call.workspace))
        assert (call.workspace / "file").read_text() == "made"
        assert call.workspace.stat().st_mode & 0o777 == 0o700


@on_loop
async def test_what_a_job_raises_comes_out(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        error = await failure(at, "raises")
        assert isinstance(error, RemoteJobError)
        assert error.summary == "ValueError: the disk caught fire"
        assert 'raise ValueError("the disk caught fire")' in error.traceback
        assert error.names[:2] == ("builtins.ValueError", "builtins.Exception")
        retry = await failure(at, "retries")
        assert isinstance(retry, Retry)
        assert (retry.reason, retry.after) == ("not yet", timedelta(seconds=7))
        snooze = await failure(at, "snoozes")
        assert isinstance(snooze, Snooze)
        assert (snooze.reason, snooze.after) == ("asleep", timedelta(minutes=1))
        discard = await failure(at, "discards")
        assert isinstance(discard, Discard)
        assert discard.reason == "of no use"
        assert isinstance(await failure(at, "cancels_itself"), asyncio.CancelledError)
        leaving = await failure(at, "exits_by_sys")
        assert isinstance(leaving, SystemExit)
        assert leaving.code == 7
        unprintable = await failure(at, "raises_unprintable")
        assert isinstance(unprintable, RemoteJobError)
        assert unprintable.summary == "UnprintableError: (it cannot be printed)"
        assert isinstance(await failure(at, "raises", AsyncProbe), RemoteJobError)
        assert isinstance(await failure(at, "exits_by_sys", AsyncProbe), SystemExit)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("returns_rubbish", "the job returned int; expected JobResult or None"),
        ("returns_object", "object is no JSON value"),
        ("returns_100_mb", "100,000,"),
    ],
)
@on_loop
async def test_what_is_no_result_or_cannot_be_carried_is_told_as_such(tmp_path: Path, how: str, words: str) -> None:
    async with desk(tmp_path) as at:
        error = await failure(at, how)
        assert isinstance(error, InvalidResultError)
        assert words in str(error)
        assert await at.perform("nothing") is None


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("dies", "ended with status 3"),
        ("faults", "killed by SIGSEGV"),
        ("killed", "killed by SIGKILL (nobody here asked for that; has the machine run out of memory?)"),
        ("writes_rubbish", "is no message"),
    ],
)
@on_loop
async def test_a_child_that_dies_is_a_crash_and_the_next_run_works(tmp_path: Path, how: str, words: str) -> None:
    async with desk(tmp_path) as at:
        error = await failure(at, how)
        assert isinstance(error, JobCrashError)
        assert words in str(error)
        assert await at.perform("nothing") is None


@on_loop
async def test_lines_of_every_kind_reach_the_log_of_the_run(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        context = await told(at, "writes_lines")
    assert context.level("a detail") is LogLevel.DEBUG
    assert (context.level("a line"), context.fields("a line")) == (LogLevel.ERROR, {"number": 1})
    assert str(context.fields("odd")["what"]).startswith("<object object")
    assert context.level("from logging") is LogLevel.WARNING
    assert context.fields("from logging")["logger"] == "some.library"
    assert context.level("from structlog") is LogLevel.WARNING
    assert context.fields("from structlog")["count"] == 2
    assert "--- Logging error ---" in context.events  # a record that cannot be formatted harms nobody


@on_loop
async def test_standard_output_and_errors_arrive_as_lines_and_long_ones_are_cut(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        context = await told(at, "prints")
    output = [event for level, event, _ in context.log.lines if level is LogLevel.INFO]
    assert output[0] == "out one"
    assert "".join(output[1:-1]) == "x" * 20_000
    assert max(map(len, output)) <= 8192
    assert output[-1] == "out two, from a child"
    assert context.level("err one") is LogLevel.WARNING


@on_loop
async def test_a_fault_shows_where_it_happened_in_the_log(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        call = at.call("faults")
        with pytest.raises(JobCrashError):
            await at.executor.perform(call)
        assert isinstance(call.context, Context)
        assert any("Fatal Python error: Segmentation fault" in event for event in call.context.events)
        assert any("in faults" in event for event in call.context.events)


@on_loop
async def test_no_line_of_a_flood_is_lost_and_progress_is_told_now_and_then(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        flood = await told(at, "floods_log")
        assert [fields["number"] for _, _, fields in flood.log.lines] == list(range(20_000))
        began = asyncio.get_running_loop().time()
        progress = await told(at, "floods_progress")
        taken = asyncio.get_running_loop().time() - began
    assert progress.reported[-1] == (0.99999, "99999")
    assert len(progress.reported) <= 10 + taken * 20


@on_loop
async def test_the_latest_progress_is_told_although_the_job_goes_on_silently(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        call = at.call("progress_then_waits")
        task = asyncio.create_task(at.executor.perform(call))
        assert isinstance(call.context, Context)
        reported = call.context.reported
        await until(lambda: reported[-1:] == [(0.5, "second")])
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@on_loop
async def test_what_a_process_made_by_the_job_tells_reaches_nobody(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        call = at.call("forks")
        assert await at.executor.perform(call) == JobResult(value="whole")
        assert isinstance(call.context, Context)
        assert call.context.events == []


@on_loop
async def test_the_stack_names_where_the_job_is(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        for how, job, place in (("looks", Probe, "in wait_cancelled"), ("sleeps", AsyncProbe, "in sleeps")):
            task, context = await at.begin(how, job)
            stack = at.executor.stack(context_run(at))
            assert stack is not None
            assert place in stack
            assert "process_calls.py" not in stack
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert at.executor.stack(context.run_id) is None


@on_loop
async def test_a_local_class_is_refused_clearly(tmp_path: Path) -> None:
    class Local(Job):
        """Cannot be imported."""

        def run(self, context: JobContext) -> None:
            return None

    async with desk(tmp_path, (*JOBS, Local)) as at:
        with pytest.raises(WiringError, match="is local to a function and cannot be had in a process"):
            await at.perform("nothing", Local)
        assert await at.perform("nothing") is None


@on_loop
async def test_many_runs_leave_no_descriptor_and_no_process_behind(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await asyncio.gather(*(at.perform("nothing") for _ in range(4)))
        before = descriptors()
        for _ in range(50):
            await asyncio.gather(*(at.perform("nothing") for _ in range(4)))
        assert descriptors() == before
        assert Path(f"/proc/{at.template}/task/{at.template}/children").read_text() == ""
        assert len(os.listdir(f"/proc/{at.template}/fd")) < 20


@on_loop
async def test_a_call_is_performed_with_its_fire_time(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        call = at.call("facts")
        fire = datetime(2026, 3, 1, 12, tzinfo=UTC)
        facts = await at.executor.perform(replace(call, run=replace(call.run, fire_time=fire)))
        assert facts is not None
        assert isinstance(facts.value, list)
        assert facts.value[4] == fire.isoformat()


def context_run(at: Desk) -> Any:
    (run_id,) = at.executor._busy
    return run_id


def test_frames_are_cut_wherever_the_stream_is() -> None:
    values = [{"a": "x" * size} for size in (0, 1, 5000, 70_000)]
    stream = b"".join(map(pack, values))
    for step in (1, 3, 4, 7, 4096, len(stream)):
        cutter = FrameCutter()
        frames = [frame for at in range(0, len(stream), step) for frame in cutter.feed(stream[at : at + step])]
        assert frames == [pack(value)[LENGTH.size :] for value in values], step


def test_a_frame_that_is_too_large_is_refused_at_both_ends() -> None:
    with pytest.raises(WireError, match="at most"):
        pack("x" * (16 * 1024 * 1024))
    with pytest.raises(WireError, match="at most"):
        FrameCutter().feed(LENGTH.pack(16 * 1024 * 1024 + 1))


def test_an_exception_that_cannot_be_printed_is_told_all_the_same() -> None:
    class OddError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    with pytest.raises(RemoteJobError, match="cannot be printed"):
        outcome_of(end_of(OddError()))


def test_crashes_have_words() -> None:
    assert "SIGXCPU (it used more CPU time" in crash_text(-24, "")
    assert crash_text(-63, "") == "its process was killed by signal 63"
    assert crash_text(None, "gone") == "its process died: gone"


@pytest.mark.parametrize("wrong", [{"process_slots": 0}, {"process_max_runs": 0}, {"process_cpu": 0.0}])
def test_settings_out_of_bounds_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        ExecutorSettings(**wrong)
