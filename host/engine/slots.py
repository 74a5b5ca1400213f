"""Who performs runs here, and how many at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from host.contracts.executors import JobExecutor
from host.contracts.host import ExecutorInfo
from host.engine.context import ActiveRun
from host.engine.tracebacks import format_awaiting


class Slots:
    """Counts the slots that runs hold in each executor."""

    def __init__(self, executors: Sequence[JobExecutor]) -> None:
        self.executors: Mapping[str, JobExecutor] = {executor.name: executor for executor in executors}
        self.isolating = frozenset(name for name, executor in self.executors.items() if executor.isolates)
        """Executors whose calls cannot hurt the host."""
        self._busy = dict.fromkeys(self.executors, 0)
        self._stuck = Counter[str]()
        """Runs that gave up their slot without having ended."""

    def take(self, active: ActiveRun) -> None:
        """Let a run hold a slot of its executor."""
        self._busy[active.executor] += 1

    def give_up(self, active: ActiveRun) -> bool:
        """Let a stuck run's slot go to others; False where as many have given up theirs as the executor has slots.

        Capped, because code that is never heard of again must not make threads without end.
        """
        if self._stuck[active.executor] >= self.executors[active.executor].slots:
            return False
        active.has_slot = False
        self._busy[active.executor] -= 1
        self._stuck[active.executor] += 1
        return True

    def leave(self, active: ActiveRun) -> None:
        """Note that a run has ended."""
        if active.has_slot:
            self._busy[active.executor] -= 1
        else:
            self._stuck[active.executor] -= 1

    def free(self, at_most: int) -> dict[str, int]:
        """Give how many runs more each executor takes, ``at_most`` each; executors that take none are left out."""
        free = {name: min(at_most, executor.slots - self._busy[name]) for name, executor in self.executors.items()}
        return {name: count for name, count in free.items() if count > 0}

    def refuge(self) -> str | None:
        """Give an isolating executor with a free slot; None if there is none."""
        names = (name for name in sorted(self.isolating) if self._busy[name] < self.executors[name].slots)
        return next(names, None)

    def stack(self, active: ActiveRun) -> str | None:
        """Give where the code of a run is now; None where that cannot be seen."""
        stack = self.executors[active.executor].stack(active.run.id)
        return stack or (format_awaiting(active.task) if active.task is not None else None)

    def infos(self) -> Sequence[ExecutorInfo]:
        """Give the executors with their load, in configuration order."""
        return [
            ExecutorInfo(
                name=name,
                busy=self._busy[name],
                slots=executor.slots,
                stuck=self._stuck[name],
                cancel_effect=executor.cancel_effect,
            )
            for name, executor in self.executors.items()
        ]
