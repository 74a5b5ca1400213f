"""More work at once than can be done at once, while others want their share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from host.cli.connect import connect
from host.model.submissions import RunSubmission
from tests.chaos.desk import Desk
from tests.chaos.evidence import Evidence, Verdict, Violation
from tests.chaos.faults.fault import Fault

FULL_SECONDS = {"loop": 1.0, "thread": 3.0, "process": 60.0}
"""From this length on a cell has the whole flood; a shorter one has its part of it."""
LOUD = "loud"
BATCH = 500
SOON_SECONDS = 0.8
SOON_SHARE = 0.3
"""What the quiet tenant's runs may wait, nearly always: a moment, or this part of the time the flood takes."""
NEARLY_ALWAYS = 0.95
OVERTAKEN_SHARE = 0.5
"""A run that waits longer has done so behind its own tenant's, unless this part of the flood began meanwhile."""


class Flood(Fault):
    """One tenant submits very many runs; another one, who asks for few, does not notice."""

    size: int
    is_repeated = False
    drain_seconds = 60.0

    async def inject(self, desk: Desk) -> None:
        left = int(self.size * min(1.0, desk.seconds / FULL_SECONDS[desk.executor]))
        desk.counts["flood"] = left
        due = datetime.now(UTC) + timedelta(seconds=self.delay(desk))
        scope = f"job:{desk.job('Guest')}"
        async with connect(desk.host.data) as host:
            await host.control.pause(scope, reason="the flood gathers")
            while left > 0:
                batch = [self.one(desk, due) for _ in range(min(BATCH, left))]
                await desk.accept(host, *batch)
                left -= len(batch)
            await host.control.resume(scope)

    async def heal(self, desk: Desk) -> None:
        """Wait until the flood is over: the quiet tenant goes on meanwhile."""
        until = time.monotonic() + self.drain_seconds
        async with connect(desk.host.data) as host:
            while time.monotonic() < until:
                if await desk.unfinished(host) < BATCH / 10:
                    return
                await asyncio.sleep(0.1)
        desk.expect(False, f"the flood is not over after {self.drain_seconds:.0f} s")

    def delay(self, desk: Desk) -> float:
        """Give how long the runs wait for their time."""
        return 0

    def one(self, desk: Desk, due: datetime) -> RunSubmission:
        """Give one of the many."""
        return desk.submission("Guest", seconds=0, tenant=LOUD)

    def judge(self, evidence: Evidence) -> Iterator[Violation]:
        """Nearly all of what the quiet tenant asked for meanwhile began soon."""
        accepted = {event.run: event for event in evidence.of("accepted") if not event.job.endswith("Exclusive")}
        begun = {run: events[0].at for run, events in evidence.by_run.items() if run in accepted}
        loud = [at for run, at in begun.items() if accepted[run].note == LOUD]
        begin, end = min(loud, default=0.0), max(loud, default=0.0)
        quiet = [run for run, event in accepted.items() if event.note != LOUD and begin <= event.at <= end]
        waits = sorted((begun.get(run, float("inf")) - accepted[run].at, accepted[run].at) for run in quiet)
        limit = max(SOON_SECONDS, SOON_SHARE * (end - begin))
        worst, since = waits[int(len(waits) * NEARLY_ALWAYS)] if waits else (float("inf"), begin)
        overtaken = sum(since <= at <= since + worst for at in loud)
        if worst > limit and overtaken >= OVERTAKEN_SHARE * len(loud):
            what = f"{NEARLY_ALWAYS:.0%} of the quiet tenant's {len(waits)} runs began within {worst:.1f} s"
            what = f"{what}, not {limit:.1f} s, and {overtaken} of the flood's {len(loud)} before"
            yield Violation(verdict=Verdict.LATE, what=what)


class TenantFlood(Flood):
    """All due now."""

    name = "flood-tenant"
    about = (
        "one tenant has 20 000 runs due, and 95 % of a quiet one's begin within 0.3 of the time the flood takes, "
        "or before half of it"
    )
    size = 20_000


class DueAtOnce(Flood):
    """All due at one instant in the near future."""

    name = "flood-due"
    about = "10 000 runs become due at one instant"
    size = 10_000

    def delay(self, desk: Desk) -> float:
        return desk.seconds / 2

    def one(self, desk: Desk, due: datetime) -> RunSubmission:
        return desk.submission("Guest", seconds=0, tenant=LOUD, not_before=due)


class RetryStorm(Flood):
    """All raise, and all want to be tried again."""

    name = "retry-storm"
    about = "5 000 runs that raise, with one more attempt each"
    size = 5_000

    def one(self, desk: Desk, due: datetime) -> RunSubmission:
        return desk.submission("Failing", "raises", seconds=0, tenant=LOUD)


FLOODS: tuple[type[Fault], ...] = (TenantFlood, DueAtOnce, RetryStorm)
