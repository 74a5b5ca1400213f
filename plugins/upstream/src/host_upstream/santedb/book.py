"""The runs that a SanteDB server shows, numbered by their changes as this host sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from host.contracts.clock import Clock
from host.model.jobs import JobInfo
from host.model.runs import JobRun
from host.santedb.ami.values import AmiJob
from host_upstream.santedb.listing import JobListing
from host_upstream.santedb.runs import run_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class RunBook:
    """The latest run of each job as last read, each with the number of the change that made it so.

    Numbers are microseconds of the epoch, and grow: one who remembers a number of this host's life before is told of
    every run once more, never of one less.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._number = 0
        """Of the reading that was last written down."""
        self._change = 0
        self._told: dict[UUID, AmiJob] = {}
        self._runs: dict[UUID, JobRun] = {}

    @property
    def runs(self) -> Sequence[JobRun]:
        """Give all runs, in no order."""
        return tuple(self._runs.values())

    def write(self, listing: JobListing) -> None:
        """Take down what a reading told; an older one than the last tells nothing."""
        if listing.number <= self._number:
            return
        self._number = listing.number
        for gone in self._runs.keys() - listing.jobs.keys():
            del self._runs[gone]
        now = self._clock.now()
        changed = [
            run
            for identity, job in listing.jobs.items()
            if job != self._told.get(identity) and (run := self._changed(listing.infos[identity], job, now))
        ]
        self._told = dict(listing.jobs)
        for run in sorted(changed, key=lambda each: each.updated_at):
            self._change = max(self._change + 1, (now - _EPOCH) // _MICROSECOND)
            self._runs[run.job_id] = replace(run, change=self._change, updated_at=now)

    def _changed(self, info: JobInfo, job: AmiJob, now: datetime) -> JobRun | None:
        """Give the job's run if it is another one, or another in anything, than it was."""
        run = run_of(info, job, seen_at=now)
        known = self._runs.get(info.id)
        if run is None:
            self._runs.pop(info.id, None)
            return None
        if known is None or known.id != run.id:
            return run
        run = replace(run, created_at=known.created_at)
        is_equal = run == replace(known, change=run.change, updated_at=run.updated_at)
        return None if is_equal else run
