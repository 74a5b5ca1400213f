"""Plugins that break between two starts of a host."""

from __future__ import annotations

import asyncio
import shutil

from tests.chaos.desk import Desk
from tests.chaos.faults.fault import Fault
from tests.chaos.faults.kills import Kill

HANG_SECONDS = 1.5


class NewPlugin(Fault):
    """Somebody installs a plugin and starts the host again."""

    code: str
    same_for_all = True

    async def inject(self, desk: Desk) -> None:
        code = await asyncio.to_thread(desk.host.terminate)
        desk.expect(code == 0, f"SIGTERM ended the host with status {code}")
        folder = desk.folder / "plugins"
        info = folder / "broken-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[host.plugins]\nbroken = broken_plugin\n")
        (folder / "broken_plugin.py").write_text(f"from host.hookspecs import hookimpl\n{self.code}\n")

    def uninstall(self, desk: Desk) -> None:
        """Take the plugin away."""
        shutil.rmtree(desk.folder / "plugins")


class BrokenPlugin(NewPlugin):
    """It cannot be imported: it is named, and everything else works."""

    name = "plugin-import"
    about = "restart with a plugin that raises at import: it is named, and the rest works"
    code = "raise RuntimeError('no licence')"

    async def heal(self, desk: Desk) -> None:
        await desk.start()
        desk.expect("no licence" in desk.host.text(), "the host did not say which plugin could not be imported")
        self.uninstall(desk)
        await asyncio.sleep(0.5)


class RaisingHook(BrokenPlugin):
    """Its hook raises."""

    name = "plugin-hook"
    about = "restart with a plugin whose hook raises: it is named, and the rest works"
    code = "@hookimpl\ndef host_jobs():\n    raise RuntimeError('no licence')"


class HangingHook(NewPlugin, Kill):
    """Its hook does not return: the start hangs, somebody kills it and takes the plugin away."""

    name = "plugin-hang"
    about = "restart with a plugin whose hook hangs, `kill -9`, and a start without the plugin"
    code = "@hookimpl\ndef host_jobs():\n    import time\n    time.sleep(600)"

    async def inject(self, desk: Desk) -> None:
        await super().inject(desk)
        desk.host.start(wait=False)
        await asyncio.sleep(HANG_SECONDS)
        desk.expect("host ready" not in desk.host.text(), "the hook did not hang: the fault had no effect")
        desk.host.kill()
        self.uninstall(desk)


PLUGINS: tuple[type[Fault], ...] = (BrokenPlugin, RaisingHook, HangingHook)
