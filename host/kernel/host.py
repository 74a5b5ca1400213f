"""A host: catalogue, configuration, container and lifecycle put together."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Protocol, Self, TypeVar

import structlog

from host.contracts.bus import MessageBus
from host.contracts.clock import Clock
from host.contracts.contract import Contract, Service, Settings
from host.contracts.engine import Dispatcher, JobDirectory, Scheduler
from host.contracts.host import (
    DataDirectory,
    ExecutorInfo,
    HostControl,
    HostState,
    HostStatus,
    LastReload,
    PluginInfo,
    ProviderInfo,
    ReloadReport,
)
from host.contracts.jobs import Job
from host.contracts.maintenance import StoreMaintenance
from host.contracts.registry import Pause
from host.contracts.schedules import JobScheduleManager
from host.errors import HostUnavailableError, Problem, UnsupportedOperationError
from host.kernel.builtin import HostStartOptions
from host.kernel.catalogue import Catalogue, load_catalogue
from host.kernel.config import HostConfig, bind_settings, read_configuration
from host.kernel.container import Container
from host.kernel.difference import differences
from host.kernel.graph import HOST_SECTION, Graph, build_graph
from host.kernel.handle import HostHandle
from host.kernel.lifecycle import Lifecycle
from host.kernel.standing import EngineStanding
from host.kernel.wiring import contracts_of
from host.local.directory import DataDirectorySettings
from host.model.messages import HostStopping
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


class HostKeeper(Protocol):
    """Whoever runs a host in this process, and other hosts after it."""

    @property
    def last_reload(self) -> LastReload | None:
        """How the latest reload ended."""

    async def reload(self, *, dry_run: bool, by: str | None) -> ReloadReport:
        """Put another host in its place, as ``HostControl.reload`` promises."""

    def end(self) -> None:
        """Let no other host come after it."""


class Host(HostControl, HostHandle):
    """One host, from a configuration file; an async context manager that starts and stops it."""

    def __init__(
        self,
        config: HostConfig,
        catalogue: Catalogue,
        *,
        skip_unknown: bool,
        options: HostStartOptions,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._config = config
        self._catalogue = catalogue
        self._skip_unknown = skip_unknown
        self._options = options
        self._environment = os.environ if environment is None else environment
        self._keeper: HostKeeper | None = None
        self._state = HostState.STARTING
        self._drain_requested = asyncio.Event()
        self._graph: Graph = build_graph(config, catalogue, self, skip_unknown=skip_unknown, options=options)
        self._container: Container = self._graph.container
        self._lifecycle = Lifecycle(self._services())
        self._standing = EngineStanding(self._container)
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
        jobs: Sequence[type[Job]] = (),
        providers: Sequence[type[Contract]] = (),
    ) -> Self:
        """Read, resolve and build everything, start nothing; raises ConfigurationError with every problem.

        ``jobs`` and ``providers`` are offered beside those of installed plugins; PluginError for one that cannot be.
        """
        known = os.environ if environment is None else environment
        config = read_configuration(Path(path), environment=known, skip_missing=skip_unknown)
        options = HostStartOptions(catch_up=catch_up, paused=paused or _why_paused(config))
        found = load_catalogue() if catalogue is None else catalogue
        found.add(providers, jobs)
        return cls(config, found, skip_unknown=skip_unknown, options=options, environment=known)

    def successor(self) -> Host:
        """Read the configuration again and build a host to take this one's place, from the same catalogue.

        Raises ConfigurationError with every problem; this host is as it was in any case.
        """
        return self._following(
            read_configuration(self._config.path, environment=self._environment, skip_missing=self._skip_unknown)
        )

    def afresh(self) -> Host:
        """Build this host again from the configuration it has, whatever the files say now."""
        return self._following(self._config)

    def go_on_from(self, earlier: Host) -> None:
        """Take over what an earlier host of this process has done at its start; before ``start``."""
        directory = earlier._container.find(JobDirectory)
        self._options.go_on_from(earlier._options, directory.jobs().values() if directory else ())

    def changes_to(self, other: Host) -> ReloadReport:
        """Give what differs in another host's configuration, and what is odd about that one."""
        changes = differences(self._config, other._config, self._catalogue)
        return ReloadReport(changes=changes, warnings=tuple(map(str, other._graph.warnings)))

    def _following(self, config: HostConfig) -> Host:
        options = HostStartOptions(paused=_why_paused(config))
        following = Host(
            config,
            self._catalogue,
            skip_unknown=self._skip_unknown,
            options=options,
            environment=self._environment,
        )
        following._keeper = self._keeper
        return following

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
        self._say_stopping()
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

    async def wait_failed(self) -> None:
        """Wait until a service fails in the background, and raise why; HostUnavailableError once the host stops."""
        await self._lifecycle.wait_failed()

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
        self._say_stopping()
        dispatcher = self._container.find(Dispatcher)
        if dispatcher is None:
            return 0
        return await dispatcher.drain(self._settings.drain.total_seconds())

    def _require_started(self) -> None:
        if self._state is HostState.STARTING:
            raise HostUnavailableError("the host is starting", hint="try again in a moment")

    def _say_stopping(self) -> None:
        bus = self._container.find(MessageBus)
        if bus is not None:
            bus.publish(HostStopping())

    def resume(self) -> None:
        """Go on as if nobody had asked to drain."""
        self._drain_requested.clear()
        self._state = HostState.READY
        dispatcher = self._container.find(Dispatcher)
        if dispatcher is not None:
            dispatcher.resume()

    def executors(self) -> Sequence[ExecutorInfo]:
        """Give the executors with their load."""
        dispatcher = self._container.find(Dispatcher)
        return dispatcher.executors() if dispatcher else ()

    async def status(self) -> HostStatus:
        """Give state, providers with their health, and load; refuses while the host starts."""
        self._require_started()
        standing = await self._standing.ask()
        return HostStatus(
            state=self._state,
            version=_version(),
            pid=os.getpid(),
            node=self._container.get(DataDirectory).node(),
            started_at=self._started_at,
            configuration=str(self._config.path),
            data_directory=str(self._container.get(DataDirectory).path()),
            timezone=standing.timezone,
            providers=tuple(self.provider_infos()),
            executors=tuple(self.executors()),
            unfinished=standing.unfinished,
            paused={pause.scope: pause.reason for pause in standing.pauses},
            pauses=standing.pauses,
            is_engine_known=standing.is_known,
            last_reload=self._keeper.last_reload if self._keeper else None,
        )

    async def pauses(self) -> Sequence[Pause]:
        """Give what must not start; refuses while the host starts."""
        self._require_started()
        return await self._standing.pauses()

    async def plugins(self) -> Sequence[PluginInfo]:
        """Give the installed plugins."""
        return self._catalogue.plugins

    async def drain(self, *, by: str | None = None) -> None:
        """Begin to drain."""
        logger.info("drain requested", by=by)
        if self._keeper is not None:
            self._keeper.end()
        self.begin_drain()

    async def reload(self, *, dry_run: bool = False, by: str | None = None) -> ReloadReport:
        """Ask whoever keeps this host; refuse if a program does."""
        if self._keeper is None:
            hint = "leave its `async with` block and start another"
            raise UnsupportedOperationError("a host that a program embeds cannot be reloaded", hint=hint)
        return await self._keeper.reload(dry_run=dry_run, by=by)

    def kept_by(self, keeper: HostKeeper) -> None:
        """Say who runs this host, and others after it; those know it, too."""
        self._keeper = keeper

    def begin_drain(self) -> None:
        """Let ``wait_drain`` return; safe twice."""
        self._drain_requested.set()

    @property
    def state(self) -> HostState:
        """Give where it stands."""
        return self._state

    @property
    def left_out(self) -> Sequence[Problem]:
        """Configured jobs that this host, which runs none itself, leaves out."""
        return self._graph.jobs_left_out

    async def stored_schedules(self) -> tuple[Sequence[ScheduleEntry], str]:
        """Give the stored schedule entries and the default zone, without starting anything; none without an engine."""
        scheduler = self._container.find(Scheduler)
        if scheduler is None:
            return (), "UTC"
        return await self._container.get(JobScheduleManager).all(), scheduler.timezone()

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


def _why_paused(config: HostConfig) -> str | None:
    mark = bind_settings(DataDirectorySettings, config).path / RESTORED_MARK
    return "restored from a backup" if mark.exists() else None


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


@cache
def _version() -> str:
    return version("jobhost")
