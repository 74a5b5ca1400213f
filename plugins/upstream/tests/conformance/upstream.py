"""The upstream's process in the hands of tests."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import UUID

import msgspec

from host.cli.connect import Connection
from host.model.logs import RunLogLine
from host.wire import error_from_wire, to_json

ROOT = Path(__file__).parents[4]
START_SECONDS = 120


class UpstreamProcess:
    """A running process; ``begin`` makes it another host's, on the same port."""

    def __init__(self, process: subprocess.Popen[str], port: int, door: str) -> None:
        self._process = process
        self.port, self._door = port, door
        self._one_at_a_time = threading.Lock()
        self._socket: socket.socket | None = None

    def begin(self, *, is_clean: bool = True, sections: str = "") -> None:
        """Start another host inside: a clean one, or the next one on the same folder."""
        self.close()
        self._call("StageDoor", "begin", {"sections": sections, "clean": is_clean})
        self.close()  # this connection knows the host before

    def append(self, run_id: UUID, lines: Sequence[RunLogLine]) -> None:
        """Let a run write lines there; from any thread."""
        self._call("StoreDoor", "append", {"run_id": run_id, "pickled": zlib.compress(pickle.dumps(list(lines)), 1)})

    def move(self, seconds: float) -> None:
        """Move the clock there; nobody is waited for."""
        self._call("StoreDoor", "move", {"seconds": seconds})

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Give a connection to the back door, for ``host.wire.proxy``."""
        connection = Connection(*await asyncio.open_unix_connection(self._door))
        try:
            yield connection
        finally:
            await connection.close()

    def close(self) -> None:
        """Close the connection of the plain calls."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _call(self, contract: str, method: str, arguments: dict[str, object]) -> None:
        request = to_json({"id": 1, "contract": contract, "method": method, "arguments": arguments})
        with self._one_at_a_time:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX)
                self._socket.settimeout(START_SECONDS)
                self._socket.connect(self._door)
            self._socket.sendall(len(request).to_bytes(4, "big") + request)
            answer = msgspec.json.decode(self._read(int.from_bytes(self._read(4), "big")))
        if "error" in answer:
            raise error_from_wire(answer["error"])

    def _read(self, size: int) -> bytes:
        assert self._socket is not None
        found = b""
        while len(found) < size:
            piece = self._socket.recv(size - len(found))
            assert piece, "the upstream's process has ended"
            found += piece
        return found


@contextmanager
def upstream_process(mounts: str = "rest") -> Iterator[UpstreamProcess]:
    """Give a process whose host speaks ``rest`` (all of ``/rest/v1``) or ``ami`` (nothing but SanteDB's)."""
    memory = "/dev/shm"  # nothing here must outlast the power
    place = memory if os.access(memory, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="jh-", dir=place))  # short, since the path of a Unix socket must be
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "plugins.upstream.tests.conformance.served", str(folder), mounts],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        cwd=ROOT,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        readable, _, _ = select.select([process.stdout], [], [], START_SECONDS)
        line = process.stdout.readline() if readable else ""
        assert line, (folder / "log").read_text()
        upstream = UpstreamProcess(process, **json.loads(line))
        try:
            yield upstream
        finally:
            upstream.close()
    finally:
        process.stdin.close()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(60)
        process.stdout.close()
        log.close()
        shutil.rmtree(folder, ignore_errors=True)
