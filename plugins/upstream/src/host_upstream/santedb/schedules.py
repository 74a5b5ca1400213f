"""Schedules kept by a SanteDB server, job by job: intervals, days of the week, single dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from uuid import UUID

import msgspec
import structlog

from host.contracts.clock import Clock
from host.contracts.schedules import JobScheduleManager
from host.errors import (
    InvalidScheduleError,
    JobNotFoundError,
    Problem,
    ScheduleVersionError,
    UnsupportedOperationError,
    UpstreamUnavailableError,
)
from host.model.schedules import JobSchedule, ScheduleEntry
from host.santedb.ami.json_form import write_json
from host.santedb.ami.schedules import SENDABLE, UNSENDABLE, read_schedules, send_schedules
from host.santedb.ami.values import AmiJob, AmiSchedule
from host.triggers import check_schedule
from host_upstream.link import UpstreamLink
from host_upstream.santedb.client import AmiClient
from host_upstream.santedb.listing import SOURCE
from host_upstream.santedb.refusals import unsupported
from host_upstream.settings import UpstreamSettings

logger = structlog.get_logger(__name__)


class AmiScheduleManager(JobScheduleManager):
    """Reads and replaces the schedules of the upstream's jobs.

    Every job of the upstream has an entry, an empty one without schedules: AMI does not tell cleared from never set.
    A job may be named by its id or name, too. A version is a digest of what the upstream tells.
    """

    lacks = frozenset({"remove", *(f"replace.{option}" for option in UNSENDABLE)})

    def __init__(
        self, link: UpstreamLink, settings: UpstreamSettings, clock: Clock, *, client: AmiClient | None = None
    ) -> None:
        """Take what reaches the upstream; providers that share a ``client`` see each other's changes at once."""
        self._client = client or AmiClient(link, settings, clock)

    async def all(self) -> Sequence[ScheduleEntry]:
        """Give the entry of every job, by name; a job whose schedules cannot be read is logged and left out."""
        listing = await self._client.present()
        entries = []
        for info in listing.by_name:
            try:
                entries.append(entry_of(info.job_type, listing.jobs[info.id]))
            except InvalidScheduleError as error:
                logger.warning("schedules of the upstream cannot be read", job_id=str(info.id), reason=str(error))
        return entries

    async def get(self, job_type: str) -> ScheduleEntry | None:
        """Give a job's entry; None without such a job. Raises InvalidScheduleError for schedules that make no sense."""
        listing = await self._client.present()
        try:
            info = listing.find(job_type)
        except JobNotFoundError:
            return None
        return entry_of(info.job_type, listing.jobs[info.id])

    async def replace(
        self, job_type: str, schedules: Sequence[JobSchedule], *, expected_version: str | None = None
    ) -> ScheduleEntry:
        """Replace a job's schedules, which AMI takes as one list; gives them as the upstream then tells them.

        The version is compared with what was read just before: between that and the writing somebody else may change
        them too, and is then overwritten. Raises JobNotFoundError; UnsupportedOperationError for schedules that AMI
        has no words for, and where the upstream kept others than were sent: a SanteDB server with its schedules in the
        database keeps one a job.
        """
        for schedule in schedules:
            check_schedule(schedule, default_timezone="UTC")
        sent = send_schedules(schedules)
        async with self._client.scheduling:
            _, info = await self._client.find(job_type)
            job = await self._client.job(info.id)
            version = _version(job)
            if expected_version is not None and expected_version != version:
                raise ScheduleVersionError(
                    f"the schedules of {info.name!r} were changed at the upstream meanwhile", hint="read them again"
                )
            if not _is_same(sent, job):
                await self._client.put(info.id, msgspec.structs.replace(job, schedule=sent))
                job = await self._written(info.id, job, sent)
            return entry_of(info.job_type, job)

    async def clear(self, job_type: str, *, expected_version: str | None = None) -> ScheduleEntry:
        """Take all schedules from a job; as ``replace`` by none."""
        return await self.replace(job_type, (), expected_version=expected_version)

    async def remove(self, job_type: str, *, expected_version: str | None = None) -> bool:
        """Refuse: a job of the upstream has no fallback that could come into force again."""
        raise unsupported("forget a job's schedules", "clear them")

    async def _written(self, job_id: UUID, before: AmiJob, sent: tuple[AmiSchedule, ...]) -> AmiJob:
        """Give the job as it is after its schedules were written, which the upstream has acknowledged."""
        try:
            job = await self._client.job(job_id)
        except UpstreamUnavailableError:
            return msgspec.structs.replace(before, schedule=sent)
        kept = read_schedules(job.schedule or (), at_most=len(job.schedule or ()))
        wanted = read_schedules(sent)
        if len(kept) != len(wanted) or not all(map(_is_kept, wanted, kept)):
            problems = [Problem(message=f"kept is {each}") for each in job.schedule or ()]
            message = f"the upstream kept {len(kept)} schedules, not the {len(wanted)} that were sent"
            raise UnsupportedOperationError(message, where=str(job_id), hint=SENDABLE, problems=problems)
        return job


def entry_of(job_type: str, job: AmiJob) -> ScheduleEntry:
    """Give the schedules of a job as an entry; raises InvalidScheduleError for one that makes no sense here."""
    given = job.schedule or ()
    schedules = read_schedules(given, at_most=len(given))
    return ScheduleEntry(job_type=job_type, schedules=schedules, version=_version(job), source=SOURCE)


def _version(job: AmiJob) -> str:
    told = write_json(AmiJob(schedule=job.schedule or ()))
    return sha256(told).hexdigest()[:16]


def _is_same(sent: Sequence[AmiSchedule], job: AmiJob) -> bool:
    try:
        return read_schedules(sent) == read_schedules(job.schedule or (), at_most=len(job.schedule or ()))
    except InvalidScheduleError:
        return False  # what is there cannot be read, and is to be replaced


def _is_kept(wanted: JobSchedule, kept: JobSchedule) -> bool:
    """Say whether a schedule came back as it was sent; SanteDB may give wall time an offset, which proves nothing."""
    return (
        replace(wanted, start=None, stop=None) == replace(kept, start=None, stop=None)
        and _may_be_equal(wanted.start, kept.start)
        and _may_be_equal(wanted.stop, kept.stop)
    )


def _may_be_equal(wanted: datetime | None, kept: datetime | None) -> bool:
    if wanted is None or kept is None:
        return wanted is kept
    is_comparable = (wanted.tzinfo is None) == (kept.tzinfo is None)
    return wanted == kept if is_comparable else True
