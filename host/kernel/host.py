"""A host: catalogue, configuration, container and lifecycle put together."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self, TypeVar

import structlog

from host.contracts.clock import Clock
from host.contracts.contract import Contract, Service, Settings
from host.contracts.engine import Dispatcher, Scheduler
from host.contracts.host import DataDirectory, HostControl, HostState, HostStatus, PluginInfo, ProviderInfo
from host.contracts.maintenance import StoreMaintenance
from host.contracts.registry import JobRegistry
from host.contracts.runs import JobRunReader
from host.contracts.schedules import JobScheduleManager
from host.kernel.builtin import HostStartOptions
from host.kernel.catalogue import Catalogue, load_catalogue
from host.kernel.config import HostConfig, bind_settings, read_configuration
from host.kernel.container import Container
from host.kernel.graph import HOST_SECTION, Graph, build_graph
from host.kernel.lifecycle import Lifecycle
from host.kernel.wiring import contracts_of
from host.local.directory import DataDirectorySettings
from host.model.schedules import ScheduleEntry

logger = structlog.get_logger(__name__)

C = TypeVar("C", bound=Contract)

RESTORED_MARK = "restored"
"""A file of this name in the data directory makes the host start paused (written by ``jobhost restore``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSettings(Settings):
    """How the host as a whole behaves."""

    section: ClassVar[str] = HOST_SECTION
    drain: timedelta = timedelta(seconds=30)
    """How long active runs may go on after SIGTERM or ``jobhost drain``."""


class Host(HostControl):
    """One host, from a configuration file; an async context manager that starts and stops it."""

    def __init__(
        self, config: HostConfig, catalogue: Catalogue, *, skip_unknown: bool, options: HostStartOptions
    ) -> None:
        self._config = config
        self._catalogue = catalogue
        self._state = HostState.STARTING
        self._drain_requested = asyncio.Event()
        self._graph: Graph = build_graph(config, catalogue, self, skip_unknown=skip_unknown, options=options)
        self._container: Container = self._graph.container
        self._lifecycle = Lifecycle(self._services())
        self._settings = bind_settings(HostSettings, config)
        self._mark = bind_settings(DataDirectorySettings, config).path / RESTORED_MARK

    @classmethod
    def from_file(
        cls,
        path: Path | str,
        *,
        environment: Mapping[str, str] | None = None,
        skip_unknown: bool = False,
        catch_up: bool = True,
        paused: str | None = None,
        catalogue: Catalogue | None = None,
    ) -> Self:
        """Read, resolve and build everything, start nothing; raises ConfigurationError with every problem."""
        known = os.environ if environment is None else environment
        config = read_configuration(Path(path), environment=known, skip_missing=skip_unknown)
        settings = bind_settings(DataDirectorySettings, config)
        if paused is None and (settings.path / RESTORED_MARK).exists():
            paused = "restored from a backup"
        options = HostStartOptions(catch_up=catch_up, paused=paused)
        found = load_catalogue() if catalogue is None else catalogue
        return cls(config, found, skip_unknown=skip_unknown, options=options)

    async def start(self) -> None:
        """Start every service; the host is READY when this returns."""
        for warning in self._graph.warnings:
            logger.warning("configuration", finding=str(warning))
        for plugin in self._catalogue.plugins:
            if plugin.error:
                logger.error(
                    "plugin not loaded", plugin=plugin.name, distribution=plugin.distribution, error=plugin.error
                )
        await self._lifecycle.start()
        self._started_at = self._container.get(Clock).now()
        self._mark.unlink(missing_ok=True)
        self._state = HostState.READY

    async def stop(self) -> None:
        """Stop every service; safe twice."""
        try:
            await self._lifecycle.stop()
        finally:
            self._state = HostState.STOPPED

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self.stop()

    def get(self, contract: type[C]) -> C:
        """Give the provider of a contract."""
        return self._container.get(contract)

    async def wait_drain(self) -> None:
        """Wait until somebody asks to drain, or raise why a service failed."""
        failed = asyncio.ensure_future(self._lifecycle.wait_failed())
        asked = asyncio.ensure_future(self._drain_requested.wait())
        try:
            await asyncio.wait({failed, asked}, return_when=asyncio.FIRST_COMPLETED)
            if failed.done():
                failed.result()
        finally:
            failed.cancel()
            asked.cancel()

    async def finish_drain(self) -> int:
        """Let active runs end within the drain time; returns how many were given back."""
        self._state = HostState.DRAINING
        dispatcher = self._container.find(Dispatcher)
        if dispatcher is None:
            return 0
        return await dispatcher.drain(self._settings.drain.total_seconds())

    async def status(self) -> HostStatus:
        """Give state, providers with their health, and load."""
        scheduler = self._container.find(Scheduler)
        dispatcher = self._container.find(Dispatcher)
        registry = self._container.find(JobRegistry)
        counters = await self._container.get(JobRunReader).counters()
        return HostStatus(
            state=self._state,
            version=version("jobhost"),
            pid=os.getpid(),
            node=self._container.get(DataDirectory).node(),
            started_at=self._started_at,
            configuration=str(self._config.path),
            data_directory=str(self._container.get(DataDirectory).path()),
            timezone=scheduler.timezone() if scheduler else "UTC",
            providers=tuple(self.provider_infos()),
            executors=dispatcher.load() if dispatcher else {},
            unfinished={state.value: count for state, count in counters.by_state.items()},
            paused={pause.scope: pause.reason for pause in await registry.pauses()} if registry else {},
        )

    async def plugins(self) -> Sequence[PluginInfo]:
        """Give the installed plugins."""
        return self._catalogue.plugins

    async def drain(self, *, by: str | None = None) -> None:
        """Begin to drain."""
        logger.info("drain requested", by=by)
        self.begin_drain()

    def begin_drain(self) -> None:
        """Let ``wait_drain`` return; safe twice."""
        self._drain_requested.set()

    @property
    def state(self) -> HostState:
        """Give where it stands."""
        return self._state

    async def stored_schedules(self) -> tuple[Sequence[ScheduleEntry], str]:
        """Give the stored schedule entries and the default zone, without starting anything."""
        stored = self._container.find(JobScheduleManager)
        scheduler = self._container.find(Scheduler)
        return (await stored.all() if stored else ()), (scheduler.timezone() if scheduler else "UTC")

    def services_below(self, *contracts: type[Contract]) -> list[tuple[str, Service]]:
        """Give the services that providers of these contracts are or need, in start order."""
        rows = self._graph.plan.below([self._graph.plan.providers[contract] for contract in contracts])
        return [entry for entry in self._services() if entry[0] in {str(row) for row in rows}]

    def _services(self) -> list[tuple[str, Service]]:
        rows = [(row, self._container.instance(row)) for row in self._graph.plan.rows if row.instance is None]
        return [(str(row), instance) for row, instance in rows if isinstance(instance, Service)]

    def provider_infos(self) -> list[ProviderInfo]:
        """Give the configured providers and those used by default, in build order."""
        infos = []
        for row in self._graph.plan.rows:
            if row.instance is not None:
                continue
            instance = self._container.instance(row)
            infos.append(
                ProviderInfo(
                    type=f"{row.cls.__module__}:{row.cls.__qualname__}",
                    contracts=tuple(contract.__name__ for contract in contracts_of(row.cls)),
                    source=row.where,
                    findings=tuple(instance.check()) if isinstance(instance, Service) else (),
                )
            )
        return infos


@asynccontextmanager
async def open_stores(path: Path) -> AsyncIterator[tuple[list[StoreMaintenance], Path]]:
    """Give the stores of a configuration while no host runs, and the data directory, locked meanwhile.

    Raises DataDirectoryLockedError if a host runs.
    """
    host = Host.from_file(path)
    directory = host.get(DataDirectory)
    assert isinstance(directory, Service)
    await directory.start()
    try:
        yield host._container.all(StoreMaintenance), directory.path()  # noqa: SLF001  # the host's own module
    finally:
        await directory.stop()
