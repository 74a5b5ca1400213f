"""The wall clock of a running host is set; its monotonic clock, and everybody else's clocks, go on as they were."""

from __future__ import annotations

import asyncio
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.chaos.desk import Desk
from tests.chaos.evidence import Evidence, Promises, Verdict, Violation
from tests.chaos.faults.fault import Fault
from tests.chaos.journal import Event

SOURCE = Path(__file__).with_name("wallclock.c")
HOUR = 3600
SETTLE_SECONDS = 1.0
SEEN_SECONDS = 0.2
"""So long after it was set, a clock is read as it was set."""
WAIT_SECONDS = 30.0


class ClockStep(Fault):
    """The clock jumps once and stays where it is."""

    step: int
    is_repeated = False
    misfire = "latest"

    def missing(self) -> str | None:
        return None if shutil.which("cc") else "there is no C compiler"

    def promises(self) -> Promises:
        return Promises(steady_clock=False)

    def prepare(self, desk: Desk) -> None:
        self._set(desk, 0)
        library = desk.folder / "wallclock.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE)], check=True)
        desk.host.extra = {"LD_PRELOAD": str(library), "WALLCLOCK": str(desk.folder / "clock")}

    async def inject(self, desk: Desk) -> None:
        await self._step(desk, self.step)

    async def _step(self, desk: Desk, offset: int) -> None:
        desk.journal.note("clock", note=f"{offset:+d}")
        self._set(desk, offset)
        await asyncio.sleep(SETTLE_SECONDS)
        until = time.monotonic() + WAIT_SECONDS
        while not self._seen(desk.journal.events()) and time.monotonic() < until:
            await asyncio.sleep(0.1)

    def _seen(self, events: Sequence[Event]) -> bool:
        """Say whether a run that was asked for has started since the clock was set last."""
        latest = max(event.at for event in events if event.kind == "clock")
        starts = (event for event in events if event.kind == "start" and event.fire is None)
        return any(event.at > latest + SEEN_SECONDS for event in starts)

    def _set(self, desk: Desk, offset: int) -> None:
        path = desk.folder / "clock"
        with path.open("r+b" if path.exists() else "wb", buffering=0) as file:
            file.write(struct.pack("=q", offset))

    def judge(self, evidence: Evidence) -> Iterator[Violation]:
        """The step was seen, work asked for by people went on, and the schedule fired no storm."""
        first, *others = evidence.of("clock")
        until = others[0].at if others else float("inf")
        seen = [event for event in evidence.of("start") if first.at + SEEN_SECONDS < event.at < until]
        if not any(event.fire is None for event in seen):
            yield Violation(verdict=Verdict.LATE, what="nothing that was asked for started after the clock was set")
        if not any(abs(event.wall - event.at - (first.wall - first.at) - self.step) < 1 for event in seen):
            yield Violation(verdict=Verdict.BROKEN, what="no job saw the clock change: the fault had no effect")
        leapt = (first.wall + 1, first.wall + self.step - 1)
        fires = [row.fire for row in evidence.rows.values() if row.fire and leapt[0] < row.fire < leapt[1]]
        if len(fires) > 1:
            yield Violation(verdict=Verdict.WRONG, what=f"{len(fires)} fires for the time that was leapt over")


class ClockHourAhead(ClockStep):
    """Summer time by hand."""

    name = "clock+1h"
    about = "the host's wall clock is set an hour ahead"
    step = HOUR


class ClockDayAhead(ClockStep):
    """A machine that wakes up."""

    name = "clock+1d"
    about = "the host's wall clock is set a day ahead"
    step = 24 * HOUR


class ClockHourBack(ClockStep):
    """Set back and, when somebody has noticed, right again: what waits for its time would wait the hour."""

    name = "clock-1h"
    about = "the host's wall clock is set an hour back, and right again"
    step = -HOUR

    async def heal(self, desk: Desk) -> None:
        await self._step(desk, 0)


CLOCKS: tuple[type[Fault], ...] = (ClockHourAhead, ClockHourBack, ClockDayAhead)
