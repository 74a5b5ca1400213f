"""uvicorn inside the host's own event loop: it listens on a socket that is given, and leaves signals alone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Iterator, Sequence
from typing import Any

import uvicorn

from host.errors import ProviderStartError
from host_rest.server.protocol import protocol_with
from host_rest.server.settings import HttpServerSettings

GRACE_SECONDS = 3.0
"""How long answers that have begun may go on once the server stops."""
CUT_SECONDS = 2.0
"""How long handlers may take to end after they were cancelled."""


class Listener:
    """Serves an ASGI application on one socket from ``start`` to ``stop``."""

    def __init__(self, app: Any, settings: HttpServerSettings, tls: ssl.SSLContext | None) -> None:
        protocol = protocol_with(
            max_header_bytes=settings.max_header_bytes,
            header_seconds=settings.header_timeout.total_seconds(),
        )
        config = uvicorn.Config(
            app,
            http=protocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=settings.backlog,
            timeout_keep_alive=settings.keep_alive.total_seconds(),  # type: ignore[arg-type]  # only given to call_later
            ssl_context_factory=(lambda *_: tls) if tls is not None else None,
        )
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # what matters is told by the gate
        self._server = _Server(config, handshake_seconds=settings.header_timeout.total_seconds())
        self._task: asyncio.Task[None] | None = None

    async def start(self, bound: socket.socket) -> None:
        """Listen on a bound socket, which is the listener's from now on."""
        self._task = asyncio.get_running_loop().create_task(self._server.serve([bound]), name="http server")
        listening = asyncio.ensure_future(self._server.listening.wait())
        try:
            await asyncio.wait((self._task, listening), return_when=asyncio.FIRST_COMPLETED)
        finally:
            listening.cancel()
        if self._task.done():
            bound.close()
            self._task.result()
            raise ProviderStartError("the http server ended at once")

    async def stop(self) -> None:
        """Accept nobody any more, let answers end within GRACE_SECONDS, and close every connection."""
        task, self._task = self._task, None
        if task is None:
            return
        self._server.end()
        await asyncio.wait((task,))

    def background(self) -> Sequence[asyncio.Task[None]]:
        """Give the server's task."""
        return () if self._task is None else (self._task,)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, *, handshake_seconds: float) -> None:
        super().__init__(config)
        self._handshake_seconds = handshake_seconds
        self.listening = asyncio.Event()
        self._ending = asyncio.Event()

    def end(self) -> None:
        self.should_exit = True
        self._ending.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # signals are the host's

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        loop, config = asyncio.get_running_loop(), self.config

        def connection() -> asyncio.Protocol:
            protocol: asyncio.Protocol = config.http_protocol_class(config, self.server_state, {}, loop)  # type: ignore[call-arg]  # as uvicorn calls it
            return protocol

        handshake = self._handshake_seconds if config.ssl is not None else None
        self.servers = [
            await loop.create_server(
                connection, sock=each, ssl=config.ssl, backlog=config.backlog, ssl_handshake_timeout=handshake
            )
            for each in sockets or ()
        ]
        self.started = True
        self.listening.set()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):  # the Date header, once a second
            if not all(server.is_serving() for server in self.servers):
                raise ProviderStartError("the http server's socket was closed by somebody else")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), 1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._accept_nobody()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        if state.tasks:
            await asyncio.wait(state.tasks, timeout=GRACE_SECONDS)
        cut = [task for task in state.tasks if not task.done()]
        for task in cut:
            task.cancel()
        if cut:
            await asyncio.wait(cut, timeout=CUT_SECONDS)
        for connection in list(state.connections):
            connection.transport.close()
        await _turns()  # what is written goes out
        for connection in list(state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # an aborted connection is closed in the loop's next turn

    async def _accept_nobody(self) -> None:
        # Whoever was accepted is let in before the server closes: asyncio forgets a connection that it has accepted
        # and not yet attached to a server when that closes.
        loop = asyncio.get_running_loop()
        for server in self.servers:
            for listening in server.sockets:
                loop.remove_reader(listening.fileno())
        await _turns()
        for server in self.servers:
            server.close()


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
