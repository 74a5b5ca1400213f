"""A run store at hand for tests: plain calls, made-up requests, time and crashes at will."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID, uuid4, uuid5

from host.contracts.contract import Service
from host.contracts.runs import JobRunClaimer, JobRunReader, JobRunWriter
from host.model.runs import (
    CancelResult,
    Claim,
    ClaimedRun,
    JobRun,
    RunOutcome,
    RunRequest,
    RunSignal,
    RunState,
    RunUpdate,
    SignalKind,
)

T = TypeVar("T")

JOB = UUID("6f0cf5a6-90ff-44a5-94a8-5b3f1b1b9c01")
JOB_TYPE = "jobs:One"
SECOND = timedelta(seconds=1)


class RunStore(JobRunReader, JobRunWriter, JobRunClaimer):
    """A store that offers all three parts."""


NewRuns = Callable[[], RunStore]
NewPlace = Callable[[], NewRuns]
Advance = Callable[[float], Awaitable[None]]


def job_id(name: str) -> UUID:
    """Give the id of a made-up job."""
    return uuid5(JOB, name)


def later(store: RunStore) -> RunStore:
    """Let ``submit``, ``fire`` and ``claim`` of this store begin only when awaited: a desk calls outside the loop."""

    def begins_when_awaited(method: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
        async def call(*arguments: object, **options: object) -> object:
            return await method(*arguments, **options)

        return call

    for name in ("submit", "fire", "claim"):
        setattr(store, name, begins_when_awaited(getattr(store, name)))
    return store


class Desk:
    """Holds one incarnation of a store at a time; every call runs to its end."""

    def __init__(self, new_runs: NewRuns, advance: Advance, *, lease_seconds: float = 0) -> None:
        self._new_runs = new_runs
        self._advance = advance
        self.crash_seconds = lease_seconds + 1
        """How much time passes in a crash."""
        self._runner = asyncio.Runner()
        self.types: frozenset[str] = frozenset({JOB_TYPE, "jobs:Two"})
        self.store = later(new_runs())

    def __enter__(self) -> Self:
        """Start the store."""
        try:
            self(self._start())
        except BaseException:
            self._runner.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the store."""
        try:
            self(self._stop())
        finally:
            self._runner.close()

    def __call__(self, work: Awaitable[T]) -> T:
        """Do one call."""

        async def wait() -> T:
            return await work

        return self._runner.run(wait())

    def crash(self, *, isolating: Collection[str] = ()) -> Sequence[JobRun]:
        """Let the node die without a word, let another take over and rescue; gives what that found."""
        self(self._stop())
        self.store = later(self._new_runs())
        self(self._start())
        self.advance(self.crash_seconds)
        return self(self.store.rescue(isolating=isolating))

    def advance(self, seconds: float) -> None:
        """Let time pass for the store."""

        async def pass_time() -> None:
            await self._advance(seconds)

        self(pass_time())

    def submit(self, *requests: RunRequest) -> list[UUID]:
        """Submit requests."""
        return list(self(self.store.submit(requests)))

    def add(self, **fields: object) -> UUID:
        """Submit one request of the usual job with these fields."""
        return self.submit(request(**fields))[0]

    def claim(self, slots: int | Mapping[str, int] = 100, *, after: str | None = None, alone_from: int = 1) -> Claim:
        """Claim for the executor ``loop``, or as given."""
        free = {"loop": slots} if isinstance(slots, int) else slots
        return self(self.store.claim(free, self.types, after_tenant=after, alone_from=alone_from))

    def claim_one(self) -> ClaimedRun:
        """Claim the one run that is due."""
        (run,) = self.claim().runs
        return run

    def start(self, run: ClaimedRun) -> None:
        """Report that the run's code has started."""
        assert not self.report(run, started_at=run.claimed_at + SECOND)

    def report(self, run: ClaimedRun, **fields: object) -> list[SignalKind]:
        """Report on a claim; gives what the store tells about it."""
        known: dict[str, Any] = fields
        signals = self(self.store.update([RunUpdate(id=run.id, fencing_token=run.fencing_token, **known)]))
        assert {signal.id for signal in signals} <= {run.id}
        return [signal.kind for signal in signals]

    def finish(self, run: ClaimedRun, state: RunState = RunState.COMPLETED, **fields: object) -> bool:
        """Record an outcome, by default of code that started; say whether it was taken."""
        signals = self(self.store.finish([self.outcome(run, state, **fields)]))
        assert all(signal == RunSignal(id=run.id, kind=SignalKind.LOST) for signal in signals)
        return not signals

    def outcome(self, run: ClaimedRun, state: RunState = RunState.COMPLETED, **fields: object) -> RunOutcome:
        """Give an outcome of code that started."""
        known: dict[str, Any] = {"started_at": run.claimed_at + SECOND, **fields}
        return RunOutcome(id=run.id, fencing_token=run.fencing_token, state=state, **known)

    def cancel(self, *run_ids: UUID, by: str | None = "somebody") -> list[CancelResult]:
        """Ask to cancel runs."""
        return list(self(self.store.request_cancel(run_ids, by=by)))

    def now(self) -> datetime:
        """Give the store's own present instant."""
        schedule = uuid4()
        return self(self.store.adopt({schedule: "now"}))[schedule].effective_from

    def after(self, seconds: float) -> datetime:
        """Give an instant by the store's own clock."""
        return self.now() + timedelta(seconds=seconds)

    def run(self, run_id: UUID) -> JobRun:
        """Read one run that must be there."""
        found = self(self.store.run(run_id))
        assert found is not None
        return found

    def states(self, *run_ids: UUID) -> list[RunState]:
        """Read the states of runs, in order."""
        return [self.run(run_id).state for run_id in run_ids]

    async def _start(self) -> None:
        if isinstance(self.store, Service):
            await self.store.start()

    async def _stop(self) -> None:
        if isinstance(self.store, Service):
            await self.store.stop()


def request(**fields: object) -> RunRequest:
    """Give a request of the usual job with these fields."""
    known: dict[str, Any] = fields
    return replace(RunRequest(job_id=JOB, job_type=JOB_TYPE), **known)
