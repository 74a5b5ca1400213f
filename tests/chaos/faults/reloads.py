"""The configuration is put in force anew while runs are active."""

from __future__ import annotations

import asyncio
import signal
import time
from datetime import datetime

from host.cli.connect import connect
from host.contracts.host import LastReload
from host.errors import ConfigurationError, HostError
from tests.chaos.desk import Desk
from tests.chaos.faults.fault import Fault
from tests.chaos.faults.kills import Kill

RELOAD_SECONDS = 60.0
GRACE = ('cancelGrace="PT1S"', 'cancelGrace="PT1.5S"')


class Reload(Fault):
    """A setting is changed and the host told to look."""

    name = "reload"
    about = "SIGHUP under load after a setting was changed: the host drains, and starts anew in the same process"

    async def inject(self, desk: Desk) -> None:
        before = await _last_reload(desk)
        change(desk)
        async with desk.trouble("reload"):
            desk.host.send(signal.SIGHUP)
            last = await _wait_reload(desk, before.at if before else None)
        desk.expect(last is not None and last.error is None, f"the reload ended with {last}")

    async def heal(self, desk: Desk) -> None:
        await asyncio.sleep(0.2)


class ReloadBroken(Fault):
    """The changed file is wrong: refused with the place, and the host goes on as it was."""

    name = "reload-broken"
    about = "a reload with a configuration that names an unknown provider: refused, and nothing stops"

    async def inject(self, desk: Desk) -> None:
        self._good = desk.host.config.read_text()
        desk.host.config.write_text(self._good.replace("<jobs>", '<jobs><add type="nobody:Knows" />'))
        try:
            async with connect(desk.host.data) as host:
                await host.host.reload(by="campaign")
            desk.expect(False, "a reload with an unknown job was begun")
        except ConfigurationError as error:
            desk.expect("nobody:Knows" in f"{error} {error.problems}", f"the refusal names nothing: {error}")

    async def heal(self, desk: Desk) -> None:
        desk.host.config.write_text(self._good)
        await asyncio.sleep(0.3)


class KillWhileReloading(Kill):
    """It is killed while it drains, stops or starts anew."""

    name = "kill-reloading"
    about = "SIGHUP after a setting was changed, and `kill -9` within half a second"

    async def inject(self, desk: Desk) -> None:
        change(desk)
        desk.host.send(signal.SIGHUP)
        await asyncio.sleep(desk.chance.uniform(0, 0.5))
        desk.host.kill()


def change(desk: Desk) -> None:
    """Change a setting of the host, to and fro."""
    text = desk.host.config.read_text()
    old, new = GRACE if GRACE[0] in text else GRACE[::-1]
    desk.host.config.write_text(text.replace(old, new))


async def _wait_reload(desk: Desk, before: datetime | None) -> LastReload | None:
    until = time.monotonic() + RELOAD_SECONDS
    while time.monotonic() < until:
        last = await _last_reload(desk)
        if last is not None and last.at != before:
            return last
        await asyncio.sleep(0.02)
    return None


async def _last_reload(desk: Desk) -> LastReload | None:
    try:
        async with connect(desk.host.data) as host:
            return (await host.host.status()).last_reload
    except HostError:
        return None  # between the old and the new one


RELOADS: tuple[type[Fault], ...] = (Reload, ReloadBroken, KillWhileReloading)
