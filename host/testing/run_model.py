"""The run row in as few lines as it takes to say it: what every run store must agree with, step by step."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from uuid import UUID

from host.model.jobs import OverlapPolicy, RecoveryPolicy
from host.model.runs import FINAL_STATES, MAX_CRASHES, TRANSITIONS, RunReason, RunRequest, RunState

S = RunState
_IDS = count(1)


@dataclass(slots=True)
class ModelRun:
    """One row; ``number`` is its place in the order of acceptance."""

    request: RunRequest
    number: int
    due: float
    state: RunState | None = None
    reason: RunReason | None = None
    attempt: int = 0
    crashes: int = 0
    token: int = 0
    cancel: bool = False
    finished: float | None = None

    @property
    def holds(self) -> bool:
        """Say whether it keeps its key from others: active, or between attempts."""
        return self.state not in FINAL_STATES and (self.state in (S.STARTING, S.RUNNING) or self.attempt + self.crashes > 0)


@dataclass(slots=True)
class RunModel:
    """All rows. Time is a number of seconds; ``expires`` and ``delay`` count from the submission."""

    now: float = 0
    runs: dict[UUID, ModelRun] = field(default_factory=dict)

    def move(self, run: ModelRun, state: RunState, reason: RunReason | None) -> None:
        """Change a state, by the one table of legal changes."""
        assert state in TRANSITIONS[run.state], f"{run.state} -> {state}"
        run.state, run.reason = state, reason
        run.finished = self.now if state in FINAL_STATES else None

    def submit(self, identity: UUID, request: RunRequest, *, delay: float = 0) -> None:
        """Accept a run, superseding those of its key if its policy says so."""
        if request.overlap is OverlapPolicy.CANCEL_RUNNING and request.exclusive_key:
            for other in self._of_key(request.exclusive_key):
                self.cancel(other, RunReason.SUPERSEDED)
        run = ModelRun(request, next(_IDS), self.now + delay)
        self.move(run, S.PENDING if request.hold else S.SCHEDULED if delay > 0 else S.QUEUED, None)
        self.runs[identity] = run

    def cancel(self, run: ModelRun, reason: RunReason = RunReason.REQUESTED) -> None:
        """Cancel what waits, ask what is active."""
        if run.state in (S.PENDING, S.SCHEDULED, S.QUEUED):
            self.move(run, S.CANCELLED, reason)
        elif run.state not in FINAL_STATES:
            run.cancel = True

    def claim(self, slots: int) -> list[UUID]:
        """Promote what is due, take the best, skip what overlaps."""
        for run in self.runs.values():
            if run.state is S.SCHEDULED and run.due <= self.now:
                self.move(run, S.QUEUED, run.reason)
        free = [run for run in self.runs.values() if run.state is S.QUEUED and self._is_first(run)]
        taken = sorted(free, key=lambda run: (-run.request.priority, run.due, run.number))[:slots]
        for run in taken:
            self.move(run, S.STARTING, None)
            run.attempt, run.token = run.attempt + 1, run.token + 1
        for run in [run for run in self.runs.values() if run.state is S.QUEUED and not run.holds]:
            others = self._of_key(run.request.exclusive_key)
            if run.request.overlap is OverlapPolicy.SKIP and any(other.holds for other in others):
                self.move(run, S.SKIPPED, RunReason.OVERLAP)
        return [identity for run in taken for identity, other in self.runs.items() if other is run]

    def finish(self, run: ModelRun, token: int, state: RunState, *, is_started: bool, delay: float = 0) -> bool:
        """Record an outcome; False if it is refused."""
        if run.state not in (S.STARTING, S.RUNNING) or token != run.token:
            return False
        if run.cancel and state in (S.COMPLETED, S.SCHEDULED, S.QUEUED):
            state = S.CANCELLED
        source = S.RUNNING if is_started else run.state
        if state not in TRANSITIONS[source]:
            return False
        run.state = source
        self.move(run, state, RunReason.REQUESTED if state is S.CANCELLED else None)
        run.attempt -= state is S.QUEUED
        run.due = self.now + delay if state is S.SCHEDULED else run.due
        return True

    def rescue(self) -> None:
        """End every claim: its node is gone."""
        for run in [run for run in self.runs.values() if run.state in (S.STARTING, S.RUNNING)]:
            run.attempt, run.crashes = run.attempt - 1, run.crashes + 1
            if run.request.recovery is RecoveryPolicy.FAIL:
                self.move(run, S.FAILED, RunReason.LOST)
            elif run.cancel:
                self.move(run, S.CANCELLED, RunReason.REQUESTED)
            elif run.crashes >= MAX_CRASHES:
                self.move(run, S.QUARANTINED, RunReason.CRASHES)
            else:
                self.move(run, S.QUEUED, RunReason.RECOVERED)

    def prune(self, before: float) -> None:
        """Delete what finished before."""
        gone = [key for key, run in self.runs.items() if run.finished is not None and run.finished < before]
        for key in gone:
            del self.runs[key]

    def _of_key(self, key: str | None) -> list[ModelRun]:
        return [run for run in self.runs.values() if key and run.request.exclusive_key == key]

    def _is_first(self, run: ModelRun) -> bool:
        """Say whether no run of its key is active and it is the oldest due one, or the one between attempts."""
        others = [other for other in self._of_key(run.request.exclusive_key) if other is not run]
        if run.holds or not any(other.holds for other in others):
            due = [other for other in others if other.state is S.QUEUED]
            return run.holds or all((run.due, run.number) < (other.due, other.number) for other in due)
        return False
