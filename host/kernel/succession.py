"""Hosts that follow one another in one process: a reload puts a new one in the old one's place, or the old one back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

import structlog

from host.contracts.clock import Clock
from host.contracts.host import DataDirectory, HostState, LastReload, ReloadReport
from host.errors import HostError, HostUnavailableError, RunStateError
from host.kernel.host import Host
from host.model.counts import counted

logger = structlog.get_logger("host")


class Succession:
    """Runs a host and, whenever it is reloaded, the one built from the configuration as it is then."""

    def __init__(self, host: Host, *, began: float, on_ready: Callable[[], None] = lambda: None) -> None:
        """``began`` is when the first start began, on the monotonic clock; ``on_ready`` is called after each start."""
        self._host = host
        self._began = began
        self._on_ready = on_ready
        self._next: Host | None = None
        self._is_ending = False
        self._hangup = asyncio.Event()
        self._last: LastReload | None = None
        host.kept_by(self)

    @property
    def state(self) -> HostState:
        """Where the present host stands."""
        return self._host.state

    @property
    def last_reload(self) -> LastReload | None:
        """How the latest reload ended."""
        return self._last

    async def run(self) -> None:
        """Run hosts until one is told to stop; raises what a host raised that nothing could follow."""
        host: Host | None = self._host
        await self._host.start()
        while host is not None:
            successor = None
            try:
                self._ready(host)
                successor = await self._until_drained(host)
            finally:
                await host.stop()
            host = await self._follow(host, successor) if successor else None

    def end(self) -> None:
        """Let the present host drain and none come after it; safe twice."""
        self._is_ending = True
        self._next = None
        self._host.begin_drain()

    def reload_soon(self) -> None:
        """Reload as soon as the host is ready; several requests until then are one. Errors are logged."""
        self._hangup.set()

    async def reload(self, *, dry_run: bool = False, by: str | None = None) -> ReloadReport:
        """Build what comes next, and let the present host drain for it, as ``HostControl.reload`` promises."""
        host = self._host
        if not dry_run:
            self._check_ready(host)
        successor = await asyncio.to_thread(host.successor)
        report = host.changes_to(successor)
        if dry_run:
            return report
        self._check_ready(host)
        logger.info("reload begun", by=by, changes=len(report.changes))
        self._began = time.monotonic()
        self._next = successor
        host.begin_drain()
        return replace(report, is_begun=True)

    def _check_ready(self, host: Host) -> None:
        if self._is_ending or self._next or host is not self._host or host.state is not HostState.READY:
            raise HostUnavailableError("the host stops or is being reloaded already", hint="try again when it is ready")
        stuck = sum(executor.stuck for executor in host.executors())
        if stuck:
            deaf = counted(stuck, "run", ("ignores that it was asked to stop", "ignore that they were asked to stop"))
            message = f"{deaf}, and would be performed a second time beside it"
            raise RunStateError(message, hint="only the end of the process ends them: stop the host and start it anew")

    def _ready(self, host: Host) -> None:
        self._on_ready()
        directory = host.get(DataDirectory)
        seconds = round(time.monotonic() - self._began, 2)
        logger.info("host ready", node=directory.node(), data=str(directory.path()), seconds=seconds)

    async def _until_drained(self, host: Host) -> Host | None:
        """Let the host work, then drain; give what is to come after it."""
        while True:
            await self._until_asked(host)
            logger.info("host draining")
            left = await host.finish_drain()
            if left:
                logger.warning("runs given back", count=left, hint="they start again with the next host")
            running = sum(executor.busy + executor.stuck for executor in host.executors())
            if self._next is None or not running:
                return self._next
            self._give_up(host, running)

    async def _until_asked(self, host: Host) -> None:
        watching = asyncio.create_task(self._heed_hangups(), name="reload")
        try:
            await host.wait_drain()
        finally:
            watching.cancel()

    async def _heed_hangups(self) -> None:
        while True:
            await self._hangup.wait()
            self._hangup.clear()
            try:
                await self.reload(by="SIGHUP")
            except HostError as error:
                if self._next is not None or self._is_ending:
                    self._hangup.set()  # another reload is on its way: this one comes after it
                    return
                logger.error("reload refused", error=str(error))
            except Exception as error:  # whatever a plugin's class raises when it is built, the host goes on
                logger.error("reload refused", error=repr(error), exc_info=error)

    def _give_up(self, host: Host, running: int) -> None:
        # Invariant: no run is performed twice at a time, as it would be by the next host of this process.
        self._next = None
        error = (
            f"{counted(running, 'run')} did not stop within the drain time, and would have been performed a second time"
        )
        self._last = LastReload(at=host.get(Clock).now(), error=error)
        logger.error("reload given up, the previous configuration goes on", error=error)
        host.resume()

    async def _follow(self, old: Host, new: Host) -> Host | None:
        """Start the new host, else the old one afresh; None if the process is to end instead."""
        if self._is_ending:
            return None
        error = None
        try:
            await self._start(new, old)
        except (HostError, OSError, SystemExit) as failure:
            await new.stop()
            error = str(failure) or type(failure).__name__
        if error is not None:
            logger.error("reload failed, the previous configuration starts again", error=error)
            if self._is_ending:
                return None
            failed, new = new, old.afresh()
            await self._start(new, old, failed)
        self._last = LastReload(at=new.get(Clock).now(), error=error)
        return new

    async def _start(self, host: Host, *earlier: Host) -> None:
        for each in earlier:
            host.go_on_from(each)
        self._host, self._next = host, None
        await host.start()
