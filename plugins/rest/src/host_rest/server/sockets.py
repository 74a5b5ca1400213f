"""The socket the server listens on: it lets in only so many connections at a time."""

from __future__ import annotations

import resource
import socket
from typing import Any

from host.errors import ProviderStartError
from host_rest.server.settings import HttpServerSettings

MAX_UNSENT_BYTES = 128 * 1024
"""So much of a connection's answer the system keeps for a client that reads slowly; it would take megabytes."""
MAX_REFUSED = 100
"""Connections that are refused together; then others have their turn."""


class ListeningSocket(socket.socket):
    """A socket of a server. A connection counts from before its handshake until it is closed.

    One that is too many is closed at once: what says nothing costs no file for long, and jobs need files, too.
    """

    def __init__(self, family: int, *, at_most: int) -> None:
        super().__init__(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio sets TCP_NODELAY only where named
        self.at_most = at_most
        self.open = 0
        """Connections now."""

    def accept(self) -> tuple[socket.socket, Any]:
        """Give the next connection; raises BlockingIOError if there is none."""
        for _ in range(MAX_REFUSED):
            connection, address = super().accept()
            if self.open < self.at_most:
                self.open += 1
                return _Connection(self, connection), address
            connection.close()
        raise BlockingIOError("too many connections")


class _Connection(socket.socket):
    def __init__(self, listening: ListeningSocket, accepted: socket.socket) -> None:
        family, type, proto = accepted.family, accepted.type, accepted.proto
        super().__init__(family, type, proto, fileno=accepted.detach())
        self._listening: ListeningSocket | None = listening

    def close(self) -> None:
        super().close()
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.open -= 1


def listening_socket(settings: HttpServerSettings) -> ListeningSocket:
    """Give a socket on the configured address; raises ProviderStartError if it cannot be had."""
    address = "127.0.0.1" if settings.address == "localhost" else settings.address
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = ListeningSocket(family, at_most=min(settings.max_connections, _files() // 2))
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # connections inherit it
            bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MAX_UNSENT_BYTES)
        bound.setblocking(False)
        bound.bind((address, settings.port))
        bound.listen(settings.backlog)
    except OSError as error:
        bound.close()
        raise ProviderStartError(
            f"the http server cannot listen: {error.strerror or error}",
            where=f"{settings.address}:{settings.port}",
            hint=f"free the port, or give another address or port in section {settings.section}",
        ) from error
    return bound


def _files() -> int:
    """Give how many files the process may have open; the others are for stores and jobs."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1_000_000 if limit == resource.RLIM_INFINITY else limit
