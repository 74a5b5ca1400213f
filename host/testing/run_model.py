"""The run row in as few lines as it takes to say it: what every run store must agree with, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from uuid import UUID

from host.model.jobs import OverlapPolicy, RecoveryPolicy
from host.model.runs import ACTIVE_STATES, FINAL_STATES, MAX_CRASHES, MAX_FORGIVEN, TRANSITIONS, RunRequest, RunState

S = RunState


@dataclass(slots=True)
class ModelRun:
    """One row; ``number`` is its place in the order of acceptance."""

    request: RunRequest
    number: int
    due: float
    state: RunState | None = None
    attempt: int = 0
    crashes: int = 0
    forgiven: int = 0
    token: int = 0
    is_cancel_asked: bool = False
    is_snoozed: bool = False
    finished: float = 0

    @property
    def is_active(self) -> bool:
        """Say whether a node works on it."""
        return self.state in ACTIVE_STATES

    @property
    def holds_key(self) -> bool:
        """Say whether it keeps others of its key waiting: active, between attempts, or put off by itself."""
        has_begun = self.is_active or self.is_snoozed or self.attempt + self.crashes > 0
        return self.state not in FINAL_STATES and has_begun


@dataclass(slots=True)
class RunModel:
    """All rows; time is a number of seconds."""

    now: float = 0
    runs: dict[UUID, ModelRun] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=count)

    def submit(self, identity: UUID, request: RunRequest, *, delay: float = 0) -> None:
        """Accept a run, superseding those of its key if its policy says so."""
        if request.overlap is OverlapPolicy.CANCEL_RUNNING:
            for other in self._of_key(request.exclusive_key):
                self.cancel(other)
        run = self.runs[identity] = ModelRun(request, next(self.numbers), self.now + delay)
        self._move(run, S.PENDING if request.hold else self._first(run))

    def release(self, run: ModelRun) -> None:
        """Let a PENDING run go."""
        run.due = max(run.due, self.now)
        self._move(run, self._first(run))

    def cancel(self, run: ModelRun) -> None:
        """Cancel what waits, ask what is active."""
        if run.is_active:
            run.is_cancel_asked = True
        elif run.state not in FINAL_STATES:
            self._move(run, S.CANCELLED)

    def claim(self, slots: int, *, alone_from: int = 1) -> list[ModelRun]:
        """Promote what is due, take the best or one suspect, skip what overlaps; gives what was taken, in order."""
        for run in self._in(S.SCHEDULED):
            if run.due <= self.now:
                self._move(run, S.QUEUED)
        free = [run for run in self._in(S.QUEUED) if self._may_start(run)]
        suspects = [run for run in free if run.crashes >= alone_from]
        if suspects:
            taken = [min(suspects, key=lambda run: (run.crashes, run.due, run.number))]
        else:
            taken = sorted(free, key=lambda run: (-run.request.priority, run.due, run.number))[:slots]
        for run in taken:
            self._move(run, S.STARTING)
            run.attempt, run.token, run.is_snoozed = run.attempt + 1, run.token + 1, False
        for run in self._in(S.QUEUED):
            is_held = any(other.holds_key for other in self._of_key(run.request.exclusive_key) if other is not run)
            if is_held and run.request.overlap is OverlapPolicy.SKIP:
                self._move(run, S.SKIPPED)
        return taken

    def finish(
        self,
        run: ModelRun,
        token: int,
        state: RunState,
        *,
        is_started: bool,
        delay: float = 0,
        is_crash: bool = False,
        is_snoozed: bool = False,
        is_recovered: bool = False,
    ) -> bool:
        """Record an outcome; False if it is refused."""
        if not run.is_active or token != run.token:
            return False
        if run.is_cancel_asked and state in (S.COMPLETED, S.SCHEDULED, S.QUEUED):
            state = S.CANCELLED
        if state not in TRANSITIONS[S.RUNNING if is_started else run.state]:
            return False
        run.state = S.RUNNING if is_started else run.state
        self._move(run, state)
        run.is_snoozed = is_snoozed and state is S.SCHEDULED
        run.attempt -= is_crash or run.is_snoozed or state is S.QUEUED
        run.crashes += is_crash
        run.forgiven += is_recovered and state is S.QUEUED and not is_crash
        run.due = self.now + delay if state is S.SCHEDULED else run.due
        return True

    def rescue(self, *, is_isolated: bool = False) -> None:
        """End every claim: its node is gone."""
        for run in self._in(S.STARTING, S.RUNNING):
            is_forgiven = is_isolated and run.forgiven < MAX_FORGIVEN
            run.attempt, run.forgiven = run.attempt - 1, run.forgiven + is_forgiven
            run.crashes += not is_forgiven
            is_last = S.QUARANTINED if run.crashes >= MAX_CRASHES else S.QUEUED
            again = S.CANCELLED if run.is_cancel_asked else is_last
            self._move(run, S.FAILED if run.request.recovery is RecoveryPolicy.FAIL else again)

    def prune(self, before: float) -> None:
        """Delete what finished before."""
        self.runs = {
            key: run for key, run in self.runs.items() if run.state not in FINAL_STATES or run.finished >= before
        }

    def _move(self, run: ModelRun, state: RunState) -> None:
        assert state in TRANSITIONS[run.state], f"{run.state} to {state}"
        run.state, run.finished = state, self.now

    def _first(self, run: ModelRun) -> RunState:
        return S.SCHEDULED if run.due > self.now else S.QUEUED

    def _in(self, *states: RunState) -> list[ModelRun]:
        return [run for run in self.runs.values() if run.state in states]

    def _of_key(self, key: str | None) -> list[ModelRun]:
        return [run for run in self.runs.values() if key is not None and run.request.exclusive_key == key]

    def _may_start(self, run: ModelRun) -> bool:
        """Say whether it is the run between attempts of its key, or the oldest due one of a key nobody holds."""
        others = [other for other in self._of_key(run.request.exclusive_key) if other is not run]
        due = [other for other in others if other.state is S.QUEUED]
        is_oldest = all((run.due, run.number) < (other.due, other.number) for other in due)
        return run.holds_key or (is_oldest and not any(other.holds_key for other in others))
