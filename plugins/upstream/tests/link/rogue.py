"""An HTTP server that does to its callers whatever a test wants, byte by byte."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import parse_qs

HOST = {"version": "0.1.0", "state": "ready", "timezone": "Europe/Prague"}
TOKEN_PATH = "/auth/oauth2_token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int
    """Which connection it came by."""
    certificate: Mapping[str, object] | None = None
    """Of the client."""

    @property
    def form(self) -> Mapping[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


@dataclass(slots=True)
class Reply:
    """What is answered, or done instead."""

    status: int = 200
    body: bytes | str | object = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    """Content-Length that is claimed, whatever is sent."""
    is_cut: bool = False
    """Whether the connection is closed after what is sent."""
    wait: asyncio.Event | None = None
    """Set before anything is sent."""
    pieces: Callable[[], AsyncIterator[bytes]] | None = None
    """A body that comes bit by bit, chunked."""


HANG_UP = Reply(status=0)
"""Closes the connection without an answer."""
Answers = Callable[[Heard], Reply | Awaitable[Reply]]


class Rogue:
    """Answers by ``answers[(method, path)]``, by ``otherwise``, and gives tokens; remembers what it heard."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.answers: dict[tuple[str, str], Answers] = {("GET", "/rest/v1/host"): lambda _: Reply(body=HOST)}
        self.otherwise: Answers = lambda _: Reply(body={})
        self.token: Answers = self.give_token
        self.tokens = 0
        self.seconds: object = 3600
        self.clock: Callable[[], datetime] | None = None
        self.connections = 0
        self.port = 0
        self.prefix = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    def give_token(self, _: Heard) -> Reply:
        self.tokens += 1
        return Reply(
            body={"access_token": f"t{self.tokens}", "token_type": "bearer", "expires_in": self.seconds},
        )

    def calls(self, path: str | None = None) -> list[Heard]:
        """What was heard but for tokens and detection, or of one path."""
        silent = (TOKEN_PATH, "/rest/v1/host", "/ami/")
        return [each for each in self.heard if (each.path not in silent if path is None else each.path == path)]

    async def start(self, *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close all; may be started again."""
        assert self._server is not None
        self._server.close()
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        number = self.connections
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                while await self._one(reader, writer, number):
                    pass
        except asyncio.CancelledError:
            pass  # the server ends; the streams' own callback would complain
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        certificate = writer.get_extra_info("peercert")
        heard = Heard(method=method, path=path, headers=headers, body=body, connection=number, certificate=certificate)
        self.heard.append(heard)
        bare = path.partition("?")[0].removeprefix(self.prefix)
        answers = self.token if bare == TOKEN_PATH else self.answers.get((method, bare), self.otherwise)
        answered = answers(heard)
        reply = answered if isinstance(answered, Reply) else await answered
        return await self._say(reply, heard, writer)

    async def _say(self, reply: Reply, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        if reply.wait is not None:
            await reply.wait.wait()
        if reply.status == 0:
            return False
        headers = dict(reply.headers)
        body = reply.body
        if not isinstance(body, bytes):
            headers.setdefault("content-type", "text/html" if isinstance(body, str) else "application/json")
            body = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        if self.clock is not None:
            headers.setdefault("date", format_datetime(self.clock(), usegmt=True))
        if reply.pieces is not None:
            headers["transfer-encoding"] = "chunked"
        elif reply.status not in (204, 304):
            headers["content-length"] = str(len(body) if reply.length is None else reply.length)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {reply.status} Said\r\n{lines}\r\n".encode("latin-1"))
        if reply.pieces is not None:
            async for piece in reply.pieces():
                writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                await writer.drain()
            if not reply.is_cut:
                writer.write(b"0\r\n\r\n")
        elif heard.method != "HEAD":
            writer.write(body)
        await writer.drain()
        return not reply.is_cut and "close" not in headers.get("connection", "")


@asynccontextmanager
async def rogue_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[Rogue]:
    """Give a server on a free port."""
    rogue = Rogue()
    await rogue.start(tls=tls)
    try:
        yield rogue
    finally:
        await rogue.stop()


def problem(status: int, code: str, **members: object) -> Reply:
    """Give a problem document as a jobhost has it."""
    body = json.dumps({"status": status, "code": code, "detail": f"told of {code}", **members}).encode()
    return Reply(status=status, body=body, headers={"content-type": "application/problem+json"})
