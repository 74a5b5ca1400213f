"""kill -9, at random moments and right after things happened."""

from __future__ import annotations

import asyncio
import time

from host.errors import HostError
from tests.chaos.desk import Desk
from tests.chaos.faults.fault import Fault

WAIT_SECONDS = 60.0
SOON_SECONDS = 0.004
LONG_SECONDS = 1.5


class Kill(Fault):
    """A host that is dead after ``inject`` and launched again by ``heal``."""

    async def heal(self, desk: Desk) -> None:
        await desk.start()


class KillAtRandom(Kill):
    """At any moment."""

    name = "kill"
    about = "`kill -9` at random moments under load"

    async def inject(self, desk: Desk) -> None:
        await asyncio.sleep(desk.chance.uniform(0, 0.8))
        desk.host.kill()


class KillOnLine(Kill):
    """When a job has just written a line of one kind."""

    line: str

    async def inject(self, desk: Desk) -> None:
        await asyncio.to_thread(self._strike, desk, desk.chance.uniform(0, SOON_SECONDS))

    def _strike(self, desk: Desk, delay: float) -> None:
        desk.expect(desk.journal.wait_line(self.line, WAIT_SECONDS), f"no job wrote a {self.line}")
        time.sleep(delay)
        desk.host.kill()


class KillOnStart(KillOnLine):
    """The code of a run has begun."""

    name = "kill-on-start"
    about = "`kill -9` within 4 ms of the first line of a job"
    line = "start"


class KillOnEnd(KillOnLine):
    """The code of a run has returned, its outcome is on its way to the store."""

    name = "kill-on-end"
    about = "`kill -9` within 4 ms of the last line of a job, before or while its outcome is written"
    line = "end"


class KillOnFailure(KillOnLine):
    """A run has raised, its next attempt is about to be planned."""

    name = "kill-on-failure"
    about = "`kill -9` within 4 ms of an attempt that raised, before or while the next one is planned"
    line = "fails"


class KillOnAccept(Kill):
    """At-most-once runs were accepted and are being claimed."""

    name = "kill-on-accept"
    about = "`kill -9` within 4 ms of the acceptance of at-most-once runs: while they are claimed and made RUNNING"

    async def inject(self, desk: Desk) -> None:
        try:
            await desk.submit(*(desk.submission("Once") for _ in range(desk.chance.randint(1, 20))))
        except HostError as error:
            desk.expect(False, f"nothing was accepted: {error}")
        time.sleep(desk.chance.uniform(0, SOON_SECONDS))
        desk.host.kill()


class KillLong(Kill):
    """An exclusive run is in the middle of its work: whatever performs it must not outlive its host."""

    name = "kill-long"
    about = "`kill -9` in the middle of an exclusive run that takes longer than the next host needs to start"

    async def inject(self, desk: Desk) -> None:
        (run,) = await desk.submit(desk.submission("Exclusive", seconds=LONG_SECONDS, priority=1))
        desk.expect(await self._has_started(desk, run), "the long run did not start")
        desk.host.kill()

    async def _has_started(self, desk: Desk, run: str) -> bool:
        until = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < until:
            if any(event.run == run for event in desk.journal.events() if event.kind == "start"):
                return True
            await asyncio.sleep(0.02)
        return False

    async def heal(self, desk: Desk) -> None:
        await super().heal(desk)
        await asyncio.sleep(LONG_SECONDS)


class KillAtLaunch(Kill):
    """The host that follows a killed one is killed while it starts, recovers, or has just become ready."""

    name = "kill-at-launch"
    about = "`kill -9`, and again at random moments while the next two hosts start and recover"

    async def inject(self, desk: Desk) -> None:
        desk.host.kill()
        for _ in range(2):
            desk.host.start(wait=False)
            await asyncio.sleep(desk.chance.uniform(0.1, 0.9))
            desk.host.kill()


KILLS: tuple[type[Fault], ...] = (
    KillAtRandom,
    KillOnStart,
    KillOnEnd,
    KillOnFailure,
    KillOnAccept,
    KillLong,
    KillAtLaunch,
)
