"""The control socket: the command line's way into a running host, for the owner of its data directory alone."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import struct
import tempfile
from pathlib import Path

import structlog

from host.contracts.clock import Clock
from host.contracts.contract import Service
from host.contracts.host import POINTER_NAME, SOCKET_NAME, ControlFace, DataDirectory, HostBackup, HostControl
from host.contracts.jobs import JobManagerService, RunControl
from host.contracts.logs import RunLog
from host.contracts.runs import JobRunReader
from host.contracts.schedules import JobScheduleManager
from host.contracts.security import CALLER, AuditTrail
from host.errors import ProviderStartError
from host.local.control_audit import CallAudit
from host.wire import CallServer

logger = structlog.get_logger(__name__)

MAX_PATH_BYTES = 100
"""unix(7) allows 107; some of it is left to others."""
ACCEPTING_TURNS = 5
"""Turns of the event loop after which whoever has connected is known to this class, and can be closed."""
_CREDENTIALS = struct.Struct("3i")
"""Process, user and group."""


class ControlSocket(ControlFace, Service):
    """Serves the face contracts, the host's control, its backup and its audit trail on a Unix socket with mode 0600.

    What a caller changes is in the audit trail, by the account that connected, before the caller is answered.
    Whatever socket an earlier host left is replaced: the data directory is ours. ``stop`` ends open calls with
    ``host-unavailable`` and closes every connection within a second.
    """

    is_default = True
    stop_seconds = 5

    def __init__(
        self,
        directory: DataDirectory,
        jobs: JobManagerService,
        control: RunControl,
        schedules: JobScheduleManager,
        runs: JobRunReader,
        log: RunLog,
        host: HostControl,
        clock: Clock,
        backup: HostBackup | None = None,
        audit: AuditTrail | None = None,
    ) -> None:
        self._directory = directory
        self._audit = CallAudit(audit, clock)
        self._contracts: dict[type, object] = {
            JobManagerService: jobs,
            RunControl: control,
            JobScheduleManager: schedules,
            JobRunReader: runs,
            RunLog: log,
            HostControl: host,
        }
        if backup is not None:
            self._contracts[HostBackup] = backup
        if audit is not None:
            self._contracts[AuditTrail] = audit
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._path: Path | None = None

    async def start(self) -> None:
        """Listen. Raises ProviderStartError if the socket cannot be made."""
        if self._server is not None:
            return
        folder = self._directory.path()
        try:
            for name in (SOCKET_NAME, POINTER_NAME):
                (folder / name).unlink(missing_ok=True)
            self._path = _place(folder)
            self._server = await asyncio.start_unix_server(self._connected, sock=_bound(self._path))
        except OSError as error:
            await self.stop()
            hint = "the socket's path must be short and its folder writable"
            raise ProviderStartError(f"no control socket: {error}", where=str(folder), hint=hint) from error

    async def stop(self) -> None:
        """Close the socket and every connection."""
        server, self._server = self._server, None
        path, self._path = self._path, None
        if path is not None:
            _remove(path, self._directory.path())
        if server is not None:
            # Without its path nobody new connects. Whoever had is let in before the server closes: asyncio forgets
            # a connection that it has accepted and not yet attached to a server when that closes.
            for _ in range(ACCEPTING_TURNS):
                await asyncio.sleep(0)
            server.close()
        await self._audit.settle()  # whoever asked for the stop is answered first
        open_connections = dict(self._connections)
        for task in open_connections:
            task.cancel()
        if open_connections:
            await asyncio.wait(open_connections, timeout=1)
            await self._audit.settle()
        for writer in open_connections.values():
            writer.transport.abort()
        await asyncio.sleep(0)  # an aborted connection is closed in the loop's next turn

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # No coroutine: a connection whose task had not begun yet would be unknown to stop.
        if self._server is None:
            writer.transport.abort()
            return
        calls = self._serve(reader, writer, _peer(writer))
        task = asyncio.get_running_loop().create_task(calls, name="control socket")
        self._connections[task] = writer
        task.add_done_callback(self._ended)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, uid: int) -> None:
        CALLER.set(await self._audit.caller(uid))  # in this task, and so in those of all its calls
        await CallServer(self._audit.guard(self._contracts, uid)).serve(reader, writer)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._connections.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("control connection failed", error=repr(error), exc_info=error)


def _place(folder: Path) -> Path:
    """Choose the socket's path, and note it in the folder where it is not the usual one."""
    path = folder / SOCKET_NAME
    if len(os.fsencode(path)) <= MAX_PATH_BYTES:
        return path
    path = Path(tempfile.mkdtemp(prefix="jobhost-")) / SOCKET_NAME
    fresh = folder / f".{POINTER_NAME}.tmp"
    fresh.write_text(f"{path}\n", encoding="utf-8")
    fresh.replace(folder / POINTER_NAME)
    return path


def _bound(path: Path) -> socket.socket:
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        bound.bind(str(path))
        # Invariant: nobody can connect before listen(), so there is no moment in which others could.
        path.chmod(0o600)
    except OSError:
        bound.close()
        raise
    return bound


def _peer(writer: asyncio.StreamWriter) -> int:
    """Give the user id of the process at the other end, as the kernel noted it when it connected (unix(7))."""
    data = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    uid: int = _CREDENTIALS.unpack(data)[1]
    return uid


def _remove(path: Path, folder: Path) -> None:
    path.unlink(missing_ok=True)
    if path.parent != folder:
        shutil.rmtree(path.parent, ignore_errors=True)
        (folder / POINTER_NAME).unlink(missing_ok=True)
