"""The control socket lets the owner in, survives what an earlier host left, and closes in time."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import stat
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from host.cli.connect import ConnectedHost, connect
from host.contracts.host import (
    DataDirectory,
    ExecutorInfo,
    HostControl,
    HostState,
    HostStatus,
    PluginInfo,
    ReloadReport,
)
from host.contracts.jobs import JobManagerService, RunControl
from host.contracts.logs import RunLog
from host.contracts.registry import Pause
from host.contracts.runs import JobRunReader
from host.contracts.schedules import JobScheduleManager
from host.contracts.security import CALLER
from host.errors import HostUnavailableError, JobNotFoundError, ProviderStartError, WireError
from host.local.control_audit import account_name
from host.local.socket import MAX_PATH_BYTES, POINTER_NAME, SOCKET_NAME, ControlSocket
from host.model.logs import LogLevel, RunLogLine
from host.testing.clock import FakeClock
from host.wire import proxy

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN_ID = UUID(int=7)


class Folder(DataDirectory):
    def __init__(self, path: Path) -> None:
        self._path = path

    def path(self) -> Path:
        return self._path

    def node(self) -> str:
        return "node-1"


class Nobody:
    """Stands for a host whose every job is unknown."""

    async def call(self, contract: str, method: str, arguments: Mapping[str, object]) -> object:
        raise JobNotFoundError(f"{contract}.{method}", where=str(arguments.get("job")))

    async def stream(self, contract: str, method: str, arguments: Mapping[str, object]) -> AsyncIterator[object]:
        raise JobNotFoundError(method)
        yield


class Control(HostControl):
    async def status(self) -> HostStatus:
        return HostStatus(
            state=HostState.READY,
            version="0",
            pid=1,
            node="node-1",
            started_at=NOW,
            configuration="c",
            data_directory="d",
            timezone="UTC",
            executors=(ExecutorInfo(name="loop", busy=0, slots=10, stuck=0, cancel_effect="raises"),),
            unfinished={},
        )

    async def pauses(self) -> Sequence[Pause]:
        return []

    async def plugins(self) -> Sequence[PluginInfo]:
        return [PluginInfo(name=str(CALLER.get()), distribution="jobhost-x", version="1")]

    async def reload(self, *, dry_run: bool = False, by: str | None = None) -> ReloadReport:
        raise NotImplementedError

    async def drain(self, *, by: str | None = None) -> None:
        await asyncio.Event().wait()


class Log(RunLog):
    """One line at once, and no more."""

    def append(self, run_id: UUID, lines: Sequence[RunLogLine]) -> None:
        raise NotImplementedError

    async def read(self, run_id: UUID, *, after: int = 0, limit: int = 1000) -> Sequence[RunLogLine]:
        return []

    async def follow(self, run_id: UUID, *, after: int = 0) -> AsyncIterator[RunLogLine]:
        yield RunLogLine(number=after + 1, at=NOW, level=LogLevel.INFO, event=f"hello {CALLER.get()}")
        await asyncio.Event().wait()

    async def prune(self, run_ids: Collection[UUID]) -> int:
        return 0


def control_socket(folder: Path) -> ControlSocket:
    return ControlSocket(
        Folder(folder),
        proxy(JobManagerService, Nobody()),
        proxy(RunControl, Nobody()),
        proxy(JobScheduleManager, Nobody()),
        proxy(JobRunReader, Nobody()),
        Log(),
        Control(),
        FakeClock(),
    )


def with_socket(folder: Path, body: Callable[[ControlSocket], Awaitable[None]]) -> None:
    async def run() -> None:
        service = control_socket(folder)
        async with asyncio.timeout(60):
            await service.start()
            try:
                await body(service)
            finally:
                await service.stop()

    asyncio.run(run())


async def first_line(host: ConnectedHost) -> str:
    async for line in host.log.follow(RUN_ID, after=4):
        return f"{line.number} {line.event}"
    return "none"


@pytest.fixture
def long_folder(tmp_path: Path) -> Path:
    folder = tmp_path / ("x" * MAX_PATH_BYTES)
    folder.mkdir()
    return folder


def test_providers_know_whose_account_calls(tmp_path: Path) -> None:
    me = account_name(os.getuid())

    async def body(_: ControlSocket) -> None:
        async with connect(tmp_path) as host:
            assert [plugin.name for plugin in await host.host.plugins()] == [me]
            assert await first_line(host) == f"5 hello {me}"
        assert CALLER.get() is None

    with_socket(tmp_path, body)


def test_calls_streams_and_errors_cross_the_socket(tmp_path: Path) -> None:
    async def body(_: ControlSocket) -> None:
        async with connect(tmp_path) as host:
            assert (await host.host.status()).executors[0].slots == 10
            assert [plugin.distribution for plugin in await host.host.plugins()] == ["jobhost-x"]
            assert (await first_line(host)).startswith("5 hello")
            with pytest.raises(JobNotFoundError) as caught:
                await host.jobs.get_job("a:B")
            assert (caught.value.message, caught.value.where) == ("JobManagerService.get_job", "a:B")
            with pytest.raises(WireError, match="there is no HostBackup"):
                await host.backup.create(tmp_path)

    with_socket(tmp_path, body)


def test_only_the_owner_may_use_it(tmp_path: Path) -> None:
    async def body(_: ControlSocket) -> None:
        mode = (tmp_path / SOCKET_NAME).stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600

    with_socket(tmp_path, body)


def test_many_connections_are_served_at_once(tmp_path: Path) -> None:
    async def ask() -> str:
        async with connect(tmp_path) as host:
            return (await host.host.status()).node

    async def body(_: ControlSocket) -> None:
        assert await asyncio.gather(*(ask() for _ in range(50))) == ["node-1"] * 50

    with_socket(tmp_path, body)


def test_calls_on_one_connection_do_not_wait_for_each_other(tmp_path: Path) -> None:
    async def body(_: ControlSocket) -> None:
        async with connect(tmp_path) as host, asyncio.TaskGroup() as group:
            hanging = group.create_task(host.host.drain())
            assert (await host.host.status()).node == "node-1"
            assert not hanging.done()
            hanging.cancel()

    with_socket(tmp_path, body)


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(tmp_path / SOCKET_NAME))
    stale.close()
    (tmp_path / POINTER_NAME).write_text("/nowhere/control.sock\n")

    async def body(_: ControlSocket) -> None:
        async with connect(tmp_path) as host:
            assert (await host.host.status()).node == "node-1"

    with_socket(tmp_path, body)


def test_a_long_path_is_reached_through_the_pointer_and_nothing_is_left(long_folder: Path) -> None:
    places: list[Path] = []

    async def body(_: ControlSocket) -> None:
        place = Path((long_folder / POINTER_NAME).read_text().strip())
        places.append(place)
        assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
        async with connect(long_folder) as host:
            assert (await host.host.status()).node == "node-1"

    with_socket(long_folder, body)
    assert not places[0].parent.exists()
    assert list(long_folder.iterdir()) == []


def test_start_and_stop_may_be_repeated_and_leave_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        service = control_socket(tmp_path)
        await service.stop()
        for _ in range(2):
            await service.start()
            await service.start()
            async with connect(tmp_path) as host:
                await host.host.status()
            await service.stop()
            await service.stop()
            assert list(tmp_path.iterdir()) == []

    asyncio.run(run())


def test_a_folder_that_cannot_hold_a_socket_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / SOCKET_NAME).mkdir()
    with pytest.raises(ProviderStartError) as caught:
        asyncio.run(control_socket(tmp_path).start())
    assert caught.value.where == str(tmp_path)


def test_stop_ends_streams_and_calls_with_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def body(service: ControlSocket) -> None:
        async with connect(tmp_path) as host:
            lines = host.log.follow(RUN_ID)
            await anext(lines)
            hanging = asyncio.create_task(host.host.drain())
            assert (await host.host.status()).node == "node-1"
            await service.stop()
            for waiting in (anext(lines), hanging):
                with pytest.raises(HostUnavailableError, match="the host ended the call"):
                    await waiting
            with pytest.raises(HostUnavailableError, match="the host closed the connection"):
                await host.host.status()

    with_socket(tmp_path, body)
    assert caplog.records == []


def test_a_client_that_reads_nothing_does_not_hold_up_stop(tmp_path: Path) -> None:
    async def body(service: ControlSocket) -> None:
        with socket.socket(socket.AF_UNIX) as idle:
            idle.connect(str(tmp_path / SOCKET_NAME))
            idle.sendall(b"\x00\x00")
            async with connect(tmp_path) as host:
                await host.host.status()
            began = asyncio.get_running_loop().time()
            await service.stop()
            assert asyncio.get_running_loop().time() - began < 1

    with_socket(tmp_path, body)


@pytest.mark.parametrize("turns", range(8))
def test_whoever_connects_while_it_stops_is_let_go_and_nothing_leaks(tmp_path: Path, turns: int) -> None:
    async def body(service: ControlSocket) -> None:
        with socket.socket(socket.AF_UNIX) as late:
            late.settimeout(5)
            late.connect(str(tmp_path / SOCKET_NAME))
            for _ in range(turns):
                await asyncio.sleep(0)
            await service.stop()
            assert late.recv(1) == b""

    with_socket(tmp_path, body)
    gc.collect()  # an end that nobody closed is a ResourceWarning, and that an error


def test_no_host_is_said_with_the_folder_and_what_to_do(tmp_path: Path) -> None:
    async def run() -> None:
        async with connect(tmp_path):
            pytest.fail("connected to nothing")

    with pytest.raises(HostUnavailableError) as caught:
        asyncio.run(run())
    assert caught.value.message == f"no host is running on {tmp_path}"
    assert caught.value.hint == "start one: jobhost serve"


def test_another_threads_loop_can_be_a_client(tmp_path: Path) -> None:
    seen: list[str] = []

    async def ask() -> None:
        async with connect(tmp_path) as host:
            seen.append((await host.host.status()).node)

    async def body(_: ControlSocket) -> None:
        client = threading.Thread(target=lambda: asyncio.run(ask()))
        client.start()
        await asyncio.to_thread(client.join)

    with_socket(tmp_path, body)
    assert seen == ["node-1"]
