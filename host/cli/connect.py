"""The client's end of the control socket: the running host's contracts, as if they were here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from host.contracts.host import POINTER_NAME, SOCKET_NAME, HostBackup, HostControl
from host.contracts.jobs import JobManagerService, RunControl
from host.contracts.logs import RunLog
from host.contracts.runs import JobRunReader
from host.contracts.schedules import JobScheduleManager
from host.errors import AccessDeniedError, HostUnavailableError, WireError
from host.wire import Caller, error_from_wire, proxy, read_frame, write_frame

if TYPE_CHECKING:
    from host.contracts.security import AuditTrail


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectedHost:
    """A running host's contracts; every call crosses the socket and raises what the host raised."""

    jobs: JobManagerService
    control: RunControl
    schedules: JobScheduleManager
    runs: JobRunReader
    log: RunLog
    host: HostControl
    backup: HostBackup
    caller: Caller
    """What carries the calls."""

    @property
    def audit(self) -> AuditTrail:
        """The audit trail, only to be read."""
        from host.contracts.security import AuditTrail  # one command reads it; the others start without

        return proxy(AuditTrail, self.caller)


@asynccontextmanager
async def connect(data_directory: Path) -> AsyncIterator[ConnectedHost]:
    """Reach the host that owns a data directory, until the block ends.

    Raises HostUnavailableError if none is running, AccessDeniedError if the socket is somebody else's.
    """
    connection = await _open(data_directory)
    try:
        yield ConnectedHost(
            jobs=proxy(JobManagerService, connection),
            control=proxy(RunControl, connection),
            schedules=proxy(JobScheduleManager, connection),
            runs=proxy(JobRunReader, connection),
            log=proxy(RunLog, connection),
            host=proxy(HostControl, connection),
            backup=proxy(HostBackup, connection),
            caller=connection,
        )
    finally:
        await connection.close()


async def _open(data_directory: Path) -> Connection:
    path = data_directory / SOCKET_NAME
    pointer = data_directory / POINTER_NAME
    try:
        if pointer.exists():
            path = Path(pointer.read_text(encoding="utf-8").strip())
        return Connection(*await asyncio.open_unix_connection(path))
    except PermissionError as error:
        hint = "use the account that runs the host"
        raise AccessDeniedError("the host's control socket may not be used", where=str(path), hint=hint) from error
    except OSError as error:
        raise HostUnavailableError(
            f"no host is running on {data_directory}", hint="start one: jobhost serve"
        ) from error


class Connection:
    """Carries calls over one connection, any number at a time (a ``wire.Caller``)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._ids = count(1)
        self._waiting: dict[object, asyncio.Queue[Mapping[str, object]]] = {}
        self._lost: Mapping[str, object] | None = None
        self._receiving = asyncio.create_task(self._receive(reader), name="control socket")

    async def call(self, contract: str, method: str, arguments: Mapping[str, object]) -> object:
        """Call a method and give its result as JSON values."""
        async with self._sent(contract, method, arguments) as (_, frames):
            return _checked(await frames.get())["result"]

    async def stream(self, contract: str, method: str, arguments: Mapping[str, object]) -> AsyncGenerator[object, None]:
        """Call a method that gives a stream; closing it before its end stops it at the other end too."""
        async with self._sent(contract, method, arguments) as (number, frames):
            ended = False
            try:
                while "item" in (frame := await frames.get()):
                    yield frame["item"]
                ended = True
                _checked(frame)
            finally:
                if not ended and self._lost is None:
                    await self._write({"id": number, "cancel": True})

    async def close(self) -> None:
        """End the connection; a second call does nothing."""
        self._receiving.cancel()
        self._writer.close()
        await asyncio.wait([self._receiving])

    @asynccontextmanager
    async def _sent(
        self, contract: str, method: str, arguments: Mapping[str, object]
    ) -> AsyncIterator[tuple[int, asyncio.Queue[Mapping[str, object]]]]:
        number = next(self._ids)
        frames: asyncio.Queue[Mapping[str, object]] = asyncio.Queue()
        self._waiting[number] = frames
        try:
            if self._lost is not None:
                frames.put_nowait(self._lost)
            else:
                request = {"id": number, "contract": contract, "method": method, "arguments": arguments}
                await self._write(request)
            yield number, frames
        finally:
            del self._waiting[number]

    async def _write(self, request: Mapping[str, object]) -> None:
        try:
            await write_frame(self._writer, request)
        except ConnectionError:
            await asyncio.wait([self._receiving])  # it tells every waiting call, this one too

    async def _receive(self, reader: asyncio.StreamReader) -> None:
        problem: dict[str, object] = {"code": HostUnavailableError.code, "message": "the host closed the connection"}
        try:
            while (frame := await read_frame(reader)) is not None:
                if frame.get("id") is None:
                    problem = _error_of(frame)
                elif waiting := self._waiting.get(frame["id"]):
                    waiting.put_nowait(frame)
        except WireError as error:
            problem = {"code": error.code, "message": error.message}
        except ConnectionError:
            pass
        finally:
            self._lost = {"error": problem}
            for waiting in self._waiting.values():
                waiting.put_nowait(self._lost)


def _checked(frame: Mapping[str, object]) -> Mapping[str, object]:
    if "error" in frame:
        raise error_from_wire(_error_of(frame))
    return frame


def _error_of(frame: Mapping[str, object]) -> dict[str, object]:
    error = frame.get("error")
    return dict(error) if isinstance(error, dict) else {"code": WireError.code, "message": "an answer without sense"}
