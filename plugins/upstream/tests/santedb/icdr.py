"""A small stand-in for a SanteDB server: its AMI for jobs on a real socket, with the quirks of its own server."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

import msgspec

from host.santedb.ami.values import (
    AmiCollection,
    AmiJob,
    AmiParameter,
    AmiSchedule,
    RestServiceFault,
    TypeReference,
)
from host.santedb.ami.xml_reading import read_parameters, read_resource
from host.santedb.ami.xml_writing import write_xml

STATE_CLASS = "SanteDB.Core.Jobs.XmlJobState, SanteDB.Core.Api, Version=3.0.2150.0, Culture=neutral"
"""What SanteDB tells as the type of every job."""


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    """One answer."""

    status: int
    body: bytes = b""
    media_type: str = "application/xml; charset=utf-8"


@dataclass
class Icdr:
    """The server; change its members at will."""

    port: int = 0
    jobs: dict[str, AmiJob] = field(default_factory=dict)
    """By id, in the order they are listed."""
    offered: list[str] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    hooks: list[Callable[[Asked], Reply | None]] = field(default_factory=list)
    """Asked first; the answer of the first that has one is sent."""
    most_schedules: int | None = None
    """1: schedules are in its database."""
    is_registering_blindly: bool = False
    """Answers 204 to who registers."""
    before: asyncio.Event | None = None
    """Waited for before each answer."""
    dies_at: Callable[[Asked], bool] | None = None
    """Closes the connection, and takes no other, at such a request."""

    def add(self, number: int = 1, **members: object) -> AmiJob:
        """Add a job with an id made of a number."""
        job = AmiJob(
            **{
                "id": f"00000000-0000-0000-0000-{number:012}",
                "name": f"Job {number}",
                "can_cancel": True,
                "state": "NotRun",
                "job_type": STATE_CLASS,
                "description": "does things",
                **members,
            }  # type: ignore[arg-type]
        )
        self.jobs[str(job.id)] = job
        return job

    def change(self, job: AmiJob, **members: object) -> AmiJob:
        """Change a job."""
        changed = msgspec.structs.replace(self.jobs[str(job.id)], **members)
        self.jobs[str(job.id)] = changed
        return changed

    def paths(self, method: str | None = None) -> list[str]:
        """Give what was asked for, of one method or all, without queries."""
        return [each.path for each in self.asked if method in (None, each.method)]

    @property
    def arguments(self) -> list[AmiParameter]:
        """Give the values of the latest start."""
        started = [each for each in self.asked if each.path.endswith("/$start")]
        return list(read_parameters(started[-1].body).parameter)

    def answer(self, asked: Asked) -> Reply:
        """Answer a request as SanteDB does."""
        for hook in self.hooks:
            if (reply := hook(asked)) is not None:
                return reply
        parts = asked.path.removeprefix("/ami/JobInfo").strip("/").split("/")
        target, operation = parts[0], parts[1] if len(parts) > 1 else ""
        if not asked.path.startswith("/ami/JobInfo"):
            return fault(404, "FileNotFoundException", "no such resource")
        if not target:
            return self._listing(asked) if asked.method == "GET" else self._register(asked)
        job = self.jobs.get(target)
        if job is None:
            return fault(404, "Exception", "Error", fault_of("KeyNotFoundException", f"Cannot find job {target}"))
        if asked.method == "POST":
            return self._operate(job, operation)
        if asked.method == "PUT":
            return self._schedule(job, asked)
        if asked.method == "GET":
            return Reply(200, write_xml(job))
        return fault(405, "NotSupportedException", "DELETE")

    def _listing(self, asked: Asked) -> Reply:
        if asked.query.get("_unconfigured") == "true":  # the whole list, whatever page is asked for, and no size
            return Reply(200, write_xml(AmiCollection(resource=tuple(TypeReference(type=t) for t in self.offered))))
        offset, count = int(asked.query.get("_offset", 0)), int(asked.query.get("_count", 100))
        page = tuple(self.jobs.values())[offset : offset + count]
        size = len(self.jobs) if asked.query.get("_includeTotal") == "true" else 0
        return Reply(200, write_xml(AmiCollection(resource=page, offset=offset, size=size)))

    def _register(self, asked: Asked) -> Reply:
        given = read_resource(asked.body)
        name = given.type if isinstance(given, TypeReference) else given.job_type or ""
        if name not in self.offered:
            return fault(500, "Exception", "Error creating resource JobInfo", fault_of("Exception", "null"))
        self.offered.remove(name)
        job = self.add(900 + len(self.jobs), name=name.partition(",")[0])
        return Reply(204) if self.is_registering_blindly else Reply(201, write_xml(job))

    def _operate(self, job: AmiJob, operation: str) -> Reply:
        if operation == "$cancel" and job.can_cancel:
            self.change(job, state="Cancelled")
        elif operation == "$start":
            self.change(job, state="Running", last_start="2026-02-01T04:00:00.1234567-05:00", last_finish=None)
        return Reply(204)

    def _schedule(self, job: AmiJob, asked: Asked) -> Reply:
        given = read_resource(asked.body)
        assert isinstance(given, AmiJob)
        kept = (given.schedule or ())[: self.most_schedules]
        self.change(job, schedule=kept or None)
        return Reply(201, asked.body)


def fault_of(kind: str, message: str, cause: RestServiceFault | None = None, **members: str) -> RestServiceFault:
    """Give a fault."""
    return RestServiceFault(data=(), type=kind, message=message, policy_outcome="Deny", cause=cause, **members)


def fault(status: int, kind: str, message: str, cause: RestServiceFault | None = None, **members: str) -> Reply:
    """Give the answer of a fault."""
    return Reply(status, write_xml(fault_of(kind, message, cause, **members)))


def interval(text: str = "PT12H") -> AmiSchedule:
    """Give an interval as SanteDB shows it."""
    return AmiSchedule(type="Interval", interval=text, start="0001-01-01T00:00:00")


@asynccontextmanager
async def icdr_server() -> AsyncIterator[Icdr]:
    """Give a server on a free port of loopback."""
    icdr = Icdr()
    server: asyncio.Server
    writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        try:
            while (asked := await _read(reader)) is not None:
                if icdr.dies_at is not None and icdr.dies_at(asked):
                    server.close()
                    return
                icdr.asked.append(asked)
                if icdr.before is not None:
                    await icdr.before.wait()
                await _send(writer, icdr.answer(asked), is_gzip="gzip" in asked.headers.get("accept-encoding", ""))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writers.discard(writer)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    icdr.port = server.sockets[0].getsockname()[1]
    try:
        yield icdr
    finally:
        server.close()
        for writer in list(writers):
            writer.close()
        await asyncio.sleep(0)


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    line = await reader.readline()
    if not line:
        return None
    method, target, _ = line.decode().split()
    headers = {}
    while (header := (await reader.readline()).decode().strip()) != "":
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    parts = urlsplit(target)
    return Asked(method, parts.path, dict(parse_qsl(parts.query)), headers, body)


async def _send(writer: asyncio.StreamWriter, reply: Reply, *, is_gzip: bool) -> None:
    body = gzip.compress(reply.body) if is_gzip and reply.body else reply.body
    coding = "Content-Encoding: gzip\r\n" if body is not reply.body else ""
    kind = f"Content-Type: {reply.media_type}\r\n" if body else ""
    length = "" if reply.status == 204 else f"Content-Length: {len(body)}\r\n"
    writer.write(f"HTTP/1.1 {reply.status} X\r\n{kind}{coding}{length}\r\n".encode() + body)
    await writer.drain()
