"""A host under a steady mix of work for minutes, killed again and again: does it lose anything, and does it grow?

python -m tests.chaos.soak [--seconds S] [--rate RUNS_A_SECOND] [--kill-every S] [--seed N]
"""

# ruff: noqa: T201  # a command prints

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from host.cli.connect import ConnectedHost, connect
from host.errors import HostError
from host.model.submissions import RunSubmission
from tests.chaos.campaign import offered_executors
from tests.chaos.checker import check
from tests.chaos.desk import INTERVAL_SECONDS, Desk
from tests.chaos.evidence import Evidence, Promises, Verdict, Violation
from tests.chaos.faults.fault import EXECUTORS

WARM_UP_SECONDS = 10.0
TICK_SECONDS = 0.1
DRAIN_SECONDS = 60.0
KINDS = {"Free": 80, "Exclusive": 5, "Once": 8, "Failing": 5, "cancelled": 2}
_ANONYMOUS = re.compile(r"^RssAnon:\s*(\d+) kB", re.MULTILINE)
WAYS = {"loop": 75, "thread": 22, "process": 3}


@dataclass(frozen=True, slots=True)
class Incarnation:
    """One host process: its memory by time, in MiB."""

    process: int
    samples: list[tuple[float, float]] = field(default_factory=list)

    def slope(self, after: float) -> float | None:
        """Give how fast it grew ``after`` this many seconds, in MiB a minute; None if it did not live long enough."""
        begin = self.samples[0][0] + after if self.samples else 0.0
        points = [(at, size) for at, size in self.samples if at >= begin]
        if len(points) < 5:
            return None
        middle = sum(at for at, _ in points) / len(points)
        mean = sum(size for _, size in points) / len(points)
        spread = sum((at - middle) ** 2 for at, _ in points)
        return 60 * sum((at - middle) * (size - mean) for at, size in points) / spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a soak found."""

    runs: int
    counts: Counter[str]
    incarnations: Sequence[Incarnation]
    violations: Sequence[Violation]

    def lines(self) -> list[str]:
        """Give the report as text."""
        found = Counter(violation.verdict for violation in self.violations)
        lines = [f"host {number}: {_growth(one)}" for number, one in enumerate(self.incarnations, 1)]
        lines.append(", ".join(f"{name} {count}" for name, count in sorted(self.counts.items())))
        lines.append(", ".join(f"{verdict.lower()} {found[verdict]}" for verdict in Verdict))
        return lines + [f"  {violation.verdict}: {violation.what}" for violation in self.violations[:20]]


class Soak:
    """One soak in an empty folder; ``run`` ends every process it started."""

    def __init__(self, folder: Path, *, seed: int, seconds: float, kill_every: float, rate: float = 150) -> None:
        self._ways = [name for name in EXECUTORS if name in offered_executors()]
        self._desk = Desk(folder, "loop", seed, seconds, others=tuple(name for name in self._ways if name != "loop"))
        self._kill_every = kill_every
        self._rate = rate
        self._incarnations: list[Incarnation] = []

    def run(self) -> Report:
        """Do it all."""
        try:
            return asyncio.run(self._run())
        finally:
            self._desk.host.kill()
            self._desk.journal.close()

    async def _run(self) -> Report:
        desk = self._desk
        desk.schedule("all")
        await desk.start()
        tasks = [asyncio.create_task(work) for work in (self._submit(), self._sample())]
        try:
            await self._kill_again_and_again()
            failed = [task for task in tasks if task.done()]
            assert not failed, failed
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        rows = await desk.settled(DRAIN_SECONDS)
        promises = Promises(interval=INTERVAL_SECONDS, fire_window=5.0)
        violations = check(Evidence(events=desk.journal.events(), rows=rows, promises=promises))
        return Report(runs=len(rows), counts=desk.counts, incarnations=self._incarnations, violations=violations)

    async def _kill_again_and_again(self) -> None:
        desk = self._desk
        over = time.monotonic() + desk.seconds
        while (left := over - time.monotonic()) > 0:
            await asyncio.sleep(min(left, self._kill_every * desk.chance.uniform(0.8, 1.2)))
            if time.monotonic() < over:
                assert not desk.host.has_died(), desk.host.tail()
                await asyncio.to_thread(desk.host.kill)
                await desk.start()

    async def _sample(self) -> None:
        while True:
            process = self._desk.host.process
            if process is not None and process.poll() is None:
                if not self._incarnations or self._incarnations[-1].process != process.pid:
                    self._incarnations.append(Incarnation(process.pid))
                with suppress(OSError):  # it has just died
                    self._incarnations[-1].samples.append((time.monotonic(), _mebibytes(process.pid)))
            await asyncio.sleep(1)

    async def _submit(self) -> None:
        while True:
            try:
                async with connect(self._desk.host.data) as host:
                    await self._submit_steadily(host)
            except (HostError, OSError):
                self._desk.counts["refused"] += 1
                await asyncio.sleep(0.02)

    async def _submit_steadily(self, host: ConnectedHost) -> None:
        desk, due = self._desk, time.monotonic()
        while True:
            kinds = desk.chance.choices(list(KINDS), list(KINDS.values()), k=max(1, int(self._rate * TICK_SECONDS)))
            ids = await desk.accept(host, *map(self._submission, kinds))
            for kind, run in zip(kinds, ids, strict=True):
                if kind == "cancelled":
                    desk.journal.note("cancelled", run=run)
                    await host.control.cancel(UUID(run))
            due = max(due + TICK_SECONDS, time.monotonic() - 1)
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    def _submission(self, kind: str) -> RunSubmission:
        desk = self._desk
        way = desk.chance.choices(self._ways, [WAYS[name] for name in self._ways])[0]
        if kind == "cancelled":
            return desk.submission("Free", seconds=3.0, executor=way)
        return desk.submission(kind, executor=way)


def _mebibytes(process: int) -> float:
    """Give the memory of its own that a process has in use; pages of files are the kernel's to drop."""
    found = _ANONYMOUS.search(Path(f"/proc/{process}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def _growth(one: Incarnation) -> str:
    sizes = [size for _, size in one.samples] or [0.0]
    slopes = [one.slope(after) for after in (WARM_UP_SECONDS, max(WARM_UP_SECONDS, len(sizes) / 2))]
    told = ["too short to tell" if slope is None else f"{slope:+.2f} MiB a minute" for slope in slopes]
    return (
        f"{len(sizes)} s, {sizes[0]:.0f} to {sizes[-1]:.0f} MiB, at most {max(sizes):.0f}; "
        f"{told[0]} after the warm-up, {told[1]} in the second half"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a soak and print its report; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak")
    parser.add_argument("--seconds", type=float, default=360)
    parser.add_argument("--rate", type=float, default=150, help="runs a second")
    parser.add_argument("--kill-every", type=float, default=40, help="seconds, more or less")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="soak") as folder:
        soak = Soak(
            Path(folder),
            seed=options.seed,
            seconds=options.seconds,
            kill_every=options.kill_every,
            rate=options.rate,
        )
        report = soak.run()
    print("\n".join(report.lines()))
    print(f"seed {options.seed}")
    return int(bool(report.violations))


if __name__ == "__main__":
    sys.exit(main())
