"""Values, errors and calls survive the wire, and nothing else gets across it."""

from __future__ import annotations

import asyncio
import struct
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from types import MappingProxyType
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from host.contracts.contract import Contract
from host.contracts.host import ExecutorInfo, HostState, HostStatus, ProviderInfo
from host.errors import ErrorKind, HostError, HostUnavailableError, JobNotFoundError, Problem, RunStateError, WireError
from host.errors import InvalidParameterError as Invalid
from host.model.jobs import JobInfo, JobParameter
from host.model.runs import AttemptError, JobRun, RunCounters, RunFilter, RunPage, RunReason, RunState
from host.model.schedules import JobSchedule, ScheduleEntry, Weekday
from host.wire import (
    MAX_CALLS,
    MAX_FRAME_BYTES,
    CallServer,
    error_from_wire,
    error_to_wire,
    from_json,
    from_wire,
    proxy,
    read_frame,
    to_json,
    to_wire,
    write_frame,
)

NOW = datetime(2026, 3, 29, 1, 30, 0, 250, tzinfo=UTC)
RUN = JobRun(
    id=uuid4(),
    job_id=uuid4(),
    job_type="a.b:C",
    state=RunState.FAILED,
    reason=RunReason.TIMEOUT,
    parameters={"days": 1, "tree": {"x": [None, 1.5, "é", True]}},
    timeout=timedelta(minutes=90, microseconds=1),
    errors=(AttemptError(attempt=1, at=NOW, node="n", error="boom"),),
    result={"big": 10**30},
    created_at=NOW,
    updated_at=NOW,
)
SCHEDULES = (
    JobSchedule.cron("0 3 * * *", timezone="Europe/Prague"),
    JobSchedule.weekly([Weekday.MONDAY], time(23)),
    JobSchedule.every(timedelta(days=2), start=datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Prague"))),
    JobSchedule.once(datetime(2026, 1, 1, 12)),
)
STATUS = HostStatus(
    state=HostState.READY,
    version="1",
    pid=1,
    node="n",
    started_at=NOW,
    configuration="c",
    data_directory="d",
    timezone="UTC",
    providers=(ProviderInfo(type="a:B", contracts=("C",), source="x:1"),),
    executors=(ExecutorInfo(name="loop", busy=1, slots=10, stuck=0, cancel_effect="raises"),),
    unfinished={"queued": 3},
)


@pytest.mark.parametrize(
    "value",
    [
        RUN,
        RunPage(runs=(RUN,), next_cursor="c"),
        RunFilter(states=frozenset({RunState.QUEUED}), created_from=NOW),
        RunCounters(by_state={RunState.QUEUED: 4}),
        JobInfo(id=uuid4(), name="n", job_type="a:B", parameters=(JobParameter("days", int, default=3),)),
        ScheduleEntry(job_type="a:B", schedules=SCHEDULES, version="v"),
        STATUS,
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_come_back_equal(value: object) -> None:
    assert from_json(to_json(value), type(value)) == value
    assert from_wire(to_wire(value), type(value)) == value


def test_wall_times_stay_without_offset() -> None:
    back = from_json(to_json(SCHEDULES[3]), JobSchedule)
    assert back.start is not None
    assert back.start.tzinfo is None


def test_utc_is_written_as_z_and_durations_as_iso_8601() -> None:
    assert to_wire({"at": NOW, "for": timedelta(seconds=90)}) == {"at": "2026-03-29T01:30:00.000250Z", "for": "PT90S"}


def test_mappings_and_paths_are_carried() -> None:
    assert to_wire({"m": MappingProxyType({RunState.QUEUED: 1}), "p": Path("/a")}) == {"m": {"queued": 1}, "p": "/a"}
    assert from_wire("/a", Path) == Path("/a")


@pytest.mark.parametrize("value", [object(), {"a": {1, object()}}, "\ud800"])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(WireError):
        to_json(value)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"NaN", b'"\\ud800"', b"[" * 20_000 + b"]" * 20_000, b'"5"'])
def test_bytes_of_another_kind_are_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        from_json(data, dict[str, object])


def test_values_are_read_strictly() -> None:
    with pytest.raises(WireError, match="Expected `int`"):
        from_wire("5", int)
    with pytest.raises(WireError, match="Invalid enum value"):
        from_wire(["nonsense"], Sequence[RunState])  # type: ignore[type-abstract]  # a type expression


@pytest.mark.parametrize("code", sorted(HostError.by_code))
def test_every_error_comes_back_as_its_class(code: str) -> None:
    kind = HostError.by_code[code]
    back = error_from_wire(error_to_wire(kind("m", where="f:1", hint="h", problems=[Problem(message="p", where="w")])))
    assert type(back) is kind
    assert (back.message, back.where, back.hint) == ("m", "f:1", "h")
    assert back.problems == (Problem(message="p", where="w"),)


def test_an_unknown_code_keeps_code_and_kind() -> None:
    back = error_from_wire({"code": "plugin-special", "kind": "missing", "message": "m"})
    assert type(back) is HostError
    assert (back.code, back.kind) == ("plugin-special", ErrorKind.MISSING)
    assert (HostError.code, HostError.kind) == ("host-error", ErrorKind.INTERNAL)
    assert "plugin-special" not in HostError.by_code


def test_an_error_with_unwritable_text_is_still_told() -> None:
    assert error_from_wire(error_to_wire(HostError("\ud800!"))).message == "?!"


class Greeter(Contract):
    """A contract of every shape."""

    @abstractmethod
    async def greet(self, who: UUID, *, often: int = 1) -> Sequence[str]:
        """Greet."""

    @abstractmethod
    async def runs(self, where: RunFilter | None = None) -> Mapping[UUID, JobRun]:
        """Give runs."""

    @abstractmethod
    async def fail(self, how: str) -> None:
        """Fail."""

    @abstractmethod
    def count(self, *, start: int = 0) -> AsyncIterator[int]:
        """Count for ever, or up to an error below zero."""

    @abstractmethod
    def local_only(self) -> int:
        """Give what does not cross."""


class RealGreeter(Greeter):
    def __init__(self) -> None:
        self.counting = 0
        self.waiting = asyncio.Event()

    async def greet(self, who: UUID, *, often: int = 1) -> Sequence[str]:
        assert isinstance(who, UUID)
        return [f"hello {who}"] * often

    async def runs(self, where: RunFilter | None = None) -> Mapping[UUID, JobRun]:
        return {RUN.id: RUN} if where and RunState.FAILED in where.states else {}

    async def fail(self, how: str) -> None:
        if how == "host":
            raise RunStateError("not now", where="run 1")
        if how == "large":
            raise HostError("x" * (MAX_FRAME_BYTES + 1))
        if how == "wait":
            self.waiting.set()
            await asyncio.Event().wait()
        raise ConnectionResetError("secret detail")

    async def count(self, *, start: int = 0) -> AsyncIterator[int]:
        self.counting += 1
        try:
            while True:
                if start < 0:
                    raise JobNotFoundError("below zero")
                if start == 10:
                    return
                yield start
                start += 1
                await asyncio.sleep(0)
        finally:
            self.counting -= 1

    def local_only(self) -> int:
        return 1


Body = Callable[[RealGreeter, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def over_a_socket(path: Path, body: Body) -> None:
    """Run a body at one end of a real socket, with a CallServer at the other."""

    async def run() -> None:
        greeter = RealGreeter()
        calls = CallServer({"Greeter": (Greeter, greeter)})
        server = await asyncio.start_unix_server(calls.serve, path)
        async with server, asyncio.timeout(60):
            reader, writer = await asyncio.open_unix_connection(path)
            await body(greeter, reader, writer)
            writer.close()
            while len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0.001)
            assert greeter.counting == 0

    asyncio.run(run())


async def ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str, **arguments: object
) -> dict[str, object]:
    await write_frame(writer, {"id": 1, "contract": "Greeter", "method": method, "arguments": arguments})
    answer = await read_frame(reader)
    assert answer is not None
    assert answer.pop("id") == 1
    return answer


def test_calls_are_answered_with_converted_arguments(tmp_path: Path) -> None:
    async def body(_: RealGreeter, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await ask(reader, writer, "greet", who=str(UUID(int=1)), often=2) == {
            "result": [f"hello {UUID(int=1)}"] * 2
        }
        answer = await ask(reader, writer, "runs", where={"states": ["failed"]})
        assert from_wire(answer["result"], dict[UUID, JobRun]) == {RUN.id: RUN}

    over_a_socket(tmp_path / "s", body)


@pytest.mark.parametrize(
    ("method", "arguments", "says"),
    [
        ("greet", {"who": 5}, "arguments of Greeter.greet: Expected `uuid`"),
        ("greet", {}, "missing a required argument: 'who'"),
        ("greet", {"who": str(UUID(int=1)), "x": 1}, "unexpected keyword argument 'x'"),
        ("local_only", {}, "there is no Greeter.local_only"),
        ("__init__", {}, "there is no Greeter.__init__"),
        ("nothing", {}, "there is no Greeter.nothing"),
    ],
)
def test_calls_outside_the_contract_are_refused(
    tmp_path: Path, method: str, arguments: dict[str, object], says: str
) -> None:
    async def body(_: RealGreeter, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = await ask(reader, writer, method, **arguments)
        error = error_from_wire(answer["error"])  # type: ignore[arg-type]  # checked inside
        assert type(error) is WireError
        assert says in error.message

    over_a_socket(tmp_path / "s", body)


@pytest.mark.parametrize(
    ("how", "code"), [("host", "run-state-conflict"), ("crash", "host-error"), ("large", "host-error")]
)
def test_failures_are_told_without_inner_detail(tmp_path: Path, how: str, code: str) -> None:
    async def body(_: RealGreeter, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = await ask(reader, writer, "fail", how=how)
        error = error_from_wire(answer["error"])  # type: ignore[arg-type]  # checked inside
        assert error.code == code
        assert "secret" not in str(answer)
        assert "result" in await ask(reader, writer, "runs")

    over_a_socket(tmp_path / "s", body)


def test_a_result_too_large_for_a_frame_is_an_error_and_the_connection_goes_on(tmp_path: Path) -> None:
    async def body(_: RealGreeter, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = await ask(reader, writer, "greet", who=str(UUID(int=1)), often=400_000)
        assert "a message of 18," in error_from_wire(answer["error"]).message  # type: ignore[arg-type]
        assert "result" in await ask(reader, writer, "runs")

    over_a_socket(tmp_path / "s", body)


def test_a_stream_gives_items_and_its_end(tmp_path: Path) -> None:
    async def body(_: RealGreeter, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await ask(reader, writer, "count", start=9) == {"item": 9}
        assert await read_frame(reader) == {"id": 1, "end": True}
        assert (await ask(reader, writer, "count", start=-1))["error"]

    over_a_socket(tmp_path / "s", body)


def test_cancel_ends_a_stream_and_only_it(tmp_path: Path) -> None:
    async def body(greeter: RealGreeter, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await ask(reader, writer, "count", start=11) == {"item": 11}
        await write_frame(writer, {"id": 1, "cancel": True})
        while "error" not in (frame := await read_frame(reader) or {}):
            assert "item" in frame
        assert greeter.counting == 0
        assert "result" in await ask(reader, writer, "runs")

    over_a_socket(tmp_path / "s", body)


def test_a_client_that_leaves_ends_its_streams(tmp_path: Path) -> None:
    async def body(_: RealGreeter, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await ask(reader, writer, "count", start=11) == {"item": 11}

    over_a_socket(tmp_path / "s", body)


def test_many_calls_share_a_connection_and_too_many_end_it(tmp_path: Path) -> None:
    async def body(_: RealGreeter, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(MAX_CALLS + 1):
            await write_frame(
                writer, {"id": number, "contract": "Greeter", "method": "fail", "arguments": {"how": "wait"}}
            )
        first = await read_frame(reader)
        assert first is not None
        assert first["id"] is None
        assert error_from_wire(first["error"]).code == "wire-invalid"  # type: ignore[arg-type]  # checked inside

    over_a_socket(tmp_path / "s", body)


@pytest.mark.parametrize(
    "sent",
    [
        struct.pack(">I", MAX_FRAME_BYTES + 1),
        struct.pack(">I", 4) + b"[1]x",
        struct.pack(">I", 2) + b"[]",
        struct.pack(">I", 2) + b"{}",
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack(">I", 9) + b'{"id":"a"',
    ],
)
def test_whatever_is_no_call_ends_the_connection_with_a_word(tmp_path: Path, sent: bytes) -> None:
    async def body(_: RealGreeter, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        writer.write_eof()
        answer = await read_frame(reader)
        assert answer is not None
        assert answer["id"] is None
        assert error_from_wire(answer["error"]).code == "wire-invalid"  # type: ignore[arg-type]  # checked inside
        assert await read_frame(reader) is None

    over_a_socket(tmp_path / "s", body)


def test_an_ended_server_tells_unfinished_calls(tmp_path: Path) -> None:
    async def run() -> None:
        greeter = RealGreeter()
        calls = CallServer({"Greeter": (Greeter, greeter)})
        tasks: list[asyncio.Task[None]] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.append(asyncio.current_task())  # type: ignore[arg-type]  # inside a task
            await calls.serve(reader, writer)

        async with await asyncio.start_unix_server(serve, tmp_path / "s"), asyncio.timeout(60):
            reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
            await write_frame(writer, {"id": 7, "contract": "Greeter", "method": "fail", "arguments": {"how": "wait"}})
            await greeter.waiting.wait()
            tasks[0].cancel()
            answer = await read_frame(reader)
            assert answer is not None
            assert answer["id"] == 7
            assert error_from_wire(answer["error"]).code == HostUnavailableError.code  # type: ignore[arg-type]
            assert await read_frame(reader) is None
            writer.close()

    asyncio.run(run())


class Direct:
    """A caller that answers from a table and notes what crossed."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.asked: list[object] = []

    async def call(self, contract: str, method: str, arguments: Mapping[str, object]) -> object:
        self.asked.append((contract, method, to_wire(arguments)))
        return self.answer

    async def stream(self, contract: str, method: str, arguments: Mapping[str, object]) -> AsyncIterator[object]:
        self.asked.append((contract, method, to_wire(arguments)))
        assert isinstance(self.answer, list)
        for item in self.answer:
            yield item


def test_a_proxy_is_a_contract_that_sends_only_what_was_given() -> None:
    async def run() -> None:
        caller = Direct({str(RUN.id): to_wire(RUN)})
        greeter = proxy(Greeter, caller)
        assert isinstance(greeter, Greeter)
        assert await greeter.runs(RunFilter(tenant="t")) == {RUN.id: RUN}
        assert await greeter.runs() == {RUN.id: RUN}
        (_, _, first), (_, _, second) = caller.asked
        assert first["where"]["tenant"] == "t"
        assert second == {}
        assert [item async for item in proxy(Greeter, Direct([1, 2])).count(start=1)] == [1, 2]

    asyncio.run(run())


def test_a_proxy_refuses_what_does_not_cross() -> None:
    with pytest.raises(HostError, match=r"Greeter\.local_only does not cross the wire"):
        proxy(Greeter, Direct(None)).local_only()


def test_a_proxy_refuses_an_answer_of_another_kind() -> None:
    with pytest.raises(WireError):
        asyncio.run(proxy(Greeter, Direct(5)).greet(UUID(int=1)))


def test_invalid_parameters_cross_with_every_problem() -> None:
    problems = [Problem(message="too small", where="days"), Problem(message="unknown", where="x")]
    assert error_from_wire(error_to_wire(Invalid("no", problems=problems))).problems == tuple(problems)
