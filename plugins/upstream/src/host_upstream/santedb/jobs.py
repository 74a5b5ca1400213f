"""SanteDB's job manager over AMI: what its own upstream manager does, without that one's limits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from host.contracts.clock import Clock
from host.contracts.jobs import JobManagerService
from host.errors import InvalidRequestError, JobNotFoundError, JobRegisteredError
from host.model.jobs import JobInfo, JobStartType
from host.model.json import JsonObject, JsonValue
from host.model.parameters import check_parameters
from host.model.runs import CancelResult, JobRun
from host.model.schedules import JobSchedule, ScheduleEntry
from host.santedb.ami.schedules import UNSENDABLE
from host.santedb.ami.values import AmiJob, AmiJobParameter
from host.santedb.types import normalise_type
from host_upstream.link import UpstreamLink
from host_upstream.santedb.cancelling import cancel_job
from host_upstream.santedb.client import AmiClient
from host_upstream.santedb.listing import by_name, candidate_of
from host_upstream.santedb.refusals import unsupported
from host_upstream.santedb.schedules import AmiScheduleManager, entry_of
from host_upstream.settings import UpstreamSettings


class AmiJobManager(JobManagerService):
    """The jobs of a SanteDB server.

    A job is its id: the server tells no class of it, so that its type here is ``santedb:<id>`` unless the upstream is
    one that does tell. Readings may be as old as ``settings.cache``, but not older than the last change made here.
    """

    lacks = frozenset({"add_job", *(f"set_job_schedule.{option}" for option in UNSENDABLE)})

    def __init__(
        self, link: UpstreamLink, settings: UpstreamSettings, clock: Clock, *, client: AmiClient | None = None
    ) -> None:
        """Take what reaches the upstream; providers that share a ``client`` see each other's changes at once."""
        self._client = client or AmiClient(link, settings, clock)
        self._schedules = AmiScheduleManager(link, settings, clock, client=self._client)

    async def jobs(self) -> Sequence[JobInfo]:
        """Give all jobs, by name; the same object while the reading is the same."""
        return (await self._client.recent()).by_name

    async def get_available_jobs(self) -> Sequence[JobInfo]:
        """Give the types that may be registered, by name; of each nothing but the name is known."""
        return sorted(map(candidate_of, await self._client.candidates()), key=by_name)

    async def get_job(self, job: str) -> JobInfo:
        """Give one job; raises JobNotFoundError."""
        return (await self._client.find(job))[1]

    async def is_job_registered(self, job: str) -> bool:
        """Say whether the upstream has the job; by class only where it tells classes."""
        try:
            await self._client.find(job)
        except JobNotFoundError:
            return False
        return True

    async def add_job(
        self, job_type: str, *, start_type: JobStartType = JobStartType.SCHEDULE, interval: timedelta | None = None
    ) -> JobInfo:
        """Refuse: AMI registers for good."""
        raise unsupported("register a job for a while", "register it for good")

    async def register_job(self, job_type: str) -> JobInfo:
        """Register a type that the upstream offers, for good; SanteDB then asks its operator to restart it.

        Raises JobRegisteredError where the upstream tells that the job is, else JobNotFoundError: SanteDB does not
        tell a type that is registered from one that does not exist.
        """
        offered = await self._offered(job_type)
        before = await self._client.present()
        job = await self._client.register(offered)
        listing = await self._client.present()
        if job is not None and job.id is not None:
            return listing.find(job.id)
        new = [info for identity, info in listing.infos.items() if identity not in before.infos]
        if len(new) == 1:
            return new[0]
        hint = "jobhost jobs list shows those there are"
        raise JobNotFoundError(f"{offered!r} is registered, but the upstream does not tell as which job", hint=hint)

    async def start_job(
        self, job: str, parameters: JsonObject | Sequence[JsonValue] = (), *, by: str | None = None
    ) -> JobRun | None:
        """Start a job, values by name or by position; None, since AMI does not tell which run came of it.

        SanteDB takes values by position: with any, each declared parameter has its place, and without a value none.
        Asked once: after a fault nobody knows whether the upstream heard it. SanteDB does not look whether the job
        runs already.
        """
        listing, info = await self._client.find(job)
        values = check_parameters(info, parameters)
        await self._client.start(info.id, _arguments(listing.jobs[info.id], values) if parameters else (), by=by)
        return None

    async def cancel_job(self, job: str, *, by: str | None = None) -> Sequence[CancelResult]:
        """Ask the job to stop; tells of the one run that AMI shows, if that is unfinished.

        Raises RunStateError for a job that says it cannot be cancelled, about which SanteDB keeps silent.
        """
        _, info = await self._client.find(job)
        result = await cancel_job(self._client, info, by=by)
        return () if result is None else (result,)

    async def get_job_schedules(self, job: str) -> ScheduleEntry:
        """Give the job's schedules; raises InvalidScheduleError if they make no sense here."""
        listing, info = await self._client.find(job)
        return entry_of(info.job_type, listing.jobs[info.id])

    async def set_job_schedule(
        self, job: str, schedules: Sequence[JobSchedule], *, expected_version: str | None = None
    ) -> ScheduleEntry:
        """Replace the job's schedules; as ``AmiScheduleManager.replace``."""
        return await self._schedules.replace(job, schedules, expected_version=expected_version)

    async def clear_job_schedule(self, job: str, *, expected_version: str | None = None) -> ScheduleEntry:
        """Take all schedules from the job."""
        return await self._schedules.clear(job, expected_version=expected_version)

    async def _offered(self, job_type: str) -> str:
        """Give the type to register, found by type or by unambiguous class name."""
        wanted = normalise_type(job_type)
        if not wanted:
            raise InvalidRequestError("no type to register is named", hint="jobhost jobs available lists them")
        offered = {info.job_type: info for info in await self.get_available_jobs()}
        named = [each for each, info in offered.items() if wanted == each or wanted.casefold() == info.name.casefold()]
        if len(named) == 1 or wanted in named:
            return wanted if wanted in named else named[0]
        if named:
            raise JobNotFoundError(f"{len(named)} types are called {job_type!r}", hint=f"say which: {', '.join(named)}")
        if await self.is_job_registered(wanted):
            raise JobRegisteredError(f"job {wanted!r} is registered already", where=wanted)
        hint = "it does not exist there, or is registered: SanteDB does not tell the classes of registered jobs"
        raise JobNotFoundError(f"the upstream offers no job {job_type[:200]!r} to register", hint=hint)


def _arguments(job: AmiJob, values: JsonObject) -> Sequence[AmiJobParameter]:
    return [AmiJobParameter(key=each.key, value=values.get(each.key), type=each.type) for each in job.parameters or ()]
