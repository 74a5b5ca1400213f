"""The providers of this plugin before the upstream's process, built of settings that a configuration was read for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from host.contracts.bus import MessageBus
from host.contracts.contract import Contract, Service
from host.kernel.config import bind_settings, read_configuration
from host.local.bus import LocalMessageBus
from host.local.clock import SystemClock
from host.model.messages import ScheduleChanged
from host.testing.contracts.lacks import NewProvider
from host.testing.contracts.services import running
from host.testing.host import write_configuration
from host_upstream.providers import (
    UpstreamJobManager,
    UpstreamJobRunReader,
    UpstreamJobScheduleManager,
    UpstreamRunControl,
    UpstreamRunLog,
)
from host_upstream.settings import UpstreamSettings
from host_upstream.transport.http_link import HttpUpstreamLink
from host_upstream.upstream import OneUpstream
from plugins.upstream.tests.conformance.served import CLIENT, SECRET
from plugins.upstream.tests.conformance.upstream import UpstreamProcess

PATIENCE_SECONDS = 60
SECTION = """<section xsi:type="UpstreamConfigurationSection" timeout="PT{patience}S">
    <realm domain="127.0.0.1" port="{port}" tls="false" />
    <credentials convey="secret" type="app" name="{name}"><secret>{secret}</secret></credentials>
  </section>"""


class Proxies(Service):
    """All five, over one link; each ``Proxies`` is another host's."""

    def __init__(self, folder: Path, upstream: UpstreamProcess, bus: MessageBus | None = None) -> None:
        clock, settings = SystemClock(), _settings(folder, upstream)
        self._link = HttpUpstreamLink(settings, clock, None)
        self._bus = bus or LocalMessageBus()
        self.upstream = OneUpstream(self._link, settings, clock, self._bus)
        self.manager = UpstreamJobManager(self.upstream)
        self.control = UpstreamRunControl(self.upstream)
        self.schedules = UpstreamJobScheduleManager(self.upstream)
        self.reader = UpstreamJobRunReader(self.upstream)
        self.log = UpstreamRunLog(self.upstream)

    async def start(self) -> None:
        """Connect, and wait until changes of the upstream are heard: the first message says that they are."""
        is_heard = asyncio.Event()
        self._bus.subscribe(ScheduleChanged, lambda _: is_heard.set())
        await self._link.start()
        await self.upstream.start()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await is_heard.wait()

    async def stop(self) -> None:
        """Disconnect."""
        await self.upstream.stop()
        await self._link.stop()


def opened(proxies: Callable[[], Proxies], choose: Callable[[Proxies], Contract]) -> NewProvider:
    """Give what opens one of them alone."""

    @asynccontextmanager
    async def new_provider() -> AsyncIterator[Contract]:
        async with running(proxies()) as built:
            yield choose(built)

    return new_provider


def section_for(upstream: UpstreamProcess, attributes: str = "") -> str:
    """Give the section of a configuration that names this upstream."""
    section = SECTION.format(patience=PATIENCE_SECONDS, port=upstream.port, name=CLIENT, secret=SECRET)
    return section.replace("timeout=", f"{attributes} timeout=")


def _settings(folder: Path, upstream: UpstreamProcess) -> UpstreamSettings:
    section = section_for(upstream)
    config = read_configuration(write_configuration(folder, sections=section), environment={})
    return bind_settings(UpstreamSettings, config)
