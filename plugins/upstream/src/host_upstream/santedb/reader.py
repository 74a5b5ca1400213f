"""Reading runs of a SanteDB server, which shows of each job the latest alone."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from host.contracts.clock import Clock
from host.contracts.runs import JobRunReader
from host.errors import InvalidRequestError
from host.model.runs import FINAL_STATES, JobRun, RunCounters, RunFilter, RunPage, RunState
from host.model.statistics import JobStatistics
from host_upstream.link import UpstreamLink
from host_upstream.santedb.book import RunBook
from host_upstream.santedb.client import AmiClient
from host_upstream.santedb.refusals import unsupported
from host_upstream.settings import UpstreamSettings

MOST_AT_ONCE = 1000
_CURSOR = re.compile(r"s(-?\d{1,18})\.([0-9a-f]{32})", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class AmiRunReader(JobRunReader):
    """The latest run of each job, as SanteDB's JobInfo tells it: state, start, finish, progress, status.

    There is no history: a run is gone when the job's next one begins, and one that began and ended between two
    readings was never here. What JobInfo does not tell has the value of a run nobody said anything of: no parameters,
    no schedule, one attempt. Each reading asks the upstream; readings at the same time share one request.
    """

    lacks = frozenset({"statistics", "failing"})

    def __init__(
        self, link: UpstreamLink, settings: UpstreamSettings, clock: Clock, *, client: AmiClient | None = None
    ) -> None:
        """Take what reaches the upstream; providers that share a ``client`` share its requests."""
        self._client = client or AmiClient(link, settings, clock)
        self._book = RunBook(clock)

    async def run(self, run_id: UUID) -> JobRun | None:
        """Give the run; None if it is not the latest of its job any more."""
        return next((run for run in await self._read() if run.id == run_id), None)

    async def runs(self, where: RunFilter | None = None, *, cursor: str | None = None, limit: int = 50) -> RunPage:
        """List the latest run of each job, the one that began last first."""
        if not 1 <= limit <= MOST_AT_ONCE:
            raise InvalidRequestError(f"limit is {limit}; expected 1 to {MOST_AT_ONCE}")
        after = None if cursor is None else _read_cursor(cursor)
        if where is not None and where.schedule_id is not None:
            return RunPage(runs=(), next_cursor=None)  # AMI tells of no run which schedule caused it
        found = sorted((run for run in await self._read() if _passes(run, where)), key=_place, reverse=True)
        rest = found if after is None else [run for run in found if _place(run) < after]
        page = tuple(rest[:limit])
        return RunPage(runs=page, next_cursor=_write_cursor(page[-1]) if len(rest) > limit else None)

    async def latest(self, job_ids: Collection[UUID], states: Collection[RunState] = ()) -> Mapping[UUID, JobRun]:
        """Give the latest run of each of these jobs, if it is in one of the ``states``: an earlier one is not known."""
        wanted, allowed = set(job_ids), set(states) or set(RunState)
        return {run.job_id: run for run in await self._read() if run.job_id in wanted and run.state in allowed}

    async def counters(self) -> RunCounters:
        """Count the jobs that are starting or running; what waits at the upstream is not shown."""
        counts = dict.fromkeys(sorted(frozenset(RunState) - FINAL_STATES), 0)
        for run in await self._read():
            if run.state in counts:
                counts[run.state] += 1
        return RunCounters(by_state=counts)

    async def changes(self, after: int, *, limit: int = 500) -> Sequence[JobRun]:
        """Give the runs that this host saw change since; what happened between two readings shows as one change."""
        runs = sorted(await self._read(), key=lambda run: run.change)
        if after < 0:
            return runs[-1:]
        return [run for run in runs if run.change > after][:limit]

    async def statistics(
        self,
        job_ids: Collection[UUID] = (),
        *,
        since: datetime,
        until: datetime | None = None,
        step: timedelta | None = None,
    ) -> Sequence[JobStatistics]:
        """Refuse: one run of each job is not enough to count."""
        raise unsupported("tell what became of earlier runs", "look at the latest run of each job")

    async def failing(self, job_ids: Collection[UUID], *, at_most: int = 100) -> Mapping[UUID, int]:
        """Refuse: how many failed before the latest is not known."""
        raise unsupported("tell how often a job failed in a row", "look at the latest run of each job")

    async def _read(self) -> Sequence[JobRun]:
        self._book.write(await self._client.present())
        return self._book.runs


def _passes(run: JobRun, where: RunFilter | None) -> bool:
    if where is None:
        return True
    text = None if where.text is None else where.text.casefold()
    return (
        (where.job_id is None or run.job_id == where.job_id)
        and (not where.states or run.state in where.states)
        and (where.tenant is None or run.tenant == where.tenant)
        and (where.created_from is None or run.created_at >= where.created_from)
        and (where.created_until is None or run.created_at < where.created_until)
        and (text is None or any(text in each.casefold() for each in (run.status_text or "", run.job_type)))
    )


def _place(run: JobRun) -> tuple[int, str]:
    return (run.created_at - _EPOCH) // _MICROSECOND, run.id.hex


def _write_cursor(run: JobRun) -> str:
    at, identity = _place(run)
    return f"s{at}.{identity}"


def _read_cursor(cursor: str) -> tuple[int, str]:
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise InvalidRequestError(f"{cursor[:80]!r} is no cursor of this listing", hint="begin without one")
    return int(found[1]), found[2]
