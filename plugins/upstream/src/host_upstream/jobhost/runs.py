"""The upstream's runs, always as they are there now."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from host.contracts.runs import JobRunReader
from host.errors import InvalidRequestError, RunNotFoundError
from host.model.runs import JobRun, RunCounters, RunFilter, RunPage, RunState
from host.model.statistics import JobStatistics
from host_upstream.jobhost.client import JobhostClient

MOST_JOBS = 200
"""Asked about at once."""
MOST_COUNTED = 10_000
"""Jobs whose statistics are asked for at once."""
MOST_CHANGES = 1000
CUT_BYTES = 1024 * 1024
"""A page of changes that is smaller than this has not been cut off for its size."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changes:
    runs: tuple[JobRun, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Latest:
    runs: tuple[JobRun, ...]
    is_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Streak:
    job_id: UUID
    failing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Streaks:
    streaks: tuple[_Streak, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Statistics:
    entries: tuple[JobStatistics, ...]
    next_after: UUID | None


class RestRunReader(JobRunReader):
    """Runs of a jobhost; secret parameters are shown as ``***``."""

    def __init__(self, client: JobhostClient) -> None:
        self._client = client

    async def run(self, run_id: UUID) -> JobRun | None:
        """Give one run, or None."""
        return await self._client.find(f"/runs/{run_id}", JobRun, missing=RunNotFoundError.code)

    async def runs(self, where: RunFilter | None = None, *, cursor: str | None = None, limit: int = 50) -> RunPage:
        """List runs, newest first; a page may be short where runs are large."""
        query = [("limit", str(limit)), *_narrowing(where or RunFilter())]
        if cursor is not None:
            query.append(("cursor", cursor))
        return await self._client.get("/runs", RunPage, tuple(query))

    async def latest(self, job_ids: Collection[UUID], states: Collection[RunState] = ()) -> Mapping[UUID, JobRun]:
        """Give the newest run of each of these jobs, among the ``states`` if any are named."""
        found: dict[UUID, JobRun] = {}
        for some in _portions(job_ids, MOST_JOBS):
            wanted: Sequence[UUID] = some
            while wanted:
                body = {"jobs": wanted, "states": sorted(set(states))}
                page = await self._client.ask("/latest-runs", _Latest, body)
                found.update((run.job_id, run) for run in page.runs)
                wanted = [job for job in wanted if job not in found] if page.is_more and page.runs else ()
        return found

    async def counters(self) -> RunCounters:
        """Count unfinished runs by state, up to a limit the upstream's store sets."""
        return await self._client.get("/counters", RunCounters)

    async def changes(self, after: int, *, limit: int = 500) -> Sequence[JobRun]:
        """Give the runs changed since a change number, by change number."""
        if limit < 1:
            raise InvalidRequestError(f"{limit} changes cannot be had", hint="ask for 1 or more")
        found: list[JobRun] = []
        while True:
            asked = min(limit - len(found), MOST_CHANGES)
            query = (("after", str(after)), ("limit", str(asked)))
            page, size = await self._client.sized("/changes", _Changes, query)
            found += page.runs
            is_whole = len(page.runs) < asked and size < CUT_BYTES
            if after < 0 or not page.runs or is_whole or len(found) == limit:
                return found
            after = page.runs[-1].change

    async def statistics(
        self,
        job_ids: Collection[UUID] = (),
        *,
        since: datetime,
        until: datetime | None = None,
        step: timedelta | None = None,
    ) -> Sequence[JobStatistics]:
        """Give what became of the runs that finished in ``[since, until)``, by job."""
        asked = {"since": _utc(since), "until": until and _utc(until), "step": step}
        found: list[JobStatistics] = []
        for some in _portions(job_ids, MOST_COUNTED) if job_ids else [()]:
            after: UUID | None = None
            while True:
                page = await self._client.ask("/job-statistics", _Statistics, {**asked, "jobs": some, "after": after})
                found += page.entries
                after = page.next_after
                if after is None:
                    break
        return found

    async def failing(self, job_ids: Collection[UUID], *, at_most: int = 100) -> Mapping[UUID, int]:
        """Give how many runs of each job in a row have failed or were quarantined."""
        found: dict[UUID, int] = {}
        for some in _portions(job_ids, MOST_JOBS):
            page = await self._client.ask("/failure-streaks", _Streaks, {"jobs": some, "at_most": at_most})
            found.update((streak.job_id, streak.failing) for streak in page.streaks)
        return found


def _narrowing(where: RunFilter) -> list[tuple[str, str]]:
    members = {
        "job": where.job_id,
        "tenant": where.tenant,
        "schedule_id": where.schedule_id,
        "created_from": where.created_from and _utc(where.created_from),
        "created_until": where.created_until and _utc(where.created_until),
        "text": where.text or None,
    }
    states = [("state", state.value) for state in sorted(where.states)]
    return states + [(name, str(value)) for name, value in members.items() if value is not None]


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _portions(items: Collection[T], number: int) -> Iterator[Sequence[T]]:
    listed = list(dict.fromkeys(items))
    for begin in range(0, len(listed), number):
        yield listed[begin : begin + number]
