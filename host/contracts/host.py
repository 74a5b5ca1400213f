"""The host process itself: where it lives, how it is, and stopping it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from host.contracts.contract import Contract, Finding
from host.contracts.registry import Pause
from host.errors import UnsupportedOperationError


class DataDirectory(Contract):
    """The folder that holds everything a host keeps; owned by one process at a time."""

    @abstractmethod
    def path(self) -> Path:
        """Give the folder, absolute; it exists and is ours once started."""

    @abstractmethod
    def node(self) -> str:
        """Give this incarnation's identity: host name, boot and a random part; never the same twice."""


class ConfigurationFiles(Contract):
    """The files a host was configured by."""

    @abstractmethod
    def files(self) -> Sequence[Path]:
        """Give them, absolute: the main file first, then what it includes, in file order."""


class HostState(StrEnum):
    """Where a host stands."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderInfo:
    """One configured provider."""

    type: str
    """``package.module:Class``."""
    contracts: tuple[str, ...]
    """Names of the contracts it is used for."""
    source: str
    """``file:line``, or ``default``."""
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorInfo:
    """One executor and its load."""

    name: str
    busy: int
    """Slots in use."""
    slots: int
    stuck: int
    """Calls that ignore their cancellation and no longer hold a slot."""
    cancel_effect: str
    """What cancel and timeout can do here, as a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """One installed plugin."""

    name: str
    distribution: str
    version: str
    providers: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    error: str | None = None
    """Why it could not be loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastReload:
    """How the latest reload ended."""

    at: datetime
    error: str | None = None
    """Why the new configuration did not start; the previous one runs again. None: the new one runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """How a host is now."""

    state: HostState
    version: str
    pid: int
    node: str
    started_at: datetime
    configuration: str
    data_directory: str
    timezone: str
    """Default zone of schedules, IANA name; empty while the host that knows it has not been reached."""
    providers: tuple[ProviderInfo, ...] = ()
    executors: tuple[ExecutorInfo, ...] = ()
    unfinished: Mapping[str, int]
    """``{run state: how many}``."""
    paused: Mapping[str, str] = field(default_factory=dict)
    """``{scope: reason}``."""
    pauses: tuple[Pause, ...] = ()
    """The same with who and when, oldest first."""
    is_engine_known: bool = True
    """False while another host performs the jobs and cannot be asked: ``unfinished`` and the pauses tell nothing."""
    last_reload: LastReload | None = None
    """None until the first one of this process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationChange:
    """One difference between two configurations."""

    what: str
    """``provider``, ``section`` or ``job``."""
    name: str
    before: str | None = None
    """As the running configuration has it, None if it has not; never a secret."""
    after: str | None = None
    where: str | None = None
    """``file:line`` in the newer one, of what it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadReport:
    """What a reload does, or would do."""

    changes: tuple[ConfigurationChange, ...] = ()
    """Providers first, then sections, then jobs, each in file order."""
    warnings: tuple[str, ...] = ()
    is_begun: bool = False
    """Whether the host now drains and starts again with the new configuration."""


class RemoteEngine(Contract):
    """What faces show of the engine that performs the jobs, in a host that has none of its own and only forwards."""

    @abstractmethod
    async def timezone(self) -> str:
        """Give the default zone of schedules there, IANA name. Raises UpstreamUnavailableError."""

    @abstractmethod
    async def pauses(self) -> Sequence[Pause]:
        """Give what must not start there, oldest first. Raises UpstreamUnavailableError."""


class HostControl(Contract):
    """The running host, for the command line and for faces of operations."""

    @property
    def state(self) -> HostState:
        """Where it stands now, for those that live in its process; costs nothing, unlike ``status``."""
        raise UnsupportedOperationError("HostControl.state does not cross the wire", hint="status() tells it")

    @abstractmethod
    async def status(self) -> HostStatus:
        """Give its state, providers with their health, and load."""

    @abstractmethod
    async def pauses(self) -> Sequence[Pause]:
        """Give what must not start, oldest first; much cheaper than ``status``.

        Raises UpstreamUnavailableError where only another host knows it and cannot be asked.
        """

    @abstractmethod
    async def plugins(self) -> Sequence[PluginInfo]:
        """Give the installed plugins, also those that failed to load, by name."""

    @abstractmethod
    async def drain(self, *, by: str | None = None) -> None:
        """Start no run any more, let active ones end within the drain time, then stop. Returns at once."""

    @abstractmethod
    async def reload(self, *, dry_run: bool = False, by: str | None = None) -> ReloadReport:
        """Read the configuration again and start afresh with it, in this process; no code is loaded again.

        The new configuration is read, wired and built before anything stops: raises ConfigurationError with every
        problem, and the host goes on as it is. Then the host drains, stops, and starts anew; if that fails, with the
        previous configuration. Returns once the drain begins; ``HostStatus.last_reload`` tells how it ended.
        ``dry_run`` only reports. Raises UnsupportedOperationError in a host that a program embeds.
        """


FIND_DATA_DIRECTORY = "host.find_data_directory"
"""Key of click's ``Context.meta`` under which a plugin's command finds ``(data, config) -> Path``.

It gives the data directory that the command's options ``--data`` and ``--config`` ask for, and raises HostError without
any. The command's parameters must have these two names.
"""
SOCKET_NAME = "control.sock"
"""The control socket, in the data directory."""
POINTER_NAME = "control.path"
"""Holds the socket's path where ``<data directory>/control.sock`` would be too long for one."""


class ControlFace(Contract):
    """A way in for the command line, by the values of the contracts it serves; nobody calls it."""


class HostBackup(Contract):
    """Copies of everything needed to bring a host back: configuration, schedules, stores."""

    @abstractmethod
    async def create(self, folder: Path, *, keep: int = 7) -> BackupReport:
        """Write a new archive into ``folder``, verify it, and delete all but the newest ``keep`` archives.

        Raises StoreUnavailableError if it cannot be written; an archive that fails its verification is
        deleted and raised as StoreCorruptError.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupReport:
    """What a backup wrote."""

    archive: str
    bytes: int
    files: int
    deleted: tuple[str, ...] = ()
    """Older archives that were deleted."""
