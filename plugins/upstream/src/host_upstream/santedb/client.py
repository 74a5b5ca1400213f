"""AMI's requests and what their answers say, for all providers that ask a SanteDB server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import UUID

from host.contracts.clock import Clock
from host.errors import (
    HostError,
    InvalidParameterError,
    InvalidScheduleError,
    JobNotFoundError,
    ScheduleVersionError,
)
from host.model.jobs import JobInfo
from host.santedb.ami.arguments import write_arguments
from host.santedb.ami.values import AmiCollection, AmiJob, AmiJobParameter, ParameterCollection, TypeReference
from host.santedb.ami.xml_reading import read_collection, read_job
from host.santedb.ami.xml_writing import write_xml
from host_upstream.link import UpstreamAnswer, UpstreamLink, UpstreamRequest
from host_upstream.santedb.listing import JobListing
from host_upstream.santedb.refusals import error_of, not_ami
from host_upstream.santedb.sharing import SharedReading
from host_upstream.settings import UpstreamSettings

T = TypeVar("T")

PAGE = 100
"""Jobs asked for at once: SanteDB's own default."""
MOST_JOBS = 10_000
ATTEMPTS = 3
"""Readings of a list that changes while it is paged through."""
JOBS = "/ami/JobInfo"
XML = "application/xml"


class AmiClient:
    """One SanteDB server. Reading may be repeated by the link, everything else is sent once."""

    def __init__(self, link: UpstreamLink, settings: UpstreamSettings, clock: Clock) -> None:
        self._link = link
        self._listing = SharedReading(self._read_listing, clock, keep=settings.cache)
        self._readings = 0
        self._pages_read: dict[tuple[tuple[str, str], ...], tuple[bytes, AmiCollection]] = {}
        """The latest answer to each request for a page: an upstream where nothing happens costs no parsing."""
        self.scheduling = asyncio.Lock()
        """Held from reading a job to writing its schedules, so that of two changes in this host one sees the other."""

    async def recent(self) -> JobListing:
        """Give all jobs as they were at most ``settings.cache`` ago, and after the last change made through this."""
        return await self._listing.recent()

    async def present(self) -> JobListing:
        """Give all jobs as they are."""
        return await self._listing.present()

    async def find(self, job: str) -> tuple[JobListing, JobInfo]:
        """Find a job by id, type name or unambiguous name, in a new reading if a recent one does not have it.

        Raises JobNotFoundError.
        """
        listing = await self.recent()
        try:
            return listing, listing.find(job)
        except JobNotFoundError:
            listing = await self.present()
            return listing, listing.find(job)

    async def job(self, job_id: UUID) -> AmiJob:
        """Give one job as it is; raises JobNotFoundError."""
        request = UpstreamRequest(method="GET", path=_path(job_id), media_type=XML)
        return _read(request, await self._asked(request), read_job)

    async def candidates(self) -> Sequence[str]:
        """Give the types that may be registered."""
        found = await self._all(("_unconfigured", "true"))
        return list(dict.fromkeys(each.type for each in found if isinstance(each, TypeReference)))

    async def register(self, job_type: str, *, by: str | None = None) -> AmiJob | None:
        """Register a type; None if the upstream answers without the job it has become."""
        request = _write("POST", JOBS, write_xml(TypeReference(type=job_type)), by)
        answer = await self._asked(request)
        self._listing.drop()
        return _read(request, answer, read_job) if answer.body else None

    async def start(self, job_id: UUID, arguments: Sequence[AmiJobParameter], *, by: str | None) -> None:
        """Start a job; raises InvalidParameterError for a value that the declared type does not hold."""
        try:
            body = write_arguments(arguments)
        except ValueError as error:
            raise InvalidParameterError(f"a value cannot be sent: {error}", where=str(job_id)) from error
        await self._asked(_write("POST", f"{_path(job_id)}/$start", body, by), invalid=InvalidParameterError)
        self._listing.drop()

    async def cancel(self, job_id: UUID, *, by: str | None) -> None:
        """Ask a job to stop; SanteDB does nothing, and says nothing, if the job cannot be cancelled."""
        await self._asked(_write("POST", f"{_path(job_id)}/$cancel", write_xml(ParameterCollection()), by))
        self._listing.drop()

    async def put(self, job_id: UUID, job: AmiJob) -> None:
        """Replace a job's schedules by those of this document, of which nothing else counts."""
        request = _write("PUT", _path(job_id), write_xml(job), None)
        try:
            await self._asked(request, invalid=InvalidScheduleError, conflict=ScheduleVersionError)
        finally:
            self._listing.drop()  # SanteDB clears first and then adds: a failure may have done half

    async def _read_listing(self) -> JobListing:
        self._readings += 1
        number = self._readings
        jobs = [(_id_of(each), each) for each in await self._all() if isinstance(each, AmiJob)]
        return JobListing(jobs, number=number)

    async def _all(self, *query: tuple[str, str]) -> Sequence[AmiJob | TypeReference]:
        """Read page by page until all are there; anew if their number changed meanwhile."""
        for _ in range(ATTEMPTS):
            found, size = await self._pages(query)
            if size in (0, len(found)):
                break
        return found

    async def _pages(self, query: Sequence[tuple[str, str]]) -> tuple[Sequence[AmiJob | TypeReference], int]:
        found: dict[str, AmiJob | TypeReference] = {}
        offset = 0
        while True:
            request = _page_at(offset, query)
            page = await self._page(request)
            known = len(found)
            found.update((_key(each), each) for each in page.resource)
            offset += len(page.resource)
            is_last = offset >= page.size if page.size else len(page.resource) < PAGE
            if is_last or len(found) == known:  # SanteDB gives the whole list of types, whatever page is asked for
                return list(found.values()), page.size
            if offset >= MOST_JOBS:
                raise not_ami(request, f"more than {MOST_JOBS:,} jobs")

    async def _page(self, request: UpstreamRequest) -> AmiCollection:
        answer = await self._asked(request)
        body, page = self._pages_read.get(request.query, (None, None))
        if page is None or body != answer.body:
            page = _read(request, answer, read_collection)
            self._pages_read[request.query] = answer.body, page
        return page

    async def _asked(self, request: UpstreamRequest, **kinds: type[HostError]) -> UpstreamAnswer:
        answer = await self._link.request(request)
        if not 200 <= answer.status < 300:
            raise error_of(request, answer, **kinds)
        return answer


def _page_at(offset: int, query: Sequence[tuple[str, str]]) -> UpstreamRequest:
    paging = (("_offset", str(offset)), ("_count", str(PAGE)), ("_includeTotal", "true"))
    return UpstreamRequest(method="GET", path=JOBS, query=(*query, *paging), media_type=XML)


def _write(method: str, path: str, body: bytes, by: str | None) -> UpstreamRequest:
    return UpstreamRequest(method=method, path=path, body=body, media_type=XML, caller=by)


def _read(request: UpstreamRequest, answer: UpstreamAnswer, read: Callable[[bytes], T]) -> T:
    try:
        return read(answer.body)
    except HostError as error:
        raise not_ami(request, error.message) from error


def _path(job_id: UUID) -> str:
    return f"{JOBS}/{job_id}"


def _key(each: AmiJob | TypeReference) -> str:
    return each.type if isinstance(each, TypeReference) else (each.id or "").lower()


def _id_of(job: AmiJob) -> UUID:
    try:
        return UUID(job.id or "")
    except ValueError as error:
        request = UpstreamRequest(method="GET", path=JOBS)
        raise not_ami(request, f"a job has the id {job.id!r}") from error
