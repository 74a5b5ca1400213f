"""The host process itself: where it lives, how it is, and stopping it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from host.contracts.contract import Contract, Finding


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
    """Default zone of schedules, IANA name."""
    providers: tuple[ProviderInfo, ...] = ()
    executors: Mapping[str, tuple[int, int]]
    """``{executor: (calls now, slots)}``."""
    unfinished: Mapping[str, int]
    """``{run state: how many}``."""
    paused: Mapping[str, str] = field(default_factory=dict)
    """``{scope: reason}``."""


class HostControl(Contract):
    """The running host, for the command line and for faces of operations."""

    @abstractmethod
    async def status(self) -> HostStatus:
        """Give its state, providers with their health, and load."""

    @abstractmethod
    async def plugins(self) -> Sequence[PluginInfo]:
        """Give the installed plugins, also those that failed to load, by name."""

    @abstractmethod
    async def drain(self, *, by: str | None = None) -> None:
        """Start no run any more, let active ones end within the drain time, then stop. Returns at once."""


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
