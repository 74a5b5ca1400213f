"""Signals that stop a host: for a while, in order, or impatiently."""

from __future__ import annotations

import asyncio
import signal

from tests.chaos.desk import Desk
from tests.chaos.faults.fault import Fault
from tests.chaos.faults.kills import Kill

LONGEST_FREEZE_SECONDS = 5.0
IMPATIENCE_SECONDS = 0.5
STOP_SECONDS = 60.0


class Freeze(Fault):
    """The process does not run, and then goes on as if nothing had been (a debugger, a paused machine)."""

    name = "freeze"
    about = "SIGSTOP, and SIGCONT after 0.1 to 5 s"

    async def inject(self, desk: Desk) -> None:
        longest = min(LONGEST_FREEZE_SECONDS, max(0.2, desk.seconds / 2))
        async with desk.trouble("frozen"):
            desk.host.send(signal.SIGSTOP)
            try:
                await asyncio.sleep(desk.chance.uniform(0.1, longest))
            finally:
                desk.host.send(signal.SIGCONT)

    async def heal(self, desk: Desk) -> None:
        await asyncio.sleep(0.3)

    def clean(self, desk: Desk) -> None:
        if desk.host.process is not None and desk.host.process.poll() is None:
            desk.host.send(signal.SIGCONT)


class Terminate(Fault):
    """An orderly stop while runs are active."""

    name = "sigterm"
    about = "SIGTERM under load, which must end with status 0, and a new host"

    async def inject(self, desk: Desk) -> None:
        await asyncio.sleep(desk.chance.uniform(0, 0.5))
        code = await asyncio.to_thread(desk.host.terminate, STOP_SECONDS)
        desk.expect(code == 0, f"SIGTERM ended the host with status {code}")

    async def heal(self, desk: Desk) -> None:
        await desk.start()


class TerminateTwice(Kill):
    """An operator without patience: the first signal drains, the second one leaves at once."""

    name = "sigterm-twice"
    about = "SIGTERM while long runs are active, and a second one half a second later: out at once with status 0"

    async def inject(self, desk: Desk) -> None:
        await desk.submit(desk.submission("Free", seconds=1.5))
        await asyncio.sleep(desk.chance.uniform(0.1, 0.4))
        desk.host.send(signal.SIGTERM)
        await asyncio.sleep(IMPATIENCE_SECONDS)
        desk.host.send(signal.SIGTERM)
        assert desk.host.process is not None
        code = await asyncio.to_thread(desk.host.process.wait, STOP_SECONDS)
        desk.expect(code == 0, f"two SIGTERM ended the host with status {code}")
        desk.host.has_died()


class KillWhileDraining(Kill):
    """What an init system does when a stop takes too long."""

    name = "kill-draining"
    about = "SIGTERM, and `kill -9` at a random moment of the drain"

    async def inject(self, desk: Desk) -> None:
        await desk.submit(*(desk.submission("Free") for _ in range(20)))
        desk.host.send(signal.SIGTERM)
        await asyncio.sleep(desk.chance.uniform(0, 0.3))
        if not desk.host.has_died():
            desk.host.kill()


STOPS: tuple[type[Fault], ...] = (Freeze, Terminate, TerminateTwice, KillWhileDraining)
