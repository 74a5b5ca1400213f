"""The control socket: the command line's way into a running host, for the owner of its data directory alone."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from pathlib import Path

from host.contracts.contract import Service
from host.contracts.host import POINTER_NAME, SOCKET_NAME, ControlFace, DataDirectory, HostBackup, HostControl
from host.contracts.jobs import JobManagerService, RunControl
from host.contracts.logs import RunLog
from host.contracts.runs import JobRunReader
from host.contracts.schedules import JobScheduleManager
from host.errors import ProviderStartError
from host.wire import CallServer

MAX_PATH_BYTES = 100
"""unix(7) allows 107; some of it is left to others."""


class ControlSocket(ControlFace, Service):
    """Serves the face contracts, the host's control and its backup on a Unix socket with mode 0600.

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
        backup: HostBackup | None = None,
    ) -> None:
        self._directory = directory
        contracts: dict[type, object] = {
            JobManagerService: jobs,
            RunControl: control,
            JobScheduleManager: schedules,
            JobRunReader: runs,
            RunLog: log,
            HostControl: host,
        }
        if backup is not None:
            contracts[HostBackup] = backup
        self._calls = CallServer({kind.__name__: (kind, provider) for kind, provider in contracts.items()})
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
        if server is not None:
            server.close()
        open_connections = dict(self._connections)
        for task in open_connections:
            task.cancel()
        if open_connections:
            await asyncio.wait(open_connections, timeout=1)
        for writer in open_connections.values():
            writer.transport.abort()
        path, self._path = self._path, None
        if path is not None:
            _remove(path, self._directory.path())

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = writer
        try:
            await self._calls.serve(reader, writer)
        except asyncio.CancelledError:
            pass  # by stop alone; Python 3.11's streams log a handler that ends as cancelled
        finally:
            del self._connections[task]


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


def _remove(path: Path, folder: Path) -> None:
    path.unlink(missing_ok=True)
    if path.parent != folder:
        shutil.rmtree(path.parent, ignore_errors=True)
        (folder / POINTER_NAME).unlink(missing_ok=True)
